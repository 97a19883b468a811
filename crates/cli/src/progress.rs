//! Progress on standard error; silent when that is not a terminal.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use deepinside::printable;
use indicatif::{ProgressBar, ProgressStyle};

/// The bar that was shown last: what is printed goes above it.
static SHOWN: Mutex<Option<ProgressBar>> = Mutex::new(None);

fn shown(bar: ProgressBar) -> ProgressBar {
    *SHOWN.lock().unwrap_or_else(PoisonError::into_inner) = Some(bar.clone());
    bar
}

/// Prints something while no bar is in the way.
pub fn beside<T>(print: impl FnOnce() -> T) -> T {
    let bar = SHOWN.lock().unwrap_or_else(PoisonError::into_inner).clone();
    match bar {
        Some(bar) if !bar.is_finished() => bar.suspend(print),
        _ => print(),
    }
}

/// What is worked on, and for how long, where nothing tells how much there is to do.
pub fn spinner(what: &str) -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix}  {elapsed}") {
        bar.set_style(style);
    }
    bar.set_prefix(printable::one_line(what).into_owned());
    bar.enable_steady_tick(Duration::from_millis(200));
    shown(bar)
}

/// A bar with the share that is done, the remaining time and a message.
pub fn bar(length: usize, what: &str) -> ProgressBar {
    let bar = ProgressBar::new(length as u64);
    // The template is constant; were it wrong, the default style would do.
    if let Ok(style) =
        ProgressStyle::with_template("{prefix} {wide_bar} {percent:>3} % {pos}/{len} {eta} {msg}")
    {
        bar.set_style(style);
    }
    bar.set_prefix(printable::one_line(what).into_owned());
    shown(bar)
}

/// A bar for the bytes of a file; without its end where the size is not known.
pub fn bytes(size: Option<u64>, file: &str) -> ProgressBar {
    let bar = size.map_or_else(ProgressBar::no_length, ProgressBar::new);
    if let Ok(style) = ProgressStyle::with_template(
        "{prefix} {wide_bar} {percent:>3} % {bytes}/{total_bytes} {bytes_per_sec} {eta}",
    ) {
        bar.set_style(style);
    }
    bar.set_prefix(printable::one_line(file).into_owned());
    shown(bar)
}

/// Shows a message behind a bar.
pub fn message(bar: &ProgressBar, text: &str) {
    bar.set_message(printable::one_line(text).into_owned());
}

/// Says something beside the results, on one line.
#[expect(clippy::print_stderr, reason = "notes go to standard error, beside the results")]
pub fn note(text: impl std::fmt::Display) {
    beside(|| eprintln!("{}", printable::one_line(&printable::brief(&text.to_string()))));
}
