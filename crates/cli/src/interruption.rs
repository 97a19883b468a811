//! Ctrl-C, for commands that keep what they have so far.

use deepinside::Interrupt;

use crate::failure::{Failure, Outcome};

/// The exit code of a program that Ctrl-C has ended, as shells give it: 128 and the signal's number.
pub const EXIT_CODE: u8 = 130;

/// From now on the first Ctrl-C asks the command to come to an end, and a second one ends it at once.
///
/// # Errors
/// When the system does not let signals be handled.
pub fn listen() -> Outcome<Interrupt> {
    let interrupt = Interrupt::default();
    let asked = interrupt.clone();
    let handler = move || {
        if asked.is_asked() {
            std::process::exit(EXIT_CODE.into());
        }
        asked.ask();
    };
    let failed = |error| Failure::Message(format!("Ctrl-C cannot be listened for: {error}"));
    ctrlc::set_handler(handler).map_err(failed)?;
    Ok(interrupt)
}
