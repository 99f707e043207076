#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| isomorph_fuzz::text(data));
