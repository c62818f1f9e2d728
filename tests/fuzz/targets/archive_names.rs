//! The names of archives: whatever stands in a log directory.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| logagent_fuzz::archive_names(data));
