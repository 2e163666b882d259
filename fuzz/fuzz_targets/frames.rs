//! See `wingman_fuzz::frames`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wingman_fuzz::frames(data));
