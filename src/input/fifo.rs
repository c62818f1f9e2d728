//! `fifo`: a named pipe, held open for writing too, so that it never ends.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::PathBuf;
use std::sync::Arc;

use nix::fcntl::OFlag;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use tokio::net::unix::pipe::Receiver;
use tokio::sync::watch;

use super::connection::Connection;
use super::intake::Intake;
use super::plan::{self, Plan};
use super::reading::{read_pipe, read_rest, read_to_record_end};
use super::{Input, InputSettings, MadeBy, OpenError, Opening, socket};
use crate::counters::InputCounters;
use crate::descriptor::enlarge_pipe;
use crate::framing::Borders;
use crate::limits::{PIPE_BYTES, RESTED_PIPE_BYTES_MIN};
use crate::place::Place;
use crate::store::path_of;
use crate::system::unread_bytes;
use crate::writer::disk::kind_name;
use crate::writer::stream::Stream;

pub(super) struct Fifo {
    intake: Arc<Intake>,
    pipe: Arc<Receiver>,
    plan: watch::Sender<Plan>,
    made_by: MadeBy,
    /// Where it is.
    path: Option<PathBuf>,
}

/// Opens the FIFO at `place`, and makes it if it is missing.
pub(super) fn open(place: &Place, opening: Opening<'_>) -> Result<Fifo, OpenError> {
    let store = opening.intake.commons.store.clone();
    let file = match store.take_place(&place.path) {
        Some(left) => File::from(left),
        None => open_or_make(place)?,
    };
    store.keep_place(&place.path, &file);
    read(file, MadeBy::Us, opening)
}

/// Reads a FIFO that is open for reading and writing, and does not block.
pub(super) fn read(file: File, made_by: MadeBy, opening: Opening<'_>) -> Result<Fifo, OpenError> {
    let stream = opening.only_stream()?;
    let Opening { name, settings, intake, alive, .. } = opening;
    let path = path_of(&file);
    let pipe_bytes = enlarge_pipe(file.as_fd(), PIPE_BYTES).unwrap_or(PIPE_BYTES);
    let pipe = Receiver::from_file_unchecked(file);
    let pipe = Arc::new(pipe.map_err(OpenError::of(name, "cannot read the FIFO"))?);
    let records = settings.records(Borders::None);
    let (plan, plans) = watch::channel(Plan::Read(records, stream.clone()));
    let (reader, taker) = (Reader { pipe: pipe.clone(), pipe_bytes }, intake.clone());
    let following = plan::follow((records, stream), plans, taker, path.as_deref(), reader);
    tokio::spawn(async move {
        following.await;
        drop(alive);
    });
    Ok(Fifo { intake, pipe, plan, made_by, path })
}

impl Fifo {
    /// Whether whoever is started next reads on where we end.
    fn outlives_agent(&self) -> bool {
        self.made_by == MadeBy::Systemd || self.intake.commons.store.is_on()
    }
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
    pipe: Arc<Receiver>,
    /// What the pipe holds.
    pipe_bytes: i32,
}

impl plan::Reader for Reader {
    /// Reads until there is another plan, and no line is cut by it.
    async fn read(
        &mut self,
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
            let ends = plans.borrow_and_update().is_end();
            if ends {
                // What is in the pipe was written for us; what is not there yet will not come.
                let (bytes_max, is_left) = (self.pipe_bytes as usize, plans.borrow().is_left());
                return read_rest(&self.pipe, connection, bytes_max, is_left).await;
            }
            if !connection.is_inside_record() {
                return Ok(());
            }
            tokio::select! {
                ready = self.pipe.readable() => ready?,
                _ = plans.changed() => continue,
            }
            read_to_record_end(&self.pipe, connection).await?;
        }
    }
}

impl Input for Fifo {
    fn counters(&self) -> &InputCounters {
        &self.intake.counters
    }

    fn set(
        &mut self,
        settings: &InputSettings,
        stream: Option<Arc<Stream>>,
    ) -> Result<(), OpenError> {
        if let Some(place) = settings.kind.place() {
            let given = place.give(&*self.pipe);
            given.map_err(OpenError::io(&place.path, "cannot set its owner and mode"))?;
        }
        let stream = stream.ok_or(OpenError::OneStream)?;
        Plan::change(&self.plan, settings.records(Borders::None), stream);
        Ok(())
    }

    /// There must never be two readers of one pipe: they would share its lines out.
    fn take_back(&mut self, settings: &InputSettings, stream: Option<&Arc<Stream>>) -> bool {
        let Some(stream) = stream.cloned() else { return false };
        let taken = self.plan.send(Plan::Read(settings.records(Borders::None), stream)).is_ok();
        if let (true, MadeBy::Us, Some(path)) = (taken, self.made_by, &self.path) {
            self.intake.commons.store.keep_place(path, &*self.pipe);
        }
        taken
    }

    fn close(&mut self) {
        self.plan.send_replace(Plan::End);
        if let Some(path) = &self.path {
            self.intake.commons.store.forget_place(path);
        }
    }

    fn drain(&mut self) {
        // One that was removed already ends here.
        let is_removed = self.plan.borrow().is_end();
        if self.outlives_agent() && !is_removed {
            self.plan.send_replace(Plan::Leave);
        } else {
            self.plan.send_replace(Plan::End);
        }
    }

    /// What comes after the last read stays in the pipe, for as long as a writer has it open.
    fn unread_bytes(&self) -> u64 {
        let left = self.plan.borrow().is_end() || self.outlives_agent();
        if left { 0 } else { unread_bytes(&*self.pipe) }
    }
}
