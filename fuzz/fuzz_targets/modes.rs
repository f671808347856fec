#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| keyphone_fuzz_checks::modes(data));
