//! See `wingman_fuzz::mux_pair`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wingman_fuzz::mux_pair(data));
