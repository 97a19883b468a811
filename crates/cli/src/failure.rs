//! What is said when something went wrong: one cause, and where it is.

use std::fmt;
use std::io::IsTerminal as _;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use deepinside::{Place, printable};

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
    let text = printable::in_place(&place.text);
    let (first, count) = (place.line.saturating_sub(2), 3);
    let lengths: Vec<usize> = text.split_inclusive('\n').take(first + count).map(str::len).collect();
    if lengths.iter().skip(first).any(|&length| length > LONGEST_SNIPPET) {
        return String::new();
    }
    let begin: usize = lengths.iter().take(first).sum();
    let around = &text[begin..lengths.iter().sum()];
    // What the lines do not hold is left out: the error itself has been told.
    let place_begin = place.offset.saturating_sub(begin).min(around.len());
    let place_end = (place_begin + place.length).min(around.len());
    if place.offset < begin || around.get(place_begin..place_end).is_none() {
        return String::new();
    }
    let path = printable::one_line(path);
    let snippet = Snippet::source(around)
        .path(path.as_ref())
        .line_start(first + 1)
        .fold(false)
        .annotation(AnnotationKind::Primary.span(place_begin..place_end));
    let renderer = if std::io::stderr().is_terminal() { Renderer::styled() } else { Renderer::plain() };
    let shown = renderer.render(&[Group::with_level(Level::ERROR).element(snippet)]);
    shown + "\n"
}

impl<E: Into<deepinside::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Library(error.into())
    }
}

/// The result of a command.
pub type Outcome<T = ()> = std::result::Result<T, Failure>;
