//! One target under libFuzzer: `FUZZ_TARGET` names it. `tests/fuzz/run` builds and starts this.
#![no_main]
#![allow(clippy::expect_used, reason = "without a target there is nothing to do")]

use std::sync::OnceLock;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    static TARGET: OnceLock<&fuzz::Target> = OnceLock::new();
    let target = TARGET.get_or_init(|| {
        let name = std::env::var("FUZZ_TARGET").expect("FUZZ_TARGET names a target");
        fuzz::named(&name).expect("FUZZ_TARGET is one of the targets")
    });
    (target.run)(data);
});
