//! Numbered lines: every byte of one follows from its client and its number, so that a line that is
//! not exactly one that was sent shows itself.

/// Of every numbered line, its newline included.
pub const LINE_BYTES: usize = 120;

const CLIENT_DIGITS: usize = 5;
const NUMBER_DIGITS: usize = 9;
const FILLER_BYTES: usize = LINE_BYTES - CLIENT_DIGITS - NUMBER_DIGITS - 3;

const FILLER: &[u8; 3 * 26 + FILLER_BYTES] = &filler();

const fn filler() -> [u8; 3 * 26 + FILLER_BYTES] {
    let mut letters = [b'a'; 3 * 26 + FILLER_BYTES];
    let mut at = 0;
    while at < letters.len() {
        // Letters of a period that does not divide the line, so that a shifted copy differs.
        letters[at] = b'a' + ((at * at + at / 7) % 26) as u8;
        at += 1;
    }
    letters
}

/// Appends line `number` of `client`.
pub fn push_numbered_line(lines: &mut Vec<u8>, client: usize, number: u64) {
    push_digits(lines, client as u64, CLIENT_DIGITS);
    lines.push(b' ');
    push_digits(lines, number, NUMBER_DIGITS);
    lines.push(b' ');
    let start = usize::try_from((client as u64 * 31 + number) % 78).unwrap();
    lines.extend_from_slice(&FILLER[start..start + FILLER_BYTES]);
    lines.push(b'\n');
}

pub fn numbered_line(client: usize, number: u64) -> Vec<u8> {
    numbered_lines(client, number..number + 1)
}

pub fn numbered_lines(client: usize, numbers: std::ops::Range<u64>) -> Vec<u8> {
    let mut lines = Vec::new();
    for number in numbers {
        push_numbered_line(&mut lines, client, number);
    }
    lines
}

/// The client and the number of a line (without its newline) that is exactly as it was sent.
pub fn parse_numbered_line(line: &[u8], scratch: &mut Vec<u8>) -> Option<(usize, u64)> {
    if line.len() + 1 != LINE_BYTES {
        return None;
    }
    let client = usize::try_from(digits(&line[..CLIENT_DIGITS])?).unwrap();
    let number = digits(&line[CLIENT_DIGITS + 1..][..NUMBER_DIGITS])?;
    scratch.clear();
    push_numbered_line(scratch, client, number);
    (scratch[..LINE_BYTES - 1] == *line).then_some((client, number))
}

fn push_digits(bytes: &mut Vec<u8>, number: u64, digits: usize) {
    let mut divisor = 10_u64.pow(u32::try_from(digits).unwrap() - 1);
    while divisor > 0 {
        bytes.push(b'0' + u8::try_from(number / divisor % 10).unwrap());
        divisor /= 10;
    }
}

fn digits(bytes: &[u8]) -> Option<u64> {
    bytes.iter().try_fold(0_u64, |number, byte| {
        byte.is_ascii_digit().then(|| number * 10 + u64::from(byte - b'0'))
    })
}
