//! One run of a row: lines at a steady pace while files are rotated, and then as fast as they go.

use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::rows::{File, Mark, Rotation, Row};
use crate::stage::Stage;
use crate::support::{LINE_BYTES, Sent, wait_until};
use crate::tally::Tally;

pub(crate) const WORKERS: usize = 4;
/// So many lines a second and worker, so that files are rotated several times in a run.
pub(crate) const PACE: u64 = 2_000;
/// So many times more lines without a pace.
const UNPACED: u64 = 2;

/// Files that have not changed for so long will not, once every worker has said its lines.
const SETTLED_AFTER: Duration = Duration::from_millis(500);
/// Who uses less of a processor only waits.
const IDLE_MAX: f64 = 0.1;
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// How it went.
pub(crate) struct Run {
    pub(crate) tally: Tally,
    /// Files that were left for another.
    pub(crate) rotations: usize,
    pub(crate) restarts: usize,
    pub(crate) cost: Cost,
    /// Every line of both parts is there, once, whole and in order, and nothing else.
    pub(crate) is_clean: bool,
}

/// What lines cost that are said as fast as they go.
pub(crate) struct Cost {
    /// Of these lines.
    pub(crate) lost: u64,
    pub(crate) torn: u64,
    /// How many were said.
    pub(crate) lines: u64,
    /// Until the last has reached its file.
    pub(crate) wall: Duration,
    /// Seconds of processor time of all that has to do with it.
    pub(crate) cpu: f64,
}

/// An order to the workers: see `app.js`.
struct Order {
    part: usize,
    clients: usize,
    lines: u64,
    per_second: u64,
}

impl Order {
    fn sent(&self) -> Sent {
        Sent { clients: self.clients..self.clients + WORKERS, lines: self.lines }
    }

    fn all_lines(&self) -> u64 {
        self.lines * WORKERS as u64
    }
}

pub(crate) fn run(stage: &Stage<'_>, row: &Row, lines: u64) -> Run {
    let agent = stage.set(row);
    wait_until("the workers are ready", || {
        (0..WORKERS).all(|index| note(stage, "ready", index).exists())
    });
    let paced = Order { part: 1, clients: 1, lines, per_second: PACE };
    stage.rotate(row);
    let restarts = say(stage, row, &paced);
    if row.rotation != Rotation::None {
        stage.systemd.stop_rotating();
    }
    settle(stage, row, None);
    let tally = tally(stage, row, &[&paced]);
    let rotations = stage.files(row).len().saturating_sub(1);

    let unpaced = Order { part: 2, clients: 11, lines: lines * UNPACED, per_second: 0 };
    let (before, begin) = (stage.seconds(row), Instant::now());
    let bytes = stage.bytes(row) + unpaced.all_lines() * LINE_BYTES as u64;
    say(stage, row, &unpaced);
    let end = settle(stage, row, Some(bytes));
    let cpu = stage.seconds(row) - before;
    stage.strike(row, agent.as_ref());
    let all = self::tally(stage, row, &[&paced, &unpaced]);
    let cost = Cost {
        lost: self::tally(stage, row, &[&unpaced]).lost,
        torn: all.torn.saturating_sub(tally.torn),
        lines: unpaced.all_lines(),
        wall: end - begin,
        cpu,
    };
    let rotations = if row.file == File::OfEach { 0 } else { rotations };
    let is_clean = tally.is_clean() && all.is_clean();
    if row.is_ours() && !is_clean {
        let said = stage.systemd.journal("logagent.service");
        eprintln!("{}: lines are not as sent: {:?}\n{said}", row.name, all.first_torn);
    }
    Run { tally, rotations, restarts, cost, is_clean }
}

fn note(stage: &Stage<'_>, what: &str, index: usize) -> std::path::PathBuf {
    stage.place.path(&format!("notes/{what}-{index}"))
}

/// Has the workers say their lines; at a pace, the agent is restarted twice meanwhile. Returns how
/// often it was.
fn say(stage: &Stage<'_>, row: &Row, order: &Order) -> usize {
    let Order { part, clients, lines, per_second } = order;
    let text = serde_json::json!({ "clients": clients, "lines": lines, "perSecond": per_second });
    // It appears with all that stands in it.
    stage.place.write("order", &text.to_string());
    let here = stage.place.path(&format!("notes/order-{part}"));
    fs::rename(stage.place.path("order"), here).unwrap();

    let (begin, mut restarts) = (Instant::now(), 0);
    let third = |_| Duration::from_secs_f64(*lines as f64 / *per_second as f64 / 3.0);
    let third = (*per_second > 0 && row.rotation == Rotation::Agent).then_some(()).map(third);
    wait_until("the workers have said their lines", || {
        if third.is_some_and(|third| restarts < 2 && begin.elapsed() > third * (restarts + 1)) {
            stage.systemd.restart_agent();
            restarts += 1;
        }
        (0..WORKERS).all(|index| note(stage, &format!("done-{part}"), index).exists())
    });
    restarts as usize
}

/// Waits until all is in the files: until there are so many bytes, or until nothing changes any more
/// and nobody has anything to do. Returns when the last change was seen.
fn settle(stage: &Stage<'_>, row: &Row, bytes: Option<u64>) -> Instant {
    // Whoever marks lines makes them longer: those are all there when nothing comes any more.
    let exact = !matches!(row.file, File::Agent(Mark::Brackets | Mark::Json));
    let bytes = bytes.filter(|_| exact);
    let (mut last, mut changed) = (stage.bytes(row), Instant::now());
    let (mut used, mut looked) = (stage.seconds(row), Instant::now());
    loop {
        let now = stage.bytes(row);
        if now != last {
            (last, changed) = (now, Instant::now());
        }
        if bytes.is_some_and(|bytes| last >= bytes) {
            return changed;
        }
        if changed.elapsed() > SETTLED_AFTER && looked.elapsed() > SETTLED_AFTER {
            let before = (used, looked);
            (used, looked) = (stage.seconds(row), Instant::now());
            if used - before.0 < IDLE_MAX * (looked - before.1).as_secs_f64() {
                return changed;
            }
        }
        sleep(LOOK_EVERY);
    }
}

fn tally(stage: &Stage<'_>, row: &Row, orders: &[&Order]) -> Tally {
    let sent: Vec<Sent> = orders.iter().map(|order| order.sent()).collect();
    let mark = if let File::Agent(mark) = row.file { mark } else { Mark::None };
    Tally::of(&stage.files(row), mark, &sent)
}
