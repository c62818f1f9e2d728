# Has the agents that run become the new program. `$1`: what restarts units.
#
# A restart: systemd keeps sockets and connections meanwhile, and no line is lost. A stop and a start
# would end every connection. An agent that does not run stays as it is: it was stopped on purpose.
restart_agents() {
	unit=logagent.service
	case $(systemctl show --property=ActiveState --value $unit) in
	inactive | failed) ;;
	*)
		config=$(systemctl show --property=ExecStart --value $unit | sed -nE 's/.* (-c|--config)[ =]?([^ ;]+).*/\2/p')
		: "${config:=/etc/logagent/logagent.toml}"
		# With the rights of the one that runs: root may do more than it.
		running=/proc/$(systemctl show --property=MainPID --value $unit)/status
		as=
		if grep -qs '^CapAmb:[^1-9a-f]*$' "$running"; then
			groups=$(sed -n 's/^Groups:[[:space:]]*//p' "$running" | sed 's/ *$//; s/ /,/g')
			as=$(sed -n 's/^Uid:[[:space:]]*\([0-9]*\).*/--reuid=\1/p; s/^Gid:[[:space:]]*\([0-9]*\).*/--regid=\1/p' "$running")
			as="setpriv $as ${groups:+--groups=$groups}"
			[ "$groups" ] || as="$as --clear-groups"
		fi
		if wrong=$($as /usr/bin/logagent check "$config" 2>&1 >/dev/null); then
			$1 try-restart $unit || echo "logagent: look at: systemctl status $unit" >&2
		else
			# The installation counts as done: what is wrong is not in the package, and half an
			# installation would hold up those of all others. No line is lost meanwhile.
			cat >&2 <<-END

			logagent: NOT RESTARTED: the new version does not take the configuration:
			$wrong
			The old version goes on, as it is, but would not come back after a stop or a reboot.
			Mend the configuration, and then: logagent check $config && systemctl restart logagent

			END
		fi
		;;
	esac
	instances=$(systemctl list-units --plain --no-legend --full 'logagent@*.service' | cut -d ' ' -f 1)
	[ -z "$instances" ] || $1 try-restart $instances ||
		echo "logagent: look at: systemctl status 'logagent@*'" >&2
}
