//! What is said when something went wrong: one cause, and where it is.

use std::fmt;
use std::io::IsTerminal as _;

use deepinside::{Place, printable};
use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, miette};

use crate::interruption;

/// Why a command failed, or did not come to its end.
#[derive(Debug)]
pub enum Failure {
    /// The library says why.
    Library(deepinside::Error),
    /// The command line says why.
    Message(String),
    /// Ctrl-C has stopped it; what it kept is said.
    Interrupted(String),
    /// Some of several results failed; each was reported when it happened.
    Some {
        /// How many failed.
        failed: usize,
        /// Of how many.
        of: usize,
    },
}

impl Failure {
    /// The exit code of the program.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Interrupted(_) => interruption::EXIT_CODE,
            _ => 1,
        }
    }

    /// Writes the cause to standard error; where it is about a line of a text file, with that line.
    #[expect(clippy::print_stderr, reason = "this is where errors are printed")]
    pub fn report(&self) {
        let text = self.to_string();
        let text = printable::brief(&text);
        let shown = match self {
            // The parser of such files shows the line that it is about.
            Self::Library(deepinside::Error::ModelFile { .. }) => printable::lines(&text),
            _ => printable::one_line(&text),
        };
        match self {
            Self::Interrupted(_) => eprintln!("{shown}"),
            _ => eprintln!("error: {shown}"),
        }
        if let Self::Library(deepinside::Error::Description { path, place: Some(place), .. }) = self {
            let snippet = snippet(&path.to_string_lossy(), place);
            // A line of a megabyte shows nothing.
            if snippet.len() <= LONGEST_SNIPPET {
                eprint!("{snippet}");
            }
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Library(error) => error.fmt(formatter),
            Self::Message(message) => message.fmt(formatter),
            Self::Interrupted(kept) => write!(formatter, "stopped by Ctrl-C: {kept}"),
            Self::Some { failed, of } => write!(formatter, "{failed} of {of} failed"),
        }
    }
}

/// The longest snippet that is shown, in bytes.
const LONGEST_SNIPPET: usize = 4000;

/// The lines around a place, the place underlined; none where one of them is too long to be shown.
fn snippet(path: &str, place: &Place) -> String {
    let around = place.text.lines().skip(place.line.saturating_sub(2)).take(3);
    if around.map(str::len).max().is_some_and(|longest| longest > LONGEST_SNIPPET) {
        return String::new();
    }
    let source = NamedSource::new(printable::one_line(path), printable::in_place(&place.text));
    let label = LabeledSpan::underline((place.offset, place.length));
    let report = miette!(labels = vec![label], "line {}", place.line).with_source_code(source);
    let mut text = String::new();
    let theme = if std::io::stderr().is_terminal() {
        GraphicalTheme::unicode()
    } else {
        GraphicalTheme::unicode_nocolor()
    };
    let handler = GraphicalReportHandler::new_themed(theme).with_context_lines(1);
    // A snippet that cannot be drawn is left out: the error itself has been told.
    match handler.render_report(&mut text, report.as_ref()) {
        Ok(()) => text,
        Err(fmt::Error) => String::new(),
    }
}

impl<E: Into<deepinside::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Library(error.into())
    }
}

/// The result of a command.
pub type Outcome<T = ()> = std::result::Result<T, Failure>;
