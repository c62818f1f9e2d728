//! Templates of prefixes and of streams' names.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| logagent_fuzz::templates(data));
