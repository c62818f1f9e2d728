//! Our own messages: one struct a fact, told once, where the decision is made.
//!
//! They go to stderr and never into a stream's file, and never hold a line's content.

mod complaint;
mod stderr;

use std::fmt::Display;

pub use complaint::Complaint;
pub use stderr::{Level, Messages};

/// Something worth telling.
pub trait Fact {
    /// Tells it.
    fn tell(&self);
}

/// Tells a fact.
pub fn report(fact: &impl Fact) {
    fact.tell();
}

/// A struct a fact: its fields are what is known, its text says what it means and what is next.
macro_rules! facts {
    ($($(#[$doc:meta])* $level:ident $name:ident { $($field:ident),* } $text:literal)*) => {$(
        $(#[$doc])*
        pub struct $name<'a> {
            $(#[allow(missing_docs)] pub $field: &'a dyn Display,)*
        }

        impl Fact for $name<'_> {
            fn tell(&self) {
                tracing::$level!($($field = %self.$field,)* $text);
            }
        }
    )*};
}

facts! {
    /// The agent reads and writes.
    info AgentStarted { version, inputs, streams }
        "started"
    /// A drain begins.
    info Draining { grace }
        "draining: reading what is on its way, then stopping"
    /// Everything that was accepted is in the files.
    info Drained { lines }
        "stopped: every accepted line is written"
    /// The grace has passed with lines left.
    error GaveUp { lines, bytes, streams }
        "stopped with lines that could not be written"
    /// The file took nothing to the end, so that no gap record could be written.
    error GapsUntold { stream, lines }
        "stopped with dropped lines of which the file does not tell"
    /// Pipe mode was stopped while its input still had something.
    error InputUnread { input, bytes }
        "stopped with bytes that were never read"
    /// A signal or command asked for it.
    info ReopenAsked { streams }
        "reopening every stream's file"
    /// The stream goes on in another file.
    info Reopened { stream, path, from, to }
        "reopened"
    /// Opening failed, but nobody has taken our file away.
    warn ReopenKept { stream, path, error }
        "cannot reopen; the path still names the open file, which goes on"
    /// The file has another name now, and nobody has sent a signal.
    warn FileRenamed { stream, path, inode }
        "the file was renamed; its lines go on in a new one at its path"
    /// The file has no name any more.
    warn FileRemoved { stream, path, inode }
        "the file was removed, with what stood in it; its lines go on in a new one"
    /// The path names another file now.
    warn FileReplaced { stream, path, inode, by }
        "another file has taken the file's place; its lines go on in that one"
    /// A log file's directory could not be watched.
    warn NotWatched { directory, error }
        "cannot watch for files that are renamed or removed; it is noticed before the next write \
         instead; see fs.inotify.max_user_instances and fs.inotify.max_user_watches"
    /// The file has become shorter.
    warn FileTruncated { stream, path, inode, from, to }
        "the file was truncated; its lines go on at its end"
    /// There is no file to write to now.
    error FileLost { stream, path, error, retry_in, hint }
        "cannot open the file; lines are kept in the queue and opening is retried"
    /// The file takes no bytes now.
    error StreamStalled { stream, path, error, pending_lines, pending_bytes, retry_in, hint }
        "cannot write; lines are kept in the queue and writing is retried"
    /// A panic in a writer.
    error WriterFell { stream, path, pending_lines, retry_in }
        "the stream's writer met a fault in logagent; its lines are kept and writing is retried"
    /// The file takes bytes again.
    info StreamResumed { stream, path }
        "writing again"
    /// A crash had left an unfinished last line.
    warn FragmentEnded { stream, path }
        "the file ended inside a line; a newline is added so that the next line stands alone"
    /// A file said at its end that something was not stored.
    error LeftWithError { stream, inode, error }
        "closing the file failed: its last lines may not be on the disk"
    /// fsync(2) failed.
    error SyncFailed { stream, error }
        "cannot sync the file: its last lines may not be on the disk"

    /// The file has become an archive, and the stream goes on in another one.
    info Rotated { stream, path, archive, lines, bytes }
        "rotated"
    /// The file could not become an archive.
    warn RotationFailed { stream, path, error, retry_in }
        "cannot rotate; the open file goes on and rotation is tried again"
    /// An archive is smaller now.
    debug ArchiveCompressed { stream, archive, bytes }
        "compressed"
    /// An archive had to go.
    info ArchiveRemoved { stream, archive }
        "removed the oldest archive, see keep and keep-size"
    /// What a kill has left.
    info ArchiveFinished { stream, archive, what }
        "finished with an archive what had been begun"
    /// Compressing or removing failed.
    warn ArchivesFailed { stream, error, retry_in }
        "cannot compress or remove archives; they stay as they are and it is tried again"
    /// A new configuration is in force.
    info ConfigurationApplied { streams_added, streams_removed, inputs_added, inputs_removed, changed }
        "configuration read again and applied"
    /// A new configuration is wrong.
    error ConfigurationRefused { mistakes }
        "configuration not applied: the one before stays in force"
    /// A writer's thread could not be started.
    error StreamFailed { stream, error }
        "cannot start the stream's writer"
    /// One of its mistakes.
    error ConfigurationMistake { mistake }
        "mistake"
    /// Some settings cannot be changed while running.
    warn RestartNeeded { settings }
        "some changed settings need a restart"
    /// An input of a new configuration could not be opened.
    error InputFailed { input, error }
        "cannot open the input; the others go on"

    /// A socket nobody listened at was in the way.
    info StaleSocketReplaced { input, path }
        "replaced a socket that nobody listens at"
    /// systemd makes a regular file where a unit's socket is missing.
    warn FileFound { input, path, renamed_to, held_by }
        "a regular file was in the socket's place; its lines are taken in; restart the units that \
         still write to it, and start them after the agent"
    /// PM2, or a shell, makes a regular file where a FIFO is missing.
    warn FileFoundForFifo { input, path, renamed_to, held_by }
        "a regular file was in the FIFO's place; its lines are taken in; whoever holds it still writes \
         to it: `pm2 reloadLogs` where that is PM2, else restart it, and start the agent first"
    /// A program has more instances than FIFOs.
    warn InstanceBeyond { input, path, instances, write }
        "a regular file stands where a further instance should have its FIFO, and nobody reads it; \
         raise instances and reload, then `pm2 reloadLogs`: the lines of the file are taken in"
    /// Something came through the FIFO without a number.
    info NotNumbered { input, path }
        "lines come through the FIFO without a number; PM2 numbers only names that end in .log, where \
         merge_logs is not set; lines over 4096 bytes of several processes mix in one FIFO"
    /// The FIFO ends with us, and whoever writes to it will see that.
    warn FifoLeft { input, path, held_by }
        "stopped reading a FIFO that others have open: their writes fail (EPIPE) until they open it \
         again; PM2 then throws everything away until `pm2 reloadLogs`"
    /// accept(2) failed.
    error AcceptFailed { input, error, retry_in }
        "cannot accept connections; those that are open go on"
    /// All permits are taken.
    warn ConnectionsFull { input, limit }
        "the limit of connections is reached; further ones wait until one ends"
    /// Not as many descriptors as configured connections.
    warn DescriptorsShort { wanted, limit, connections }
        "the descriptor limit is too low for max-connections; lower that, or raise the limit: \
         LimitNOFILE= of a systemd unit, --ulimit nofile= of a container"
    /// A client that `allow` does not name.
    warn ClientRefused { input, unit, uid, pid }
        "refused a client that the input's allow does not name"
    /// A connection whose origin makes no stream's name.
    warn StreamNotKnown { input, stream, pid, error }
        "a client's stream could not be found out; its lines go to this one"
    /// As many streams as there may be.
    warn StreamsFull { wanted, limit, stream }
        "the limit of streams is reached; further ones' lines go to this one; see max-streams \
         and LimitNOFILE="
    /// What a framing made no sense of.
    warn FramingSenseless { input, framing }
        "a client's bytes make no sense to the input's framing; they are taken by newlines"
    /// A packet larger than can be read.
    error PacketCut { input, packets }
        "packets were larger than can be read, and lost their end"
    /// Few datagrams wait in a socket.
    info DatagramsFew { input, limit }
        "few datagrams can wait for the agent; senders that do not block may have to drop; see \
         net.unix.max_dgram_qlen"
    /// A descriptor that systemd handed over and no input reads.
    warn DescriptorUnused { name }
        "systemd has handed over a descriptor that no input names; what is sent there is not read"
    /// A client went away with an error.
    debug ConnectionFailed { input, error }
        "a connection ended with an error"
    /// Reading failed for good.
    error ReadFailed { input, error }
        "reading failed; what had been read is written"
    /// The shared memory for unfinished lines is used up.
    warn PartialMemoryShort { stream, limit }
        "the memory for unfinished lines is used up: long lines are split early; see partial-memory"
    /// An input has ended.
    debug InputEnded { input }
        "the input has ended"

    /// One of our outputs does not take copies any more.
    warn TeeEnded { output, error }
        "the output takes no more copies; the file goes on"
    /// Copies were left out.
    warn TeeDropped { output, lines }
        "the output was too slow: copies were left out there, the file has every line"

    /// The command runs that `run` was asked for.
    info ChildStarted { pid }
        "started the command"
    /// It has ended.
    info ChildEnded { pid, status }
        "the command has ended: what it has left is written, then so do we"
    /// The command is gone, and what it has started is not.
    warn ChildrenLeft { pids }
        "processes that the command has left go on without it; what they print from now on is in no \
         file"

    /// systemd keeps no more descriptors for us.
    warn StoreFull { limit }
        "systemd keeps no more connections for the agent: a restart ends the others; raise \
         FileDescriptorStoreMax="
    /// A connection that the agent before has left, and no input takes.
    warn ConnectionUntaken { path }
        "ended a connection of the agent before: no input has its socket any more"
    /// Lines that could not be written wait for the next agent.
    warn LinesLeft { stream, lines, bytes }
        "these lines could not be written; a restart goes on with them, a stop loses them"
    /// Lines that have begun wait for the next agent.
    info HalvesLeft { lines, bytes }
        "lines that have not ended are left to the next agent: a restart goes on with them, a stop \
         loses them"
    /// The descriptor store is off, and was on before.
    warn StoreOff { descriptors }
        "let go of what systemd has kept of the agent before, since FDSTORE= is not set any more: \
         its connections end"
    /// What the next agent goes on with could not be left.
    error HandoverFailed { error }
        "cannot hand over to the next agent: unfinished lines are lost"
    /// The descriptor store could not be used.
    error StoreFailed { error }
        "cannot use systemd's descriptor store: a restart ends connections"
    /// systemd cannot be told anything.
    error SupervisorSilent { error }
        "cannot reach systemd at $NOTIFY_SOCKET"
    /// Lines that were lost when the agent before ended without having written them.
    error LinesCrashed { stream, lines }
        "the agent before ended with lines that it had read and not written: they are lost"

    /// A pid file of an agent that is gone.
    info StalePidFile { path }
        "removed a stale pid file"
    /// The control socket could not be served.
    error ControlFailed { path, error }
        "cannot serve the control socket"
    /// A control client that is not the agent's own user.
    warn ControlRefused { uid }
        "refused a control client of another user"
    /// A panic, which is always a mistake of ours.
    error Panicked { task, text }
        "a task ended by a fault in logagent; please report this"
}
