//! The programs of these tests, in the place where a test works.

use std::collections::BTreeMap;
use std::fs;

use crate::support::{Place, Sent};

/// Every program, and what it needs.
const PROGRAMS: &[(&str, &str)] = &[
    ("numbered.js", include_str!("numbered.js")),
    // As the npm package brings it: a systemd of the tests has this place, and no packages.
    ("stdout.js", include_str!("../../../packaging/npm/stdout.js")),
    ("ways_in.js", include_str!("ways_in.js")),
    ("cluster.js", include_str!("cluster.js")),
    ("exit.js", include_str!("exit.js")),
    ("told.js", include_str!("told.js")),
];

/// The ways in that the npm package has.
pub const PACKAGE: [&str; 5] = ["stream", "log4js", "pino-transport", "pino", "winston"];

/// Puts the programs into the place.
pub fn install(place: &Place) {
    for (name, text) in PROGRAMS {
        fs::write(place.path(name), text).unwrap();
    }
}

/// What an outcome says: of each client, how many lines it has printed, as far as it is known.
#[track_caller]
pub fn outcome(place: &Place) -> BTreeMap<usize, Option<u64>> {
    let text = fs::read_to_string(place.path("outcome")).expect("the program has not ended");
    let of_each: BTreeMap<String, Option<u64>> = serde_json::from_str(&text).unwrap();
    of_each.into_iter().map(|(client, lines)| (client.parse().unwrap(), lines)).collect()
}

/// The clients of an outcome that have said how much they printed.
pub fn sent(outcome: &BTreeMap<usize, Option<u64>>) -> Vec<Sent> {
    let known = outcome.iter().filter_map(|(client, lines)| Some((*client, (*lines)?)));
    known.map(|(client, lines)| Sent { clients: client..client + 1, lines }).collect()
}
