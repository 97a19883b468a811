//! The list of known networks.

use serde::Deserialize;

use crate::{CatalogueError, Checksum};

/// The known networks.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalogue {
    /// In the order of the file.
    #[serde(rename = "network")]
    pub networks: Vec<NetworkEntry>,
}

/// A known network.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkEntry {
    /// What it is asked for by.
    pub name: String,
    /// What it is called.
    pub title: String,
    /// What it does, as "image classification".
    pub task: String,
    /// "caffe" or "onnx".
    pub format: String,
    /// What may be done with it.
    pub licence: String,
    /// Where it is described.
    pub page: String,
    /// What else is to say.
    #[serde(default)]
    pub notes: String,
    /// Its files.
    pub files: Vec<FileEntry>,
    /// What is written as `model.toml` beside them.
    pub model: toml::Table,
}

/// A file of a network.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// Under which name it is kept.
    pub name: String,
    /// Where it is published, the first choice first; empty where only a person can fetch it.
    #[serde(default)]
    pub urls: Vec<String>,
    /// Its size in bytes.
    pub size: Option<u64>,
    /// Its SHA-256 in hexadecimal digits.
    pub sha256: Option<String>,
    /// Its SHA-1 in hexadecimal digits: what the Caffe model zoo publishes.
    pub sha1: Option<String>,
    /// What is taken out of it, where it is an archive; only that is kept.
    #[serde(default)]
    pub members: Vec<Member>,
}

/// A file inside a `.tar.gz`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// Its path inside.
    pub path: String,
    /// Under which name it is kept.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its SHA-256 in hexadecimal digits.
    pub sha256: String,
}

impl Catalogue {
    /// The catalogue inside the program.
    ///
    /// # Errors
    /// Never, since a test reads it; the parser's error otherwise.
    pub fn built_in() -> Result<Self, CatalogueError> {
        Self::parse(include_str!("../catalogue.toml"))
    }

    /// Reads a catalogue.
    ///
    /// # Errors
    /// When the text is none.
    pub fn parse(text: &str) -> Result<Self, CatalogueError> {
        toml::from_str(text).map_err(|error| CatalogueError::Format {
            what: "the catalogue".to_owned(),
            cause: error.to_string().trim().to_owned(),
        })
    }

    /// The network of that name.
    pub fn find(&self, name: &str) -> Option<&NetworkEntry> {
        self.networks.iter().find(|entry| entry.name == name)
    }

    /// The network of that name.
    ///
    /// # Errors
    /// When there is none; names the most similar one.
    pub fn get(&self, name: &str) -> Result<&NetworkEntry, CatalogueError> {
        self.find(name).ok_or_else(|| {
            let distance = |entry: &&NetworkEntry| strsim::damerau_levenshtein(&entry.name, name);
            let nearest = self.networks.iter().min_by_key(distance);
            let nearest = nearest.filter(|entry| distance(entry) <= 1 + entry.name.len() / 3);
            CatalogueError::Unknown {
                name: name.to_owned(),
                nearest: nearest.map(|entry| entry.name.clone()),
            }
        })
    }
}

impl FileEntry {
    /// The strongest checksum that is known.
    pub fn checksum(&self) -> Option<Checksum> {
        let sha256 = self.sha256.clone().map(Checksum::Sha256);
        sha256.or_else(|| self.sha1.clone().map(Checksum::Sha1))
    }

    /// What is kept of it: itself, or what is taken out of it; name, size and checksum.
    pub fn kept(&self) -> Vec<(String, Option<u64>, Option<Checksum>)> {
        if self.members.is_empty() {
            return vec![(self.name.clone(), self.size, self.checksum())];
        }
        let member = |member: &Member| {
            let checksum = Checksum::Sha256(member.sha256.clone());
            (member.name.clone(), Some(member.size), Some(checksum))
        };
        self.members.iter().map(member).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_built_in_catalogue_is_complete() {
        let catalogue = Catalogue::built_in().unwrap();
        assert!(catalogue.networks.len() >= 18);
        let names: HashSet<&str> = catalogue.networks.iter().map(|entry| entry.name.as_str()).collect();
        assert_eq!(names.len(), catalogue.networks.len());
        for entry in &catalogue.networks {
            let name = &entry.name;
            assert!(matches!(entry.format.as_str(), "caffe" | "onnx"), "{name}");
            assert!(!entry.licence.is_empty() && entry.page.starts_with("https://"), "{name}");
            assert!(entry.model.contains_key("network") && entry.model.contains_key("input"), "{name}");
            let kept: Vec<String> =
                entry.files.iter().flat_map(FileEntry::kept).map(|(file, ..)| file).collect();
            for key in ["network", "weights"] {
                let file = entry.model.get(key).and_then(|value| value.as_str());
                assert!(
                    file.is_none_or(|file| kept.iter().any(|own| own == file)),
                    "{name}: {key} is no file of it"
                );
            }
            for file in &entry.files {
                assert!(file.sha256.as_ref().is_none_or(|digits| hexadecimal(digits, 64)), "{name}");
                assert!(file.sha1.as_ref().is_none_or(|digits| hexadecimal(digits, 40)), "{name}");
                assert!(file.members.iter().all(|member| hexadecimal(&member.sha256, 64)), "{name}");
            }
        }
    }

    fn hexadecimal(digits: &str, length: usize) -> bool {
        digits.len() == length && digits.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
    }

    #[test]
    fn a_misspelt_name_is_guessed() {
        let catalogue = Catalogue::built_in().unwrap();
        let message = catalogue.get("cafenet").unwrap_err().to_string();
        assert!(message.contains("did you mean caffenet?"), "{message}");
        assert!(!catalogue.get("zzzzzzzzzz").unwrap_err().to_string().contains("did you mean"));
    }
}
