//! See `wingman_fuzz::control`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wingman_fuzz::control(data));
