//! The command line that does what a request did.

use crate::models::Entry;
use crate::photographs::EXAMPLES;

/// A command line that grows.
pub struct CommandLine(String);

impl CommandLine {
    /// `deepinside COMMAND`, with a photograph where there is one. A photograph that was uploaded has no path here, so it is called
    /// PHOTOGRAPH.
    pub fn new(command: &str, photograph: Option<&str>) -> Self {
        let mut line = Self(format!("deepinside {command}"));
        if let Some(id) = photograph {
            let example = EXAMPLES.iter().find(|example| example.id == id);
            line.word(example.map_or("PHOTOGRAPH", |example| example.file));
        }
        line
    }

    /// Adds a word, in quotation marks where a shell would read it otherwise.
    pub fn word(&mut self, word: &str) {
        let is_plain = |letter: char| {
            letter.is_alphanumeric() || matches!(letter, '.' | '-' | '_' | '/' | '=' | ',' | ':' | '@')
        };
        self.0.push(' ');
        if !word.is_empty() && word.chars().all(is_plain) {
            self.0.push_str(word);
        } else {
            self.0.push_str(&format!("'{}'", word.replace('\'', "'\\''")));
        }
    }

    /// Adds a flag.
    pub fn flag(mut self, name: &str) -> Self {
        self.word(name);
        self
    }

    /// Adds a flag with its value, where there is one.
    pub fn option(mut self, name: &str, value: Option<impl std::fmt::Display>) -> Self {
        if let Some(value) = value {
            self.word(name);
            self.word(&value.to_string());
        }
        self
    }

    /// Adds the model.
    pub fn model(self, entry: &Entry) -> Self {
        self.option("-m", entry.source.flag.as_deref())
    }

    /// The line.
    pub fn finish(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_survive_a_shell() {
        let line = CommandLine::new("classify", Some("example-cat"))
            .option("-m", Some("my net's.onnx"))
            .option("--top", Some(3))
            .option("--crop", None::<&str>)
            .flag("--ten-crops");
        assert_eq!(
            line.finish(),
            r"deepinside classify examples/cat.png -m 'my net'\''s.onnx' --top 3 --ten-crops"
        );
        assert_eq!(CommandLine::new("classify", Some("12ab")).finish(), "deepinside classify PHOTOGRAPH");
    }
}
