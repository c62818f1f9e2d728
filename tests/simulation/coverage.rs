//! What a simulation met: it proves nothing about cases that it never reached.

use std::collections::BTreeMap;

/// How often each case was reached.
#[derive(Debug, Default)]
pub struct Coverage(BTreeMap<&'static str, u64>);

impl Coverage {
    pub fn reached(&mut self, case: &'static str) {
        self.add(case, 1);
    }

    pub fn add(&mut self, case: &'static str, times: u64) {
        *self.0.entry(case).or_default() += times;
    }

    pub fn merge(&mut self, other: Coverage) {
        for (case, times) in other.0 {
            self.add(case, times);
        }
    }

    #[track_caller]
    pub fn assert_reached(&self, cases: &[&str]) {
        let missed: Vec<_> =
            cases.iter().filter(|case| self.0.get(*case).is_none_or(|times| *times == 0)).collect();
        assert!(missed.is_empty(), "never reached: {missed:?}");
    }
}
