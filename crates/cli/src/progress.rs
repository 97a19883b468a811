//! Progress on standard error; silent when that is not a terminal.

use deepinside::printable;
use indicatif::{ProgressBar, ProgressStyle};

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
    bar
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
    bar
}

/// Shows a message behind a bar.
pub fn message(bar: &ProgressBar, text: &str) {
    bar.set_message(printable::one_line(text).into_owned());
}

/// Says something beside the results, on one line.
#[expect(clippy::print_stderr, reason = "notes go to standard error, beside the results")]
pub fn note(text: impl std::fmt::Display) {
    eprintln!("{}", printable::one_line(&text.to_string()));
}
