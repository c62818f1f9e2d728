//! Values from the code: `@name@` in a page.

use std::time::Duration;

use logagent::config::{Size, defaults};
use logagent::formatting::JSON_FIELDS;
use logagent::limits;

/// The value of that name.
pub(super) fn value(name: &str) -> Option<String> {
    let size = |bytes: usize| Some(Size(bytes).to_string());
    let number = |number: usize| Some(number.to_string());
    let time = |time: Duration| Some(humantime::format_duration(time).to_string());
    let text = |text: &str| Some(text.to_owned());
    match name {
        "control" => text(defaults::CONTROL),
        "dir" => text(defaults::DIR),
        "pid-file" => text(defaults::PID_FILE),
        "send-socket" => text(defaults::SEND_SOCKET),
        "prefix" => text(defaults::PREFIX),
        "fields" => text(&JSON_FIELDS.iter().map(|it| it.name()).collect::<Vec<_>>().join(", ")),
        "log-mode" => Some(format!("{:04o}", defaults::LOG_MODE)),
        "listener-mode" => Some(format!("{:04o}", defaults::LISTENER_MODE)),
        "allowed-max" => number(limits::ALLOWED_MAX),
        "instances-max" => number(limits::INSTANCES_MAX),
        "answer-timeout" => time(limits::REOPEN_TIMEOUT_DEFAULT),
        "configuration-bytes" => size(limits::CONFIGURATION_BYTES_MAX),
        "configuration-settles" => time(limits::CONFIGURATION_SETTLES),
        "configuration-settles-max" => time(limits::CONFIGURATION_SETTLES_MAX),
        "connections" => number(limits::CONNECTIONS_MAX_DEFAULT),
        "control-request-bytes" => size(limits::CONTROL_REQUEST_BYTES_MAX),
        "control-timeout" => time(limits::CONTROL_TIMEOUT),
        "control-guests" => number(limits::CONTROL_GUESTS_MAX),
        "control-reopens" => number(limits::CONTROL_REOPENS_MAX),
        "control-rotates" => number(limits::CONTROL_ROTATES_MAX),
        "control-reloads" => number(limits::CONTROL_RELOADS_MAX),
        "control-stops" => number(limits::CONTROL_STOPS_MAX),
        "control-tails" => number(limits::CONTROL_TAILS_MAX),
        "counts-max" => number(limits::CONFIGURED_COUNT_MAX),
        "create-after-loss" => time(limits::CREATE_AFTER_LOSS),
        "create-after-signal" => time(limits::CREATE_AFTER_SIGNAL),
        "duration-max" => time(limits::CONFIGURED_DURATION_MAX),
        "event-growth" => number(limits::EVENT_GROWTH_MAX),
        "event-growth-bytes" => size(limits::EVENT_GROWTH_BYTES_MAX),
        "event-values" => number(limits::EVENT_VALUES_MAX),
        "failed-writes" => number(limits::FAILED_WRITES_MAX as usize),
        "followed-streams" => number(limits::FOLLOWED_STREAMS_MAX),
        "gap-bytes" => number(limits::GAP_BYTES_MAX),
        "grace" => time(limits::GRACE_DEFAULT),
        "handshake-bytes" => number(limits::HANDSHAKE_BYTES_MAX),
        "idle-close" => time(limits::IDLE_CLOSE),
        "level-bytes" => number(limits::LEVEL_BYTES_MAX),
        "line-least" => number(limits::LINE_BYTES_MIN),
        "line-most" => size(limits::LINE_BYTES_MAX_LIMIT),
        "line" => size(limits::LINE_BYTES_MAX_DEFAULT),
        "look-every" => time(limits::LOOK_EVERY),
        "octet-count-most" => size(limits::OCTET_COUNT_MAX),
        "packet" => size(limits::PACKET_BYTES_MAX),
        "partial-memory" => size(limits::PARTIAL_BYTES_POOL_DEFAULT),
        "partial-sure" => size(limits::PARTIAL_BYTES_SURE),
        "queue" => size(limits::QUEUE_BYTES_MAX_DEFAULT),
        "queue-lines" => number(limits::QUEUE_LINES_MIN),
        "read" => size(limits::READ_BYTES_MAX),
        "retry-least" => time(limits::RETRY_MIN),
        "retry-most" => time(limits::RETRY_MAX),
        "rotate-every-least" => time(limits::ROTATE_EVERY_MIN),
        "rotate-every-most" => Some(format!("{}d", limits::ROTATE_EVERY_MAX.as_secs() / 86_400)),
        "rotate-size-least" => size(limits::ROTATE_BYTES_MIN),
        "send-timeout" => time(limits::SEND_TIMEOUT_DEFAULT),
        "socket-path-bytes" => number(limits::SOCKET_PATH_BYTES_MAX),
        "status-every" => time(limits::ANNOUNCE_EVERY),
        "stream-name-bytes" => number(limits::STREAM_NAME_BYTES_MAX),
        "streams" => number(limits::STREAMS_MAX_DEFAULT),
        "sync-least" => time(limits::SYNC_EVERY_MIN),
        "tag-bytes" => number(limits::SYSLOG_TAG_BYTES_MAX),
        "tail-lines" => number(usize::try_from(limits::TAIL_LINES_DEFAULT).ok()?),
        "version" => text(env!("CARGO_PKG_VERSION")),
        _ => None,
    }
}
