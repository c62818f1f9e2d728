//! Counting: this program starts itself under callgrind, once with so many rounds of a workload and
//! once with twice as many.

use std::env;
use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;

use crate::problem::{Outcome, While};
use crate::workloads::{self, Workload};

/// The role in which it is counted: `ROLE WORKLOAD ROUNDS`.
pub(crate) const ROLE: &str = "--run-workload";

/// Enough for everything to be warm: memory to reuse, symbols to resolve.
const ROUNDS: u64 = 2;

/// The copying of glibc as a loop of vector instructions. With `rep movsb`, its choice for what is
/// larger than some KiB, each byte would be counted as an instruction.
const TUNABLES: (&str, &str) = ("GLIBC_TUNABLES", "glibc.cpu.hwcaps=-ERMS,-FSRM");

/// What some lines cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Count {
    pub(crate) lines: u64,
    pub(crate) instructions: u64,
}

impl Count {
    /// To one decimal, as the budget has it.
    pub(crate) fn per_line(self) -> f64 {
        (self.instructions as f64 / self.lines as f64 * 10.0).round() / 10.0
    }

    fn without(self, start: Count) -> Count {
        Count {
            lines: self.lines - start.lines,
            instructions: self.instructions - start.instructions,
        }
    }
}

/// Runs a workload, and says on standard output how many lines it took.
pub(crate) fn main(arguments: &[String]) -> Outcome<()> {
    let [name, rounds] = arguments else { return Err("a workload and its rounds, please".into()) };
    let workloads = workloads::all();
    let workload = workloads.iter().find(|workload| workload.name == *name);
    let workload = workload.ok_or_else(|| format!("there is no workload {name}"))?;
    let rounds = rounds.parse().while_(format!("read {rounds} as a number"))?;
    // A thread of its own has a stack and a heap of its own: where they lie, and so what it takes to
    // copy from and to them, does not depend on what came before, such as this program's path.
    let lines = thread::scope(|scope| scope.spawn(|| counted(workload, rounds)).join());
    println!("{}", lines.map_err(|_| format!("{name} panicked"))?);
    Ok(())
}

/// Where callgrind counts: the start of a process does not repeat exactly, since it reads what the
/// kernel has put where.
#[inline(never)]
fn counted(workload: &Workload, rounds: u64) -> u64 {
    black_box(workload.run(rounds))
}

/// [`counted`], as callgrind knows it by the symbol.
const COUNTED: &str = "instructions::callgrind::counted";

/// Counts all of them, as many at a time as there are processors.
pub(crate) fn count_all(names: &[&str]) -> Outcome<Vec<Count>> {
    let next = AtomicUsize::new(0);
    let counts = Mutex::new(Vec::new());
    let work = || -> Outcome<()> {
        while let Some(name) = names.get(next.fetch_add(1, Relaxed)) {
            let count = count(name)?;
            counts.lock().while_("keep a count")?.push((*name, count));
        }
        Ok(())
    };
    thread::scope(|scope| {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| match worker.join() {
            Ok(outcome) => outcome,
            Err(_) => Err("counting panicked".into()),
        })
    })?;
    let counts = counts.into_inner().while_("read the counts")?;
    let of = |name: &&str| counts.iter().find(|(counted, _)| counted == name);
    Ok(names.iter().filter_map(of).map(|(_, count)| *count).collect())
}

fn count(name: &str) -> Outcome<Count> {
    let once = run(name, ROUNDS)?;
    Ok(run(name, 2 * ROUNDS)?.without(once))
}

/// What callgrind wrote in the longer run of a workload: `callgrind_annotate` shows which function
/// took how many instructions.
pub(crate) fn profile(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("instructions-{name}.callgrind"))
}

fn run(name: &str, rounds: u64) -> Outcome<Count> {
    let profile = profile(name);
    let program = env::current_exe().while_("find this program")?;
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--quiet", "--collect-atstart=no"]);
    valgrind.arg(format!("--toggle-collect={COUNTED}"));
    valgrind.arg(format!("--callgrind-out-file={}", profile.display()));
    valgrind.arg(program).args([ROLE, name, &rounds.to_string()]);
    // Nobody's settings of valgrind, malloc or the loader.
    valgrind.env_clear().env("PATH", env::var_os("PATH").unwrap_or_default());
    valgrind.env(TUNABLES.0, TUNABLES.1);
    let output = valgrind.output().while_("run valgrind, which Debian has as a package")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{name} under valgrind: {}\n{said}", output.status).into());
    }
    let said = String::from_utf8(output.stdout).while_(format!("read what {name} said"))?;
    let lines = said.trim().parse().while_(format!("read the lines of {name}"))?;
    let profile = fs::read_to_string(&profile).while_(format!("read {}", profile.display()))?;
    let totals = profile.lines().find_map(|line| line.strip_prefix("totals: "));
    let totals = totals.ok_or("callgrind wrote no totals")?;
    let instructions = totals.trim().parse().while_(format!("read {totals} as a number"))?;
    if instructions == 0 {
        return Err(format!("callgrind did not find {COUNTED}: is this program stripped?").into());
    }
    Ok(Count { lines, instructions })
}
