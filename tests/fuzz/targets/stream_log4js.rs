//! Events of log4js on a stream.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| logagent_fuzz::stream("log4js", data));
