//! Every bound of the program, and how the bounds relate to each other.

use std::time::Duration;

/// 1 KiB in bytes.
pub const KIB: usize = 1024;
/// 1 MiB in bytes.
pub const MIB: usize = 1024 * KIB;

/// What one read of an input takes at most. One buffer of this size serves all connections of a
/// thread, so it costs nothing per connection.
pub const READ_BYTES_MAX: usize = 256 * KIB;
/// What one read of a pipe that is about to be left takes at most.
pub const DIRECT_READ_BYTES: usize = 64 * KIB;
/// Below this much room in a queue a reader waits instead of reading crumbs.
pub const READ_BYTES_MIN: usize = 4 * KIB;

/// The largest packet that is read whole; a sender needs the right to enlarge its socket's buffer
/// beyond `net.core.wmem_max` to send as much.
pub const PACKET_BYTES_MAX: usize = 16 * MIB;
/// Packets that are taken in one go at most.
pub const PACKETS_PER_READ_MAX: usize = 256;
/// A buffer that has held more is given back to the system.
pub const PACKET_BUFFER_KEPT_MAX: usize = MIB;

/// A queue's block is closed for appending once it holds this much; it is written by one write(2).
pub const BLOCK_BYTES: usize = 512 * KIB;
/// A busy thread wakes the writers that it has lines for after so many appends at the latest.
pub const APPENDS_BEFORE_WAKING_MAX: usize = 256;
/// A block's memory: what it holds when it is not quite closed, and one read behind that.
pub const BLOCK_CAPACITY: usize = BLOCK_BYTES + PARTIAL_BYTES_SURE + READ_BYTES_MAX;
/// Empty blocks kept for reuse by all queues together.
pub const SPARE_BLOCKS_MAX: usize = 8;

/// `max-line` unless configured.
pub const LINE_BYTES_MAX_DEFAULT: usize = MIB;
/// The smallest `max-line` that can be configured: any character fits, and a split is rare.
pub const LINE_BYTES_MIN: usize = 16;
/// The largest `max-line` that can be configured.
pub const LINE_BYTES_MAX_LIMIT: usize = 64 * MIB;
/// `queue` unless configured.
pub const QUEUE_BYTES_MAX_DEFAULT: usize = 4 * MIB;
/// A queue holds at least this many of the longest lines, so that one is accepted while another
/// is written.
pub const QUEUE_LINES_MIN: usize = 2;

/// The longest text of a gap record.
pub const GAP_BYTES_MAX: usize = 160;
/// The longest of its reasons.
pub const GAP_REASON_BYTES_MAX: usize = 24;
/// Where the oldest lines of a full queue are dropped, this share of it goes at a time: each time costs
/// a copy of what stays of a block. Where the newest are, lines are taken again once it is free: a gap
/// is not to follow a gap.
pub const DROP_SHARE: usize = 8;

/// The longest tag of a syslog record: RFC 5424 has 48, RFC 3164 32 characters. What is longer is
/// none.
pub const SYSLOG_TAG_BYTES_MAX: usize = 128;

/// No event of log4js is shorter.
pub const EVENT_BYTES_MIN: usize = 64;
/// An event has this many values at most; one of more is kept as it came.
pub const EVENT_VALUES_MAX: usize = 100_000;
/// The same for values in each other, where all of them are to be shown.
pub const EVENT_LEVELS_MAX: usize = 100;
/// What is written of an event is at most so many times as long as it came: it says only once what
/// it shows many times. What would be longer is kept as it came.
pub const EVENT_GROWTH_MAX: usize = 16;
/// To find out what is written, so many bytes and values are gone over at most for each byte of an
/// event: what hardly shows may be there many times, too.
pub const EVENT_WORK_MAX: usize = 16;
/// The same for how much longer it is.
pub const EVENT_GROWTH_BYTES_MAX: usize = MIB;
/// Of an event that is so many times as long a newline may be written.
pub const EVENT_BYTES_A_LINE: usize = 2;
/// The longest level of an event that is shown by itself.
pub const LEVEL_BYTES_MAX: usize = 32;
/// The longest category of an event that is shown by itself.
pub const CATEGORY_BYTES_MAX: usize = SYSLOG_TAG_BYTES_MAX;
/// The digits of a process id.
pub const PID_BYTES_MAX: usize = 10;

/// The largest octet count of a record (RFC 6587): what may be one line may be counted. A larger
/// count is a wrong one.
pub const OCTET_COUNT_MAX: usize = LINE_BYTES_MAX_LIMIT;

/// What every connection's unfinished line is sure of, whatever the others hold.
pub const PARTIAL_BYTES_SURE: usize = 4 * KIB;
/// `partial-memory` unless configured.
pub const PARTIAL_BYTES_POOL_DEFAULT: usize = 64 * MIB;

/// `max-connections` unless configured.
pub const CONNECTIONS_MAX_DEFAULT: usize = 10_000;
/// Descriptors kept back for files, sockets, the runtime and the control socket.
pub const DESCRIPTORS_RESERVED: usize = 64;
/// Of these, so many are never a connection's, whatever else has been opened beyond expectation: the
/// control socket's clients, and files that are opened again.
pub const DESCRIPTORS_KEPT: usize = CONTROL_GUESTS_MAX + 8;
/// The kernel's own bound on a listening socket's backlog (`net.core.somaxconn`).
pub const BACKLOG: i32 = 4095;
/// What a path of a Unix socket may measure, in bytes (unix(7): 108 with the final NUL).
pub const SOCKET_PATH_BYTES_MAX: usize = 107;
/// Pipes are enlarged to this where the system allows (`fs.pipe-max-size`): fewer wake-ups.
pub const PIPE_BYTES: i32 = MIB as i32;
/// The FIFOs of one input together are not enlarged beyond this: what a user's pipes may hold is
/// bounded (`fs.pipe-user-pages-soft`, 64 MiB), and further ones would be tiny.
pub const INPUT_PIPES_BYTES: i32 = 16 * MIB as i32;

/// How long a thread rests that would otherwise find a line or two at a time, over and over. The
/// kernel adds its timer slack, 50 microseconds unless it was told otherwise (prctl(2)).
pub const REST: Duration = Duration::from_micros(50);
/// A reader rests after so many looks in succession ...
pub const LOOKS_BEFORE_REST_MIN: u32 = 8;
/// ... at which reads came within this of each other on average, ...
pub const QUICK_READ_MAX: Duration = Duration::from_micros(20);
/// ... and were no larger than this on average. Larger ones fill their sender's socket sooner, and
/// cost less for each byte anyway.
pub const SMALL_READ_MAX: usize = 2 * KIB;
/// A rest has paid, and is followed by another, if so much has come meanwhile: less is what the
/// buffer of a sender's socket holds where that is a small one, and then a rest holds it up; ...
pub const REST_YIELD_MIN: usize = 8 * KIB;
/// ... but not by more than this without a new look at how the senders write.
pub const RESTS_MAX: u32 = 64;
/// After a rest that has not paid, twice as many looks come before the next, up to this.
pub const LOOKS_BEFORE_REST_MAX: u32 = 1 << 16;
/// More looks than anybody takes.
pub const LOOKS_NEVER_RESTED: u32 = u32::MAX;
/// A rest that took longer has not paid: the machine is busy, or its clock coarse.
pub const REST_TAKES_MAX: Duration = Duration::from_micros(500);
/// A smaller pipe is full before a rest is over; from a full one of this size a read takes all that
/// it can, which ends the rests.
pub const RESTED_PIPE_BYTES_MIN: i32 = 512 * KIB as i32;

/// Cgroups whose units are remembered: more than a machine has units.
pub const CGROUPS_LISTED_MAX: usize = 100_000;
/// All cgroups are looked through after a pause of at least this, for the sake of peers that have
/// gone, ...
pub const CGROUPS_LIST_EVERY: Duration = Duration::from_millis(100);
/// ... and of at least so many times what that took: whoever sends peers that go must not keep a
/// processor busy.
pub const CGROUPS_LIST_SHARE: u32 = 4;
/// Threads for what may take its time: reading a configuration, looking all cgroups through.
pub const BLOCKING_THREADS_MAX: usize = 4;
/// A unit's process that is still where systemd started it is looked at again after this, ...
pub const MOVING_PAUSE: Duration = Duration::from_millis(2);
/// ... so many times.
pub const MOVING_LOOKS_MAX: u32 = 50;
/// The longest first line by which a client names its stream; a longer first line is a line.
pub const HANDSHAKE_BYTES_MAX: usize = 256;
/// After a connection could not be given its stream, it asks again.
pub const STREAM_RETRY: Duration = Duration::from_secs(1);
/// Refused units that are told in one minute.
pub const REFUSED_TOLD_MAX: usize = 20;
/// Units, users and groups in one `allow`.
pub const ALLOWED_MAX: usize = 1000;

/// The largest `instances` of a FIFO: a descriptor each, and another one that systemd keeps.
pub const INSTANCES_MAX: usize = 256;
/// How often it is looked whether a program has more instances than FIFOs.
pub const INSTANCES_LOOK_EVERY: Duration = Duration::from_secs(10);
/// How often a file found in a FIFO's place is read on, as long as somebody writes to it.
pub const FOUND_FILE_LOOK_EVERY: Duration = Duration::from_millis(100);
/// The same where we may not see whether somebody does.
pub const UNSEEN_FOUND_FILE_LOOK_EVERY: Duration = Duration::from_secs(1);

/// `max-streams` unless configured.
pub const STREAMS_MAX_DEFAULT: usize = 1024;
/// The longest stream name.
pub const STREAM_NAME_BYTES_MAX: usize = 128;
/// A writer's stack: its call depth is small and fixed.
pub const WRITER_STACK_BYTES: usize = 128 * KIB;

/// The smallest `size` at which a file may be rotated, and the smallest `keep-size`.
pub const ROTATE_BYTES_MIN: usize = 4 * KIB;
/// The shortest `every` after which a file may be rotated: names of archives tell seconds.
pub const ROTATE_EVERY_MIN: Duration = Duration::from_secs(1);
/// The longest.
pub const ROTATE_EVERY_MAX: Duration = Duration::from_secs(366 * 24 * 60 * 60);
/// As gzip(1) has it.
pub const ARCHIVE_GZIP_LEVEL: u32 = 6;
/// As zstd(1) has it.
pub const ARCHIVE_ZSTD_LEVEL: i32 = 3;
/// Between two looks at whether to stop so much is compressed.
pub const ARCHIVE_READ_BYTES: u64 = 256 * KIB as u64;
/// Once so much has been compressed all archives of the file are looked at again.
pub const ARCHIVE_LOOK_BYTES: u64 = 16 * MIB as u64;
/// What failed with archives is tried again after this; the pause is doubled up to
/// [`ARCHIVE_RETRY_MAX`].
pub const ARCHIVE_RETRY_MIN: Duration = Duration::from_secs(1);
/// The longest pause between two attempts.
pub const ARCHIVE_RETRY_MAX: Duration = Duration::from_secs(60);
/// An archive that its writer has not closed yet is looked at again after this.
pub const ARCHIVE_CLOSING: Duration = Duration::from_millis(20);
/// Stack of the thread that compresses.
pub const ARCHIVIST_STACK_BYTES: usize = 256 * KIB;

/// `grace` unless configured: docker kills ten seconds after SIGTERM.
pub const GRACE_DEFAULT: Duration = Duration::from_secs(8);
/// The first pause after a failed open or write; doubled up to [`RETRY_MAX`].
pub const RETRY_MIN: Duration = Duration::from_millis(100);
/// The longest pause between two attempts on a failing file.
pub const RETRY_MAX: Duration = Duration::from_secs(5);
/// A file whose device fails so many writes in succession is opened again: it may have been mounted
/// anew, and whoever is to repair it needs it closed.
pub const FAILED_WRITES_MAX: u32 = 3;
/// How long a path that is missing after a signal is left alone: logrotate may be about to create
/// it, and would move a file of ours out of its way.
pub const CREATE_AFTER_SIGNAL: Duration = Duration::from_millis(100);
/// The first pause after accept(2) failed; doubled up to [`ACCEPT_RETRY_MAX`].
pub const ACCEPT_RETRY_MIN: Duration = Duration::from_millis(10);
/// The longest pause between two attempts to accept.
pub const ACCEPT_RETRY_MAX: Duration = Duration::from_secs(1);
/// A writer looks whether its path still names its file before a write, at most this often.
pub const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How long a path that is missing without a signal is left alone.
pub const CREATE_AFTER_LOSS: Duration = Duration::from_millis(500);
/// How long a file that another one has taken the place of is written on: logrotate renames and
/// creates, and sends its signal then.
pub const REPLACED_SETTLES: Duration = Duration::from_millis(100);
/// A changed configuration file is read after it has been left alone for so long, ...
pub const CONFIGURATION_SETTLES: Duration = Duration::from_millis(200);
/// ... but not later than this.
pub const CONFIGURATION_SETTLES_MAX: Duration = Duration::from_secs(1);
/// A stream that a template made closes its file after so long without a line.
pub const IDLE_CLOSE: Duration = Duration::from_secs(60);
/// Streams that nobody uses any more are looked for this often, while there may be some.
pub const IDLE_LOOK_EVERY: Duration = Duration::from_secs(10);
/// How many datagrams are still read at the end from a socket that is left to the next agent: more
/// than one holds, unless somebody has raised that.
pub const DATAGRAMS_LEFT_MAX: usize = 1024;
/// Where a socket holds fewer datagrams than this, senders that do not block may have to drop some.
pub const DATAGRAMS_WAITING_FEW: u64 = 100;
/// `send` tries again to connect after this; the pause is doubled up to [`SEND_RETRY_MAX`].
pub const SEND_RETRY_MIN: Duration = Duration::from_millis(20);
/// The longest pause between two attempts to connect.
pub const SEND_RETRY_MAX: Duration = Duration::from_secs(1);
/// What `send` hands over in one write: so much the kernel keeps together on its way into a socket,
/// which takes all of it or nothing.
pub const SEND_WRITE_BYTES_MAX: usize = 32 * KIB;
/// How long an agent may at least take to read what `send` has given it.
pub const SEND_LEAVE_MIN: Duration = Duration::from_secs(1);
/// How long `send` tries to connect unless it is told otherwise: an agent is restarted in less.
pub const SEND_TIMEOUT_DEFAULT: Duration = Duration::from_secs(60);
/// Notices that wait for a systemd that is busy; beyond it connections are not kept by it.
pub const NOTICES_WAITING_MAX: usize = 4096;
/// How long the end of the program waits for systemd to take what it is to keep.
pub const HAND_OVER_MAX: Duration = Duration::from_secs(2);
/// What a connection's entry in the ledger may measure, in bytes: its input, stream and origin.
pub const LEDGER_ENTRY_BYTES_MAX: usize = KIB;

/// A pid file holds a number and perhaps a newline; a larger file is something else.
pub const PID_FILE_BYTES_MAX: usize = 20;
/// How long the start waits for a log file to open before going on without it.
pub const START_OPEN_MAX: Duration = Duration::from_secs(5);
/// The same complaint is told at most this often.
pub const COMPLAINT_EVERY: Duration = Duration::from_secs(60);

/// systemd hears of changed sums this often.
pub const ANNOUNCE_EVERY: Duration = Duration::from_secs(5);

/// A control request is one line of at most this size.
pub const CONTROL_REQUEST_BYTES_MAX: usize = 16 * KIB;
/// How long a control client may take to say what it wants, and to take a part of the answer.
pub const CONTROL_TIMEOUT: Duration = Duration::from_secs(5);
/// Control clients that have not said what they want, or want to know something that is known at
/// once: where there are more, the one that came first has to go.
pub const CONTROL_GUESTS_MAX: usize = 16;
/// What each of them is sure of, however many come ...
pub const CONTROL_GUEST_STAYS_MIN: Duration = Duration::from_millis(250);
/// ... while the next one waits, and it is looked this often whether one has gone by itself.
pub const CONTROL_ROOM_LOOK_EVERY: Duration = Duration::from_millis(5);
/// Clients that wait for what becomes of a reopen. Each command that takes its time has places of
/// its own, so that those who wait for one keep nobody from another.
pub const CONTROL_REOPENS_MAX: usize = 16;
/// The same of a rotation.
pub const CONTROL_ROTATES_MAX: usize = 8;
/// The same of a reload.
pub const CONTROL_RELOADS_MAX: usize = 4;
/// The same of a stop.
pub const CONTROL_STOPS_MAX: usize = 4;
/// Clients that read streams' files.
pub const CONTROL_TAILS_MAX: usize = 8;
/// How often a client that finds no place tries again.
pub const CONTROL_BUSY_PAUSE: Duration = Duration::from_millis(50);
/// Answers that wait for a control client to take them.
pub const CONTROL_ANSWERS_MAX: usize = 16;
/// How often a control client that waits is looked at: it may have gone.
pub const CONTROL_LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long the end of the program waits for those who asked for it to take the answer.
pub const CONTROL_GOODBYE: Duration = Duration::from_secs(1);
/// A mistake in a request is quoted up to about this.
pub const CONTROL_QUOTED_BYTES_MAX: usize = 64;
/// So many names are told at most where one is wrong.
pub const CONTROL_NAMED_MAX: usize = 30;

/// Streams that one `tail` can follow.
pub const FOLLOWED_STREAMS_MAX: usize = 128;
/// Files of one stream that are opened for a `tail` and wait for its way to be free; where there are
/// more it is too slow, and is cut off. [`CONTROL_ANSWERS_MAX`] more wait behind them, and some
/// hundreds in its socket's buffer.
pub const FOLLOWED_FILES_MAX: usize = 4;
/// Files that a `tail` holds open; as long as it has so many it takes no further ones.
pub const TAIL_FILES_MAX: usize = 256;
/// How often `tail -f` looks whether its files have grown.
pub const TAIL_LOOK_EVERY: Duration = Duration::from_millis(100);
/// What `tail` reads in one go.
pub const TAIL_READ_BYTES: usize = 256 * KIB;
/// The last bytes that `tail` remembers of a file, to see that it is still the same that grows.
pub const TAIL_SEEN_BYTES: usize = 64;
/// Lines that `tail` shows first, unless told otherwise.
pub const TAIL_LINES_DEFAULT: u64 = 10;
/// How long `reopen` and `rotate` wait for the answers unless told otherwise.
pub const REOPEN_TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);
/// How often `status --watch` looks.
pub const STATUS_EVERY: Duration = Duration::from_secs(1);

/// Own messages waiting for a slow stderr; beyond it they are counted, not kept.
pub const MESSAGES_WAITING_MAX: usize = 1024;
/// How long the end of the program waits for a slow stderr.
pub const MESSAGES_GRACE: Duration = Duration::from_secs(1);
/// How long the end of the program waits for a slow reader of `--tee`, unless it is to wait.
pub const TEE_GRACE: Duration = Duration::from_millis(500);
/// How long a stop at once, or the end of the grace, waits for readers and writers to come to the
/// end of what they are doing.
pub const LAST_MOMENT: Duration = Duration::from_millis(200);
/// What is read at once of what is typed to a command that has a terminal of its own.
pub const TYPED_BYTES: usize = 4 * KIB;
/// What `--tee` may hold back for a slow reader of our stdout.
pub const TEE_BYTES_MAX: usize = 4 * MIB;

/// The largest configuration file: beyond it something else was named by mistake.
pub const CONFIGURATION_BYTES_MAX: usize = 4 * MIB;
/// The mistakes in a file's structure that are told at a time: finding each costs a reading.
pub const CONFIGURATION_MISTAKES_MAX: usize = 100;
/// A mistake's text is shortened to about this: it may quote a whole file.
pub const MISTAKE_BYTES_MAX: usize = KIB;
/// The longest duration that can be configured.
pub const CONFIGURED_DURATION_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// The largest number of connections or streams that can be configured.
pub const CONFIGURED_COUNT_MAX: usize = 1_000_000;
/// The shortest interval of `sync`: a disk takes about as long for one.
pub const SYNC_EVERY_MIN: Duration = Duration::from_millis(10);

/// As many connections as are thought to fit do fit.
const _: () = assert!(DESCRIPTORS_KEPT < DESCRIPTORS_RESERVED);
/// A default queue takes the longest default line twice.
const _: () = assert!(QUEUE_BYTES_MAX_DEFAULT >= QUEUE_LINES_MIN * LINE_BYTES_MAX_DEFAULT);
/// What can be configured holds the defaults, and any UTF-8 character fits a line.
const _: () = assert!(LINE_BYTES_MIN >= 4 && LINE_BYTES_MIN <= LINE_BYTES_MAX_DEFAULT);
const _: () = assert!(LINE_BYTES_MAX_DEFAULT <= LINE_BYTES_MAX_LIMIT);
/// The digits of an octet count, and the space behind them, are kept where lines are.
const _: () = assert!(OCTET_COUNT_MAX.ilog10() as usize + 2 <= LINE_BYTES_MIN);
/// An event that becomes a single line fits the room for it.
const _: () = assert!(EVENT_BYTES_A_LINE <= EVENT_BYTES_MIN);
/// What an event shows by itself has the room of what a syslog record shows.
const _: () = assert!(CATEGORY_BYTES_MAX <= SYSLOG_TAG_BYTES_MAX);
const _: () = assert!(GRACE_DEFAULT.as_millis() <= CONFIGURED_DURATION_MAX.as_millis());
const _: () = assert!(SYNC_EVERY_MIN.as_millis() <= CONFIGURED_DURATION_MAX.as_millis());
const _: () = assert!(CONNECTIONS_MAX_DEFAULT <= CONFIGURED_COUNT_MAX);
const _: () = assert!(ROTATE_EVERY_MIN.as_secs() <= ROTATE_EVERY_MAX.as_secs());
/// Periods are counted in seconds, as archives are named.
const _: () = assert!(ROTATE_EVERY_MIN.as_secs() >= 1 && ROTATE_EVERY_MAX.subsec_nanos() == 0);
const _: () = assert!(STREAMS_MAX_DEFAULT <= CONFIGURED_COUNT_MAX);
/// An unfinished line of the sure size can always be completed by one read.
const _: () = assert!(PARTIAL_BYTES_SURE <= READ_BYTES_MAX);
/// A read fits a default queue, so that a reader never waits for room that cannot come.
const _: () = assert!(READ_BYTES_MAX <= QUEUE_BYTES_MAX_DEFAULT);
/// The smallest read is a read.
const _: () = assert!(READ_BYTES_MIN > 0 && READ_BYTES_MIN <= READ_BYTES_MAX);
/// Whatever becomes of a file, its stream goes on in another one within a second.
const _: () = assert!(LOOK_EVERY.as_millis() + CREATE_AFTER_LOSS.as_millis() <= 1000);
const _: () = assert!(REPLACED_SETTLES.as_millis() <= CREATE_AFTER_LOSS.as_millis());
/// Logrotate's `create` comes before ours, with a signal and without.
const _: () = assert!(CREATE_AFTER_SIGNAL.as_millis() <= CREATE_AFTER_LOSS.as_millis());
/// Retrying backs off.
const _: () = assert!(RETRY_MIN.as_millis() < RETRY_MAX.as_millis());
/// A full pipe ends the rests, and what pays does not.
const _: () = assert!(RESTED_PIPE_BYTES_MIN as usize > READ_BYTES_MAX);
const _: () = assert!(RESTED_PIPE_BYTES_MIN <= PIPE_BYTES);
const _: () = assert!(SMALL_READ_MAX < REST_YIELD_MIN && REST_YIELD_MIN < READ_BYTES_MAX);
const _: () = assert!(REST.as_micros() < REST_TAKES_MAX.as_micros());
/// Whoever talks to the control socket leaves descriptors for everything else.
const _: () = assert!(
    CONTROL_GUESTS_MAX
        + CONTROL_REOPENS_MAX
        + CONTROL_ROTATES_MAX
        + CONTROL_RELOADS_MAX
        + CONTROL_STOPS_MAX
        + CONTROL_TAILS_MAX
        < DESCRIPTORS_RESERVED
);
/// A `tail` has room for the first file of every stream that it can follow.
const _: () = assert!(FOLLOWED_STREAMS_MAX < TAIL_FILES_MAX);
