//! JSON strings (RFC 8259): what must be escaped is, everything else stands as it is.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The most bytes that one byte becomes: `\u001b`.
pub(super) const PER_BYTE_MAX: usize = 6;

/// Bytes that are looked at together: the compiler makes vector instructions of that.
const TOGETHER: usize = 32;

/// An entry of an object, for bytes that need be no text.
#[derive(Debug)]
pub(super) struct Entry {
    /// What stands before text: `"NAME":"`
    pub(super) of_text: &'static str,
    /// What stands before base64 (RFC 4648 section 4): `"NAME_base64":"`
    pub(super) of_base64: &'static str,
}

impl Entry {
    /// The most bytes that it adds to what its bytes become.
    pub(super) const fn bytes_max(&self) -> usize {
        assert!(self.of_base64.len() > self.of_text.len());
        self.of_base64.len() + 1
    }

    /// Appends the entry.
    pub(super) fn push(&self, bytes: &[u8], out: &mut Vec<u8>) {
        // Most lines hold nothing but ASCII that stands for itself.
        let seen = Seen::of(bytes);
        if seen.is_ascii() || std::str::from_utf8(bytes).is_ok() {
            out.extend_from_slice(self.of_text.as_bytes());
            push_seen(bytes, seen, out);
        } else {
            out.extend_from_slice(self.of_base64.as_bytes());
            push_base64(bytes, out);
        }
        out.push(b'"');
    }
}

/// Appends `text` as it stands between a string's quotes.
pub(super) fn push_text(text: &str, out: &mut Vec<u8>) {
    push_seen(text.as_bytes(), Seen::of(text.as_bytes()), out);
}

fn push_seen(text: &[u8], seen: Seen, out: &mut Vec<u8>) {
    if seen.has_escaped() {
        push_escaped(text, out);
    } else {
        out.extend_from_slice(text);
    }
}

/// What there is among some bytes.
#[derive(Clone, Copy)]
struct Seen {
    /// 1 where a string may not hold one of them as it is.
    escaped: u8,
    /// All of them, one bit over the other.
    bits: u8,
}

impl Seen {
    fn of(bytes: &[u8]) -> Seen {
        let Some((_, last)) = bytes.split_last_chunk::<TOGETHER>() else {
            return Seen::of_each(bytes);
        };
        // What is left of 32 bytes is looked at together with some that were seen already.
        let mut seen = Seen::of_each(last);
        for chunk in bytes.chunks_exact(TOGETHER) {
            let more = Seen::of_each(chunk);
            seen.escaped |= more.escaped;
            seen.bits |= more.bits;
        }
        seen
    }

    #[inline(always)]
    fn of_each(bytes: &[u8]) -> Seen {
        bytes.iter().fold(Seen { escaped: 0, bits: 0 }, |seen, byte| Seen {
            escaped: seen.escaped | u8::from(is_escaped(*byte)),
            bits: seen.bits | byte,
        })
    }

    fn has_escaped(self) -> bool {
        self.escaped > 0
    }

    fn is_ascii(self) -> bool {
        self.bits < 0x80
    }
}

/// Whether a string may not hold it as it is.
const fn is_escaped(byte: u8) -> bool {
    (byte < 0x20) | (byte == b'"') | (byte == b'\\')
}

/// What a byte becomes: so many of these bytes, and the rest is zeros.
#[derive(Clone, Copy)]
struct Escape {
    bytes: [u8; 8],
    length: u8,
}

/// For every byte.
static ESCAPES: [Escape; 256] = {
    let mut escapes = [Escape { bytes: [0; 8], length: 1 }; 256];
    let mut byte = 0;
    while byte < 256 {
        escapes[byte] = escape(byte as u8);
        byte += 1;
    }
    escapes
};

const fn escape(byte: u8) -> Escape {
    let letter = match byte {
        b'"' | b'\\' => byte,
        b'\n' => b'n',
        b'\t' => b't',
        b'\r' => b'r',
        0x08 => b'b',
        0x0C => b'f',
        _ if is_escaped(byte) => {
            let digits = b"0123456789abcdef";
            let (high, low) = (digits[(byte >> 4) as usize], digits[(byte & 0x0F) as usize]);
            return Escape { bytes: [b'\\', b'u', b'0', b'0', high, low, 0, 0], length: 6 };
        }
        _ => return Escape { bytes: [byte, 0, 0, 0, 0, 0, 0, 0], length: 1 },
    };
    Escape { bytes: [b'\\', letter, 0, 0, 0, 0, 0, 0], length: 2 }
}

fn push_escaped(text: &[u8], out: &mut Vec<u8>) {
    // Up to the last byte eight bytes are copied for each, so that no copy depends on what it is.
    let mut escaped = [0; PER_BYTE_MAX * TOGETHER + 2];
    for chunk in text.chunks(TOGETHER) {
        if !Seen::of_each(chunk).has_escaped() {
            out.extend_from_slice(chunk);
            continue;
        }
        let mut length = 0;
        for byte in chunk {
            let escape = &ESCAPES[usize::from(*byte)];
            escaped[length..length + 8].copy_from_slice(&escape.bytes);
            length += usize::from(escape.length);
        }
        out.extend_from_slice(&escaped[..length]);
    }
}

fn push_base64(bytes: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + 4 * bytes.len().div_ceil(3), b'=');
    let encoded = STANDARD.encode_slice(bytes, &mut out[start..]);
    debug_assert_eq!(encoded.ok(), Some(out.len() - start));
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: Entry = Entry { of_text: "\"line\":\"", of_base64: "\"line_base64\":\"" };

    fn entry(bytes: &[u8]) -> String {
        let mut out = Vec::new();
        LINE.push(bytes, &mut out);
        assert!(out.len() <= LINE.bytes_max() + PER_BYTE_MAX * bytes.len());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_must_be_escaped_is_and_nothing_else() {
        for (text, expected) in [
            ("", ""),
            ("a/b <c> \u{7F}", "a/b <c> \u{7F}"),
            ("ä € 𝄞 \u{2028}\u{FEFF}", "ä € 𝄞 \u{2028}\u{FEFF}"),
            (r#"{"a":"\n"}"#, r#"{\"a\":\"\\n\"}"#),
            ("\n\r\t\u{8}\u{c}", r"\n\r\t\b\f"),
            ("\0\u{1}\u{1b}\u{1f}", r"\u0000\u0001\u001b\u001f"),
        ] {
            assert_eq!(entry(text.as_bytes()), format!("\"line\":\"{expected}\""));
        }
    }

    #[test]
    fn every_character_is_read_back_at_every_place() {
        let special = (0..=0x7F).map(char::from).chain(['ä', '€', '𝄞', '\u{2028}']);
        for character in special {
            for before in [0, 1, 30, 31, 32, 33, 63, 64, 100] {
                for behind in [0, 1, 40] {
                    let text = ["x".repeat(before), character.into(), "y".repeat(behind)].concat();
                    let object = format!("{{{}}}", entry(text.as_bytes()));
                    let read: serde_json::Value = serde_json::from_str(&object).unwrap();
                    assert_eq!(read["line"], text, "{character:?} behind {before}");
                }
            }
        }
        let many = "\u{1f}".repeat(100);
        assert_eq!(entry(many.as_bytes()), format!("\"line\":\"{}\"", r"\u001f".repeat(100)));
    }

    #[test]
    fn bytes_that_are_no_utf8_stand_in_base64() {
        for (bytes, expected) in [
            (&b"\xFF"[..], "/w=="),
            (b"a\xC3", "YcM="),
            (b"a\xC3\x28", "YcMo"),
            (b"\x80abc\n", "gGFiYwo="),
            (b"\xED\xA0\x80", "7aCA"),
        ] {
            assert_eq!(entry(bytes), format!("\"line_base64\":\"{expected}\""));
        }
        for length in 1..100 {
            let mut bytes = vec![b'a'; length];
            bytes[length / 2] = 0xFF;
            assert!(entry(&bytes).starts_with("\"line_base64\":\""), "{length}");
        }
    }
}
