//! Counts what became of numbered lines: lost, doubled, torn, out of order.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::clients::Sent;
use super::lines::{parse_numbered_line, push_numbered_line};
use super::tools::contents;

/// Reads files in the order in which they were written.
#[derive(Default)]
pub struct Checker {
    clients: BTreeMap<usize, Client>,
    scratch: Vec<u8>,
    /// Lines that are not exactly one that was sent, with the place.
    torn: Vec<String>,
    /// Files whose last line has no newline, or whose first line is torn.
    cut_files: Vec<PathBuf>,
    doubled: u64,
    disordered: u64,
    lines: u64,
    /// What may stand at a file's end: see [`Checker::accept_torn_ends`].
    torn_ends: TornEnds,
    /// How many fragments may still come: see [`Checker::accept_fragments`].
    fragments: usize,
    /// Where gap records may stand: see [`Checker::accept_gaps`].
    gaps: Option<Gaps>,
}

/// What gap records have said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gaps {
    pub records: u64,
    pub lines: u64,
    pub bytes: u64,
    /// Each one once.
    pub reasons: BTreeSet<String>,
}

/// What is wrong with the lines that are there.
pub struct Faults<'a> {
    pub doubled: u64,
    pub disordered: u64,
    /// Lines that are not exactly one that was sent, with the place.
    pub torn: &'a [String],
}

const GAP: &[u8] = b"logagent: gap: ";

impl Gaps {
    /// Adds what a record says, if the line is one.
    fn add(&mut self, line: &[u8]) -> bool {
        let Some(said) = line.strip_prefix(GAP) else { return false };
        let said = String::from_utf8_lossy(said);
        let words: Vec<&str> = said.split(' ').collect();
        let [lines, "lines,", bytes, "bytes", "lost,", from, "to", to, ..] = words[..] else {
            return false;
        };
        assert!(from <= to.trim_end_matches(':'), "{said}");
        self.records += 1;
        self.lines += lines.parse::<u64>().unwrap();
        self.bytes += bytes.parse::<u64>().unwrap();
        self.reasons.insert(words[8..].join(" "));
        true
    }
}

#[derive(Default, PartialEq)]
enum TornEnds {
    #[default]
    Refused,
    Accepted,
}

#[derive(Default)]
struct Client {
    seen: Vec<u64>,
    next: u64,
}

impl Client {
    /// Whether line `number` is new.
    fn see(&mut self, number: u64) -> bool {
        let (word, bit) = (usize::try_from(number / 64).unwrap(), 1 << (number % 64));
        if self.seen.len() <= word {
            self.seen.resize(word + 1, 0);
        }
        let new = self.seen[word] & bit == 0;
        self.seen[word] |= bit;
        new
    }

    fn has(&self, number: u64) -> bool {
        let word = usize::try_from(number / 64).unwrap();
        self.seen.get(word).is_some_and(|bits| bits & (1 << (number % 64)) != 0)
    }
}

impl Checker {
    pub fn new() -> Checker {
        Checker::default()
    }

    /// The files' numbered lines, in this order.
    pub fn of(files: &[PathBuf]) -> Checker {
        let mut checker = Checker::new();
        for file in files {
            checker.read(file);
        }
        checker
    }

    /// From now on a file may end inside a line, as one does that was left behind full, or copied
    /// while it was written to; its beginning must still be that of a line that was sent.
    pub fn accept_torn_ends(&mut self) {
        self.torn_ends = TornEnds::Accepted;
    }

    /// So many beginnings of lines may stand alone, each with its newline, as they do after a crash.
    pub fn accept_fragments(&mut self, fragments: usize) {
        self.fragments = fragments;
    }

    /// From now on gap records may stand among the lines.
    pub fn accept_gaps(&mut self) {
        self.gaps = Some(Gaps::default());
    }

    /// What the gap records have said.
    pub fn gaps(&self) -> &Gaps {
        self.gaps.as_ref().expect("no gaps were accepted")
    }

    /// Reads one file, a compressed one if it is named so.
    pub fn read(&mut self, file: &Path) {
        self.read_bytes(file, &contents(file));
    }

    pub fn read_bytes(&mut self, file: &Path, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let at = bytes.len() - rest.len();
            let Some(end) = memchr::memchr(b'\n', rest) else {
                self.unfinished_line(file, at, rest);
                return;
            };
            self.line(file, at, &rest[..end]);
            rest = &rest[end + 1..];
        }
    }

    fn line(&mut self, file: &Path, at: usize, line: &[u8]) {
        self.lines += 1;
        let Some((client, number)) = parse_numbered_line(line, &mut self.scratch) else {
            if self.gaps.as_mut().is_some_and(|gaps| gaps.add(line)) {
                self.lines -= 1;
                return;
            }
            if self.fragments > 0 && self.begins_a_line(line) {
                self.fragments -= 1;
                return;
            }
            self.torn(file, at, line);
            if at == 0 {
                self.cut_files.push(file.to_owned());
            }
            return;
        };
        let client = self.clients.entry(client).or_default();
        if !client.see(number) {
            self.doubled += 1;
        } else if number < client.next {
            self.disordered += 1;
        }
        client.next = client.next.max(number + 1);
    }

    fn unfinished_line(&mut self, file: &Path, at: usize, beginning: &[u8]) {
        if self.torn_ends == TornEnds::Refused {
            self.torn(file, at, beginning);
            self.cut_files.push(file.to_owned());
        } else if !self.begins_a_line(beginning) {
            self.torn(file, at, beginning);
        }
    }

    fn begins_a_line(&mut self, beginning: &[u8]) -> bool {
        let common = beginning.len().min(GAP.len());
        if self.gaps.is_some() && beginning[..common] == GAP[..common] {
            return true;
        }
        let digits = |range: std::ops::Range<usize>| {
            beginning.get(range).and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok())
        };
        let Some((client, number)) = digits(0..5).zip(digits(6..15)) else {
            // Too short to tell whose it is.
            return beginning.iter().all(|byte| byte.is_ascii_digit() || *byte == b' ');
        };
        self.scratch.clear();
        push_numbered_line(&mut self.scratch, usize::try_from(client).unwrap(), number);
        self.scratch.starts_with(beginning)
    }

    fn torn(&mut self, file: &Path, at: usize, line: &[u8]) {
        let beginning = String::from_utf8_lossy(&line[..line.len().min(150)]);
        let bytes = line.len();
        self.torn.push(format!("{}, byte {at}, {bytes} bytes: {beginning:?}", file.display()));
    }

    /// Whatever of a client is there has no gap: what was lost came last.
    #[track_caller]
    pub fn assert_no_gap(&self) {
        for (number, client) in &self.clients {
            let missing = (0..client.next).find(|line| !client.has(*line));
            let next = client.next;
            assert_eq!(missing, None, "of client {number} there are lines up to {next}");
        }
    }

    /// Whether of a client a line is missing before the last that is there.
    pub fn has_gap(&self) -> bool {
        self.clients.values().any(|client| (0..client.next).any(|line| !client.has(line)))
    }

    /// What is wrong with the lines that are there.
    pub fn faults(&self) -> Faults<'_> {
        Faults { doubled: self.doubled, disordered: self.disordered, torn: &self.torn }
    }

    /// Of the lines that were sent, those in no file.
    pub fn lost(&self, sent: &[Sent]) -> u64 {
        self.lost_of_each(sent).values().map(|numbers| numbers.len() as u64).sum()
    }

    fn lost_of_each(&self, sent: &[Sent]) -> BTreeMap<usize, Vec<u64>> {
        let nothing = Client::default();
        let mut lost = BTreeMap::new();
        for sent in sent {
            for number in sent.clients.clone() {
                let client = self.clients.get(&number).unwrap_or(&nothing);
                let numbers: Vec<u64> = (0..sent.lines).filter(|line| !client.has(*line)).collect();
                if !numbers.is_empty() {
                    lost.insert(number, numbers);
                }
            }
        }
        lost
    }

    /// Lost 0, doubled 0, torn 0, out of order 0, and nothing that was not sent.
    #[track_caller]
    pub fn assert_exactly(&self, sent: &[Sent]) {
        self.assert_at_least(sent);
        self.assert_no_strangers(sent);
    }

    /// Nothing that was not sent.
    #[track_caller]
    pub fn assert_no_strangers(&self, sent: &[Sent]) {
        let strangers: Vec<_> = self
            .clients
            .iter()
            .filter(|(number, client)| {
                !sent.iter().any(|s| s.clients.contains(number) && client.next <= s.lines)
            })
            .map(|(number, _)| number)
            .collect();
        assert!(strangers.is_empty(), "lines that clients {strangers:?} did not send");
    }

    /// The same, but there may be more.
    #[track_caller]
    pub fn assert_at_least(&self, sent: &[Sent]) {
        let lost = self.lost_of_each(sent);
        if lost.is_empty() {
            return self.assert_no_line_harmed();
        }
        let examples: Vec<_> = lost
            .iter()
            .take(5)
            .map(|(client, lines)| {
                let (first, last) = (lines[0], lines[lines.len() - 1]);
                format!("client {client}: {} lines from {first} to {last}", lines.len())
            })
            .collect();
        panic!("lost {} of client(s) {examples:#?}; {}", self.lost(sent), self.harm());
    }

    /// Lost 0, doubled 0, out of order 0, in a file where other lines stand too.
    #[track_caller]
    pub fn assert_among_others(&self, sent: &[Sent]) {
        let harmed = self.lost(sent) + self.doubled + self.disordered;
        assert!(harmed == 0, "lost {}; {}", self.lost(sent), self.harm());
    }

    /// Doubled 0, torn 0, out of order 0; no file starts or ends inside a line.
    #[track_caller]
    pub fn assert_no_line_harmed(&self) {
        let Faults { doubled, disordered, torn } = self.faults();
        let harmed = doubled + disordered + torn.len() as u64;
        assert!(harmed == 0 && self.cut_files.is_empty(), "{}", self.harm());
    }

    fn harm(&self) -> String {
        format!(
            "{} lines read, doubled {}, out of order {}, torn {}: {:#?}, files that start or end \
             inside a line: {:?}",
            self.lines,
            self.doubled,
            self.disordered,
            self.torn.len(),
            &self.torn[..self.torn.len().min(5)],
            self.cut_files,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::lines::{LINE_BYTES, numbered_line, numbered_lines};
    use super::*;

    /// Ten lines of client 3 were sent; the checker reads `files` and says it of them.
    #[track_caller]
    fn check(files: &[&[u8]], verdict: &str) {
        let mut checker = Checker::new();
        for file in files {
            checker.read_bytes(Path::new("file"), file);
        }
        let sent = Sent { clients: 3..4, lines: 10 };
        let found = std::panic::catch_unwind(|| checker.assert_exactly(&[sent]));
        match found {
            Ok(()) => assert_eq!(verdict, "exactly"),
            Err(said) => {
                let said = said.downcast_ref::<String>().unwrap();
                assert!(said.contains(verdict), "{said:?} does not say {verdict:?}");
            }
        }
    }

    #[test]
    fn the_checker_accepts_what_was_sent_and_nothing_else() {
        let all = numbered_lines(3, 0..10);
        let (head, tail) = (numbered_lines(3, 0..4), numbered_lines(3, 4..10));
        check(&[&all], "exactly");
        check(&[&head, &tail], "exactly");
        check(&[&head, b"", &tail], "exactly");
        check(&[&head], "lost 6 of client(s)");
        check(&[&tail, &head], "out of order 4");
        check(&[&all, &numbered_line(3, 9)], "doubled 1");
        check(&[&all, &numbered_line(3, 10)], "did not send");
        check(&[&all, &numbered_line(4, 0)], "did not send");
        check(&[&all, b"\n"], "torn 1");
        check(&[&all[..LINE_BYTES * 10 - 1]], "lost 1 of client(s)");
        check(&[&all[..500], &all[500..]], "files that start or end inside a line: [\"file\"");
        let mut harmed = all.clone();
        harmed[700] ^= 1;
        check(&[&harmed], "torn 1");
        let mut mixed = all.clone();
        mixed.splice(500..500, numbered_line(3, 4));
        check(&[&mixed], "torn 2");
    }

    #[test]
    fn the_checker_accepts_a_torn_end_only_where_the_test_says_so() {
        let all = numbered_lines(3, 0..10);
        let mut checker = Checker::new();
        checker.accept_torn_ends();
        checker.read_bytes(Path::new("left"), &all[..500]);
        checker.read_bytes(Path::new("next"), &all[4 * LINE_BYTES..]);
        checker.assert_exactly(&[Sent { clients: 3..4, lines: 10 }]);
        checker.read_bytes(Path::new("odd"), b"00003 000000001 no such line");
        assert!(std::panic::catch_unwind(|| checker.assert_no_line_harmed()).is_err());
    }
}
