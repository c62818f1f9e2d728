//! What an agent that stopped has left in memory that systemd keeps.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| logagent_fuzz::handover(data));
