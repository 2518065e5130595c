//! What the targets share: how a panic becomes a finding.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook};

thread_local! {
    static LAST_PANIC: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Replaces libFuzzer's hook, which aborts on every panic: those that the library catches are no findings.
pub fn remember_panics() {
    set_hook(Box::new(|info| LAST_PANIC.set(format!("{info}"))));
}

/// Runs one input; a panic that nobody caught is printed and ends the process as a finding.
pub fn run(target: impl FnOnce()) {
    if catch_unwind(AssertUnwindSafe(target)).is_err() {
        eprintln!("{}", LAST_PANIC.take());
        std::process::abort();
    }
}
