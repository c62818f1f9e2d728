//! `fifo`: a named pipe, held open for writing too, so that it never ends.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};

use nix::fcntl::OFlag;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use tokio::net::unix::pipe::Receiver;
use tokio::sync::watch;

use super::connection::Connection;
use super::found_file::{FoundFile, InPlaceOf};
use super::intake::Intake;
use super::plan::{self, Plan};
use super::reading::{read_pipe, read_rest, read_to_record_end};
use super::{Input, InputSettings, MadeBy, OpenError, Opening, socket};
use crate::counters::InputCounters;
use crate::descriptor::enlarge_pipe;
use crate::framing::Borders;
use crate::limits::{INPUT_PIPES_BYTES, PIPE_BYTES, RESTED_PIPE_BYTES_MIN};
use crate::place::Place;
use crate::report::{NotNumbered, report};
use crate::store::{Store, path_of};
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
    /// A regular file that was in the way, and how it is told to be left at its end.
    found: Option<(Arc<File>, Sender<()>)>,
}

/// A FIFO that nobody reads yet.
pub(super) struct Made {
    file: File,
    found: Option<(FoundFile, Arc<File>)>,
}

/// Opens the FIFO at `place`, and makes it if it is missing.
pub(super) fn open(place: &Place, store: &Store) -> Result<Made, OpenError> {
    let made = match store.take_place(&place.path) {
        Some(left) => Made { file: File::from(left), found: None },
        None => open_or_make(place)?,
    };
    store.keep_place(&place.path, &made.file);
    Ok(made)
}

/// What the owner of a FIFO knows of it.
#[derive(Clone, Copy)]
pub(super) struct Part {
    /// There is one for each of so many instances.
    pub(super) instances: usize,
    /// It is none of these, but the one without a number.
    pub(super) is_own: bool,
}

/// Reads a FIFO of ours, and a file that was found in its place.
pub(super) fn read_ours(made: Made, part: Part, opening: Opening<'_>) -> Result<Fifo, OpenError> {
    let Made { file, found } = made;
    let found = found.map(|(found, file)| (found, file, opening.clone()));
    let mut fifo = read_as(file, MadeBy::Us, part, opening)?;
    if let Some((found, file, opening)) = found {
        let stream = opening.only_stream()?;
        let records = opening.settings.records(Borders::None);
        let connection = Connection::new(records, Arc::default(), stream, &opening.intake);
        let (leave, told) = mpsc::channel();
        fifo.found = Some((file.clone(), leave));
        found.take_in(file, connection, opening.intake, opening.alive, told);
    }
    Ok(fifo)
}

/// Reads a FIFO that is open for reading and writing, and does not block.
pub(super) fn read(file: File, made_by: MadeBy, opening: Opening<'_>) -> Result<Fifo, OpenError> {
    read_as(file, made_by, Part { instances: 0, is_own: true }, opening)
}

fn read_as(
    file: File,
    made_by: MadeBy,
    Part { instances, is_own }: Part,
    opening: Opening<'_>,
) -> Result<Fifo, OpenError> {
    let stream = opening.only_stream()?;
    let Opening { name, settings, intake, alive, .. } = opening;
    let path = path_of(&file);
    let share = i32::try_from(instances).map_or(0, |them| INPUT_PIPES_BYTES / (them + 1));
    let wanted = share.min(PIPE_BYTES);
    let pipe_bytes = enlarge_pipe(file.as_fd(), wanted).unwrap_or(wanted);
    let pipe = Receiver::from_file_unchecked(file);
    let pipe = Arc::new(pipe.map_err(OpenError::of(name, "cannot read the FIFO"))?);
    let records = settings.records(Borders::None);
    let (plan, plans) = watch::channel(Plan::Read(records, stream.clone()));
    let not_numbered = path.clone().filter(|_| is_own && instances > 0);
    let not_numbered = not_numbered.map(|path| (intake.input.clone(), path));
    let (reader, taker) = (Reader { pipe: pipe.clone(), pipe_bytes, not_numbered }, intake.clone());
    let following = plan::follow((records, stream), plans, taker, path.as_deref(), reader);
    tokio::spawn(async move {
        following.await;
        drop(alive);
    });
    Ok(Fifo { intake, pipe, plan, made_by, path, found: None })
}

impl Fifo {
    /// Whether whoever is started next reads on where we end.
    pub(super) fn outlives_agent(&self) -> bool {
        self.made_by == MadeBy::Systemd || self.intake.commons.store.is_on()
    }

    /// Where it is.
    pub(super) fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Whether nobody reads it any more.
    pub(super) fn has_ended(&self) -> bool {
        self.plan.is_closed()
    }

    fn leave_found_file(&self) {
        if let Some((_, leave)) = &self.found {
            // Nobody is there to be told where it has ended.
            leave.send(()).unwrap_or_default();
        }
    }
}

fn open_or_make(place: &Place) -> Result<Made, OpenError> {
    let path = &place.path;
    match path.symlink_metadata() {
        Ok(found) if found.file_type().is_file() => {
            let (in_place_of, path) = (InPlaceOf::Fifo, path.clone());
            let found = FoundFile { in_place_of, renamed_to: socket::rename_away(&path)?, path };
            let failed = OpenError::io(&found.path, "cannot read the file found here");
            let file = found.open().map_err(failed)?;
            Ok(Made { file: make(place)?, found: Some((found, file)) })
        }
        Ok(found) if found.file_type().is_fifo() => {
            let file = open_pipe(place)?;
            // One that is somebody else's keeps what it has.
            place.give(&file).unwrap_or_default();
            Ok(Made { file, found: None })
        }
        Ok(found) => {
            let kind = kind_name(found.file_type());
            Err(OpenError::Kind { path: path.clone(), kind, wanted: "a FIFO" })
        }
        Err(_) => {
            socket::make_directory(path)?;
            Ok(Made { file: make(place)?, found: None })
        }
    }
}

fn make(place: &Place) -> Result<File, OpenError> {
    let path = &place.path;
    // Until it has its owner and mode nobody else may open it.
    let made = mkfifo(path, Mode::S_IRUSR | Mode::S_IWUSR);
    made.map_err(io::Error::from).map_err(OpenError::io(path, "cannot make the FIFO"))?;
    let file = open_pipe(place)?;
    place.give(&file).map_err(OpenError::io(path, "cannot set its owner and mode"))?;
    Ok(file)
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
    /// The input and the path, where it is to be told that something comes here.
    not_numbered: Option<(String, PathBuf)>,
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
            read = read_and_tell(&mut self.not_numbered, &self.pipe, connection, may_rest) => {
                return read;
            }
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

/// Reads a pipe, and tells first that something comes there, if that is to be told.
async fn read_and_tell(
    not_numbered: &mut Option<(String, PathBuf)>,
    pipe: &Receiver,
    connection: &mut Connection,
    may_rest: bool,
) -> io::Result<()> {
    if not_numbered.is_some() {
        pipe.readable().await?;
    }
    if let Some((input, path)) = not_numbered.take() {
        report(&NotNumbered { input: &input, path: &path.display() });
    }
    read_pipe(pipe, connection, may_rest).await
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
        self.leave_found_file();
        self.plan.send_replace(Plan::End);
        if let Some(path) = &self.path {
            self.intake.commons.store.forget_place(path);
        }
    }

    fn drain(&mut self) {
        self.leave_found_file();
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
        let found = self.found.as_ref().map_or(0, |(file, _)| unread_bytes(&**file));
        found + if left { 0 } else { unread_bytes(&*self.pipe) }
    }
}
