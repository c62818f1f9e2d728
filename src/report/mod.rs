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
    /// There is no file to write to now.
    error FileLost { stream, path, error, retry_in, hint }
        "cannot open the file; lines are kept in the queue and opening is retried"
    /// The file takes no bytes now.
    error StreamStalled { stream, path, error, pending_lines, pending_bytes, retry_in, hint }
        "cannot write; lines are kept in the queue and writing is retried"
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
    /// accept(2) failed.
    error AcceptFailed { input, error, retry_in }
        "cannot accept connections; those that are open go on"
    /// All permits are taken.
    warn ConnectionsFull { input, limit }
        "the limit of connections is reached; further ones wait until one ends"
    /// Not as many descriptors as configured connections.
    warn DescriptorsShort { wanted, limit, connections }
        "the descriptor limit is too low for max-connections; raise LimitNOFILE="
    /// A client that `allow` does not name.
    warn ClientRefused { input, unit, uid, pid }
        "refused a client that the input's allow does not name"
    /// A connection whose origin makes no stream's name.
    warn StreamNotKnown { input, stream, pid, error }
        "a client's stream could not be found out; its lines go to this one"
    /// As many streams as there may be.
    warn StreamsFull { wanted, limit, stream }
        "the limit of streams is reached; further ones' lines go to this one; see max-streams"
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

    /// Our standard output does not take copies any more.
    warn TeeEnded { error }
        "the standard output takes no more copies; the file goes on"
    /// Copies were left out.
    warn TeeDropped { lines }
        "the standard output was too slow: copies were left out there, the file has every line"

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
