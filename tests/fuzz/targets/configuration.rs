//! A configuration file.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| logagent_fuzz::configuration(data));
