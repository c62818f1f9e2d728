//! `fifo`: a named pipe, held open for writing too, so that it never ends.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use nix::fcntl::OFlag;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use tokio::net::unix::pipe::Receiver;
use tokio::sync::watch;

use super::connection::Connection;
use super::reading::{read_available, read_pipe};
use super::unread::unread_bytes;
use super::{Commons, Input, InputKind, InputSettings, OpenError, Opening, socket};
use crate::counters::InputCounters;
use crate::descriptor::enlarge_pipe;
use crate::framing::Framing;
use crate::limits::{PIPE_BYTES, RESTED_PIPE_BYTES_MIN};
use crate::place::Place;
use crate::report::{ReadFailed, report};
use crate::writer::disk::kind_name;
use crate::writer::stream::Stream;

pub(super) struct Fifo {
    counters: Arc<InputCounters>,
    pipe: Arc<Receiver>,
    plan: watch::Sender<Plan>,
}

/// What its reader is to do.
#[derive(Clone)]
enum Plan {
    /// Read for this stream.
    Read(&'static Framing, Arc<Stream>),
    /// Read what is in the pipe, then end.
    End,
}

pub(super) fn open(place: &Place, opening: Opening<'_>) -> Result<Fifo, OpenError> {
    let Opening { name, framing, stream, commons, alive } = opening;
    let file = open_or_make(place)?;
    let pipe_bytes = enlarge_pipe(file.as_fd(), PIPE_BYTES).unwrap_or(PIPE_BYTES);
    let pipe = Receiver::from_file_unchecked(file);
    let pipe = Arc::new(pipe.map_err(OpenError::io(&place.path, "cannot read the FIFO"))?);
    let counters = Arc::new(InputCounters::default());
    let (plan, plans) = watch::channel(Plan::Read(framing, stream));
    let reader = Reader {
        name: name.to_owned(),
        pipe: pipe.clone(),
        counters: counters.clone(),
        commons: commons.clone(),
        pipe_bytes,
    };
    tokio::spawn(async move {
        reader.run(plans).await;
        drop(alive);
    });
    Ok(Fifo { counters, pipe, plan })
}

fn open_or_make(place: &Place) -> Result<File, OpenError> {
    let path = &place.path;
    match path.symlink_metadata() {
        Ok(found) if found.file_type().is_fifo() => {
            let file = open_pipe(place)?;
            // One that is somebody else's keeps what it has.
            place.give(&file).unwrap_or_default();
            Ok(file)
        }
        Ok(found) => {
            let kind = kind_name(found.file_type());
            Err(OpenError::Kind { path: path.clone(), kind, wanted: "a FIFO" })
        }
        Err(_) => {
            socket::make_directory(path)?;
            // Until it has its owner and mode nobody else may open it.
            let made = mkfifo(path, Mode::S_IRUSR | Mode::S_IWUSR);
            made.map_err(io::Error::from).map_err(OpenError::io(path, "cannot make the FIFO"))?;
            let file = open_pipe(place)?;
            place.give(&file).map_err(OpenError::io(path, "cannot set its owner and mode"))?;
            Ok(file)
        }
    }
}

fn open_pipe(place: &Place) -> Result<File, OpenError> {
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOFOLLOW;
    let mut options = OpenOptions::new();
    let opened = options.read(true).write(true).custom_flags(flags.bits()).open(&place.path);
    opened.map_err(OpenError::io(&place.path, "cannot open the FIFO"))
}

struct Reader {
    name: String,
    pipe: Arc<Receiver>,
    counters: Arc<InputCounters>,
    commons: Commons,
    /// What the pipe holds.
    pipe_bytes: i32,
}

impl Reader {
    async fn run(self, mut plans: watch::Receiver<Plan>) {
        loop {
            let plan = plans.borrow_and_update().clone();
            let Plan::Read(framing, stream) = plan else { return };
            let mut connection = Connection::new(framing, stream, &self.counters, &self.commons);
            let read = self.read(&mut connection, &mut plans).await;
            connection.finish();
            if let Err(error) = read {
                self.counters.failed.store(true, Relaxed);
                return report(&ReadFailed { input: &self.name, error: &error });
            }
        }
    }

    /// Reads until there is another plan, and no line is cut by it.
    async fn read(
        &self,
        connection: &mut Connection,
        plans: &mut watch::Receiver<Plan>,
    ) -> io::Result<()> {
        let may_rest = self.pipe_bytes >= RESTED_PIPE_BYTES_MIN;
        tokio::select! {
            biased;
            _ = plans.changed() => {}
            read = read_pipe(&self.pipe, connection, may_rest) => return read,
        }
        loop {
            let ends = matches!(*plans.borrow_and_update(), Plan::End);
            if ends {
                // What is in the pipe was written for us; what is not there yet will not come.
                return read_available(&self.pipe, connection, self.pipe_bytes as usize).await;
            }
            if !connection.is_inside_line() {
                return Ok(());
            }
            tokio::select! {
                ready = self.pipe.readable() => ready?,
                _ = plans.changed() => continue,
            }
            read_available(&self.pipe, connection, 0).await?;
        }
    }
}

impl Input for Fifo {
    fn counters(&self) -> &InputCounters {
        &self.counters
    }

    fn set(&mut self, settings: &InputSettings, stream: Arc<Stream>) -> Result<(), OpenError> {
        if let InputKind::Fifo(place) = &settings.kind {
            let given = place.give(&*self.pipe);
            given.map_err(OpenError::io(&place.path, "cannot set its owner and mode"))?;
        }
        let same = |plan: &Plan| {
            matches!(plan, Plan::Read(framing, now)
                if *framing == settings.framing && Arc::ptr_eq(now, &stream))
        };
        if !same(&self.plan.borrow()) {
            self.plan.send_replace(Plan::Read(settings.framing, stream));
        }
        Ok(())
    }

    /// There must never be two readers of one pipe: they would share its lines out.
    fn take_back(&mut self, settings: &InputSettings, stream: &Arc<Stream>) -> bool {
        self.plan.send(Plan::Read(settings.framing, stream.clone())).is_ok()
    }

    fn close(&mut self) {
        self.plan.send_replace(Plan::End);
    }

    fn drain(&mut self) {
        self.close();
    }

    /// What comes after the last read stays in the pipe, for as long as a writer has it open.
    fn unread_bytes(&self) -> u64 {
        if matches!(*self.plan.borrow(), Plan::End) { 0 } else { unread_bytes(&*self.pipe) }
    }
}
