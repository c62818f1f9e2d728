//! Runs in pairs: every run of a contestant has a run of the yardstick beside it.
//!
//! What changes slowly (the machine's clock, its neighbours, the file system) changes both of a
//! pair, so the ratio is steadier than either. The rounds go through all contestants, and which
//! of a pair is first changes with every round.

use crate::contestants::{Contestant, Standing};
use crate::debian::{Installed, Programs};
use crate::interrupt::interrupted;
use crate::measure::{Course, Figures};
use crate::problem::Outcome;
use crate::scenario::Scenario;
use crate::statistics::Median;

/// A scenario with what every contestant made of it, the yardstick first.
pub(crate) struct Series {
    pub(crate) scenario: Scenario,
    pub(crate) rows: Vec<Row>,
}

pub(crate) struct Row {
    pub(crate) contestant: &'static Contestant,
    pub(crate) version: String,
    /// Or why there are none.
    pub(crate) pairs: Result<Vec<Pair>, String>,
}

pub(crate) struct Pair {
    pub(crate) own: Figures,
    pub(crate) yardstick: Figures,
}

impl Row {
    /// The contestant's median of something, if it ran.
    pub(crate) fn median(&self, what: impl Fn(&Figures) -> f64) -> Option<Median> {
        let pairs = self.pairs.as_ref().ok()?;
        Some(Median::of(pairs.iter().map(|pair| what(&pair.own))))
    }

    /// The median of the paired ratios to the yardstick, if it ran.
    pub(crate) fn ratio(&self, what: impl Fn(&Figures) -> f64) -> Option<Median> {
        let pairs = self.pairs.as_ref().ok()?;
        Some(Median::of(pairs.iter().map(|pair| what(&pair.own) / what(&pair.yardstick))))
    }

    pub(crate) fn sum(&self, what: impl Fn(&Figures) -> usize) -> usize {
        self.pairs.iter().flatten().map(|pair| what(&pair.own)).sum()
    }

    /// Whether it broke a promise: a contestant of ours that has a fault, could not run, or did not
    /// end when it was told to.
    pub(crate) fn broke_promise(&self) -> bool {
        let kept = |pair: &Pair| pair.own.faults.none() && !pair.own.stubborn;
        let all_kept = self.pairs.as_ref().is_ok_and(|pairs| pairs.iter().all(kept));
        self.contestant.standing == Standing::Ours && !all_kept
    }
}

/// Runs the contestants; `tell` hears before each run what it is.
pub(crate) fn run(
    course: &Course,
    programs: &Programs,
    contestants: &[&'static Contestant],
    scenario: &Scenario,
    pairs: usize,
    tell: impl Fn(&str),
) -> Outcome<Series> {
    let mut entered: Vec<Entered> =
        contestants.iter().map(|contestant| Entered::new(contestant, programs)).collect();
    let yardstick = match &entered[0] {
        Entered { contestant, installed: Ok(installed), .. } => (*contestant, installed.clone()),
        Entered { contestant, installed: Err(why), .. } => {
            return Err(format!("the yardstick {}: {why}", contestant.name).into());
        }
    };
    tell("warming up");
    // The first run after a pause is a slow one, whoever it is: nobody's.
    course.run(yardstick.0, &yardstick.1, scenario)?;
    for round in 0..pairs {
        for one in &mut entered {
            tell(&format!("round {} of {pairs}: {}", round + 1, one.contestant.name));
            one.run_pair(round, |contestant, installed| match contestant {
                None => course.run(yardstick.0, &yardstick.1, scenario),
                Some(contestant) => course.run(contestant, installed, scenario),
            });
            if interrupted() {
                return Err("interrupted".into());
            }
        }
    }
    Ok(Series {
        scenario: scenario.clone(),
        rows: entered.into_iter().map(Entered::into_row).collect(),
    })
}

/// A contestant on the course.
struct Entered {
    contestant: &'static Contestant,
    /// Or why it does not run, or no longer.
    installed: Result<Installed, String>,
    version: String,
    pairs: Vec<Pair>,
}

impl Entered {
    fn new(contestant: &'static Contestant, programs: &Programs) -> Self {
        let installed = programs.find(contestant.program).map_err(|why| why.to_string());
        let version = installed.as_ref().map(|it| it.version.clone()).unwrap_or_default();
        Self { contestant, installed, version, pairs: Vec::new() }
    }

    /// `run` runs a contestant, or the yardstick for none.
    fn run_pair(
        &mut self,
        round: usize,
        run: impl Fn(Option<&Contestant>, &Installed) -> Outcome<Figures>,
    ) {
        let Ok(installed) = &self.installed else { return };
        let both = || {
            if round.is_multiple_of(2) {
                let yardstick = run(None, installed)?;
                return Ok(Pair { own: run(Some(self.contestant), installed)?, yardstick });
            }
            let own = run(Some(self.contestant), installed)?;
            Ok(Pair { own, yardstick: run(None, installed)? })
        };
        match both() {
            Ok(pair) => self.pairs.push(pair),
            Err::<_, crate::problem::Problem>(problem) => {
                self.installed = Err(problem.to_string());
            }
        }
    }

    fn into_row(self) -> Row {
        let pairs = self.installed.map(|_| self.pairs);
        Row { contestant: self.contestant, version: self.version, pairs }
    }
}
