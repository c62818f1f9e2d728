//! Seeds: every run is a number, and whoever has the number has the run.

use std::time::Duration;

use logagent::clock;

use crate::coverage::Coverage;

/// How long each simulation goes on, in seconds.
const SECONDS: &str = "LOGAGENT_SIMULATION_SECONDS";
/// The one seed to repeat.
const SEED: &str = "LOGAGENT_SIMULATION_SEED";
const SECONDS_DEFAULT: u64 = 10;
/// However short the time, so many runs: fewer do not reach every case.
const RUNS_MIN: u64 = 2000;

/// A random number generator that is the same everywhere: SplitMix64.
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 to `end`, without `end`.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// A number from `start` to `end`, both included.
    pub fn between(&mut self, start: usize, end: usize) -> usize {
        start + self.below(end - start + 1)
    }

    /// True so many times of a hundred.
    pub fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// Another generator, so that what one side decides does not depend on the other.
    pub fn fork(&mut self) -> Random {
        Random(self.next())
    }
}

/// Runs `simulate` with one seed after the other until the time is over, or with the one seed that
/// the environment names; then asks that together they reached every case of `cases`.
pub fn run_seeds(test: &str, cases: &[&str], simulate: impl Fn(u64, &mut Coverage)) {
    let mut coverage = Coverage::default();
    if let Some(seed) = number(SEED) {
        return run_seed(test, seed, &mut coverage, &simulate);
    }
    let seconds = number(SECONDS).unwrap_or(SECONDS_DEFAULT);
    let since_epoch = clock::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let first = since_epoch.as_nanos() as u64 % 1_000_000_000_000;
    let end = clock::instant() + Duration::from_secs(seconds);
    let mut runs = 0;
    while runs < RUNS_MIN || clock::instant() < end {
        run_seed(test, first + runs, &mut coverage, &simulate);
        runs += 1;
    }
    println!("{test}: {runs} runs, seeds {first} to {}; reached {coverage:?}", first + runs - 1);
    coverage.assert_reached(cases);
}

fn run_seed(
    test: &str,
    seed: u64,
    coverage: &mut Coverage,
    simulate: &impl Fn(u64, &mut Coverage),
) {
    let _told = ToldOnPanic { test, seed };
    simulate(seed, coverage);
}

fn number(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name} is no number: {value}")))
}

struct ToldOnPanic<'a> {
    test: &'a str,
    seed: u64,
}

impl Drop for ToldOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let ToldOnPanic { test, seed } = self;
            println!("seed {seed} failed; repeat it with");
            println!("  {SEED}={seed} cargo test --test simulation {test} -- --nocapture");
        }
    }
}
