//! Octet counting on a stream.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| logagent_fuzz::stream("octet-counting", data));
