//! See `wingman_fuzz::stun`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wingman_fuzz::stun(data));
