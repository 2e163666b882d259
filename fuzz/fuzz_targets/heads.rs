//! See `wingman_fuzz::heads`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wingman_fuzz::heads(data));
