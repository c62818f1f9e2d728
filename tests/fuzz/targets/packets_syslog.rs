//! Syslog framing in packets.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| logagent_fuzz::packets("syslog", data));
