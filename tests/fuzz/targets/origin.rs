//! What /proc tells of a client's unit.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| logagent_fuzz::origin(data));
