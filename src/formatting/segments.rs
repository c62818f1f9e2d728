//! What is the same for many lines of a connection, rendered once, and kept up with the time; with
//! places between for what each record says of itself.

use std::io::Write;
use std::time::SystemTime;

use super::Clock;
use crate::template::Placeholder;

/// `2026-11-21T06:00:00.`
const SECONDS_BYTES: usize = 20;

/// How many digits of a second are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Precision {
    Micros,
    Nanos,
}

impl Precision {
    /// Of a time in RFC 3339, in UTC.
    fn time_bytes(self) -> usize {
        SECONDS_BYTES
            + match self {
                Precision::Micros => "123456Z".len(),
                Precision::Nanos => "123456789Z".len(),
            }
    }
}

/// Bytes with places among them, to stand before or around the lines of one connection.
#[derive(Debug)]
pub(super) struct Segments {
    /// All segments, one behind the other.
    bytes: Vec<u8>,
    /// Where times begin in `bytes`.
    times_at: Vec<usize>,
    /// What each record fills in, and where in `bytes`; in order.
    places: Vec<(usize, Placeholder)>,
    precision: Precision,
    /// The second since 1970 that the times show; none before the first time.
    second: Option<u64>,
}

impl Segments {
    /// Nothing, to be added to.
    pub(super) fn new(precision: Precision) -> Segments {
        let (bytes, times_at, places) = Default::default();
        Segments { bytes, times_at, places, precision, second: None }
    }

    /// Adds a text as it is.
    pub(super) fn add_text(&mut self, text: impl AsRef<[u8]>) {
        self.bytes.extend_from_slice(text.as_ref());
    }

    /// Adds the time of the read.
    pub(super) fn add_time(&mut self) {
        self.times_at.push(self.bytes.len());
        self.bytes.resize(self.bytes.len() + self.precision.time_bytes(), b'0');
        self.fill(SystemTime::UNIX_EPOCH);
    }

    /// Adds a place for what a record says of itself.
    pub(super) fn add_place(&mut self, placeholder: Placeholder) {
        self.places.push((self.bytes.len(), placeholder));
    }

    /// All of it, where no record fills in anything.
    pub(super) fn fixed(&self) -> Option<&[u8]> {
        self.places.is_empty().then_some(&self.bytes)
    }

    /// Appends all of it; `fill_in` appends what a record has for a place.
    pub(super) fn append(
        &self,
        out: &mut Vec<u8>,
        mut fill_in: impl FnMut(Placeholder, &mut Vec<u8>),
    ) {
        let mut start = 0;
        for (end, placeholder) in &self.places {
            out.extend_from_slice(&self.bytes[start..*end]);
            fill_in(*placeholder, out);
            start = *end;
        }
        out.extend_from_slice(&self.bytes[start..]);
    }

    /// The most bytes that it can have, where `filled_in` tells that of a place.
    pub(super) fn bytes_max(&self, filled_in: impl Fn(Placeholder) -> usize) -> usize {
        let places = self.places.iter().map(|(_, placeholder)| filled_in(*placeholder));
        self.bytes.len() + places.sum::<usize>()
    }

    /// Shows the time of now. A date and a time of day take long to make: within a second only
    /// the digits behind it change.
    pub(super) fn renew(&mut self, clock: Clock) {
        if !self.times_at.is_empty() {
            self.show(clock());
        }
    }

    /// Shows a time.
    pub(super) fn show(&mut self, time: SystemTime) {
        // RFC 3339 as humantime writes it begins in 1970, too.
        let since_1970 = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        if self.second != Some(since_1970.as_secs()) {
            self.fill(SystemTime::UNIX_EPOCH + since_1970);
            self.second = Some(since_1970.as_secs());
            return;
        }
        match self.precision {
            Precision::Micros => self.fill_digits(decimal::<6>(since_1970.subsec_micros())),
            Precision::Nanos => self.fill_digits(decimal::<9>(since_1970.subsec_nanos())),
        }
    }

    fn fill_digits<const N: usize>(&mut self, digits: [u8; N]) {
        for at in &self.times_at {
            let at = at + SECONDS_BYTES;
            self.bytes[at..at + N].copy_from_slice(&digits);
        }
    }

    fn fill(&mut self, time: SystemTime) {
        let shown = match self.precision {
            Precision::Micros => humantime::format_rfc3339_micros(time),
            Precision::Nanos => humantime::format_rfc3339_nanos(time),
        };
        for at in &self.times_at {
            let mut place = &mut self.bytes[*at..at + self.precision.time_bytes()];
            // It fails only after the year 9999, which RFC 3339 does not have.
            write!(place, "{shown}").unwrap_or_default();
        }
    }
}

/// The last digits of a number.
fn decimal<const N: usize>(mut number: u32) -> [u8; N] {
    let mut digits = [b'0'; N];
    for digit in digits.iter_mut().rev() {
        *digit += (number % 10) as u8;
        number /= 10;
    }
    digits
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::time::Duration;

    use super::*;

    /// Seconds and nanoseconds since 1970.
    const TIMES: [(u64, u32); 7] = [
        (0, 1),
        (0, 999_999_999),
        (1, 0),
        (1, 100_020_003),
        (9, 7),
        (1_795_240_800, 123_456_789),
        (1, 5_000),
    ];

    thread_local!(static NEXT: Cell<usize> = const { Cell::new(0) });

    fn clock() -> SystemTime {
        let (second, nanos) = TIMES[NEXT.get()];
        SystemTime::UNIX_EPOCH + Duration::new(second, nanos)
    }

    #[test]
    fn the_time_is_that_of_now_whatever_it_was_before() {
        for precision in [Precision::Micros, Precision::Nanos] {
            let mut segments = Segments::new(precision);
            segments.add_time();
            segments.add_text("|web|");
            segments.add_time();
            for index in 0..TIMES.len() {
                NEXT.set(index);
                segments.renew(clock);
                let shown = match precision {
                    Precision::Micros => humantime::format_rfc3339_micros(clock()),
                    Precision::Nanos => humantime::format_rfc3339_nanos(clock()),
                };
                let fixed = String::from_utf8_lossy(segments.fixed().unwrap());
                assert_eq!(fixed, format!("{shown}|web|{shown}"));
            }
        }
    }

    #[test]
    fn a_record_fills_in_the_places() {
        let mut segments = Segments::new(Precision::Micros);
        segments.add_place(Placeholder::Tag);
        segments.add_text("-");
        segments.add_place(Placeholder::Severity);
        assert_eq!(segments.fixed(), None);
        let mut out = Vec::new();
        segments.append(&mut out, |place, out| out.extend_from_slice(place.name().as_bytes()));
        assert_eq!(out, b"tag-severity");
        assert_eq!(segments.bytes_max(|_| 10), 21);
    }
}
