//! The head of a syslog record.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| logagent_fuzz::syslog_head(data));
