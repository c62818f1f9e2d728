//! The line by which a client names its stream.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| logagent_fuzz::handshake(data));
