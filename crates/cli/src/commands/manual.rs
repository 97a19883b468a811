//! `deepinside completions` and `deepinside manual`.

use std::path::Path;

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::arguments::Arguments;
use crate::failure::{Failure, Outcome};
use crate::output;

/// Prints completions for a shell.
pub fn completions(shell: Shell) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "deepinside", &mut script);
    output::text(&String::from_utf8_lossy(&script));
    Ok(())
}

/// Writes one manual page per command.
pub fn pages(folder: &Path) -> Outcome {
    output::make_folder(folder)?;
    clap_mangen::generate_to(Arguments::command(), folder).map_err(|error| {
        Failure::Message(format!("{}: cannot write manual pages: {error}", folder.display()))
    })
}
