//! Why a network is not here.

use std::path::PathBuf;

use thiserror::Error;

/// Why a network could not be found, fetched or checked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CatalogueError {
    /// No network of that name is known.
    #[error("no network is called '{name}'{} (`deepinside model list` names all)", did_you_mean(.nearest))]
    Unknown {
        /// The name asked for.
        name: String,
        /// The network with the most similar name.
        nearest: Option<String>,
    },
    /// A network of the catalogue that is not on this machine.
    #[error("'{name}' is not on this machine yet; fetch it with `deepinside model pull {name}`")]
    Absent {
        /// Its name.
        name: String,
    },
    /// A network of the catalogue of which not all files are on this machine.
    #[error(
        "'{name}' is on this machine in part: {}: {problem}; `deepinside model pull {name}` fetches what is missing",
        path.display()
    )]
    Incomplete {
        /// Its name.
        name: String,
        /// A file that is missing or of another size.
        path: PathBuf,
        /// Which of both.
        problem: String,
    },
    /// A file that no program can fetch.
    #[error("'{file}' is published where only a person can fetch it ({page}); put it into {}", folder.display())]
    ByHand {
        /// The file.
        file: String,
        /// The page that it is published on.
        page: String,
        /// The folder that it belongs to.
        folder: PathBuf,
    },
    /// A file or folder of this machine could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// Nothing could be fetched.
    #[error("{url}: {cause}; what has arrived is kept, and the same command goes on from there")]
    Network {
        /// The address.
        url: String,
        /// Why not.
        cause: String,
    },
    /// The file that arrived is not the one that was published.
    #[error(
        "{url}: this is not the published file: its {what} is {found} instead of {expected}; it was deleted"
    )]
    Mismatch {
        /// The address.
        url: String,
        /// What differs: "size" or the name of a checksum.
        what: &'static str,
        /// What it should be.
        expected: String,
        /// What it is.
        found: String,
    },
    /// A file on this machine is not the one that was published.
    #[error("{}: its {what} is {found} instead of {expected}; delete it and pull it again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What differs: "size" or the name of a checksum.
        what: &'static str,
        /// What it should be.
        expected: String,
        /// What it is.
        found: String,
    },
    /// Another program is fetching the same network.
    #[error("another program is fetching this network; if none is, delete {}", lock.display())]
    Locked {
        /// The file that says so.
        lock: PathBuf,
    },
    /// An archive does not hold what it should.
    #[error("{}: {what}", path.display())]
    Archive {
        /// The archive.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// A name that cannot be the name of a folder.
    #[error("'{name}' cannot name a network: use letters, digits, dots, dashes and underscores")]
    Name {
        /// The name.
        name: String,
    },
    /// The name is taken.
    #[error("'{name}' is a network already; give another name with --name")]
    Taken {
        /// The name.
        name: String,
    },
    /// A file of the store or the catalogue cannot be understood.
    #[error("{what}: {cause}")]
    Format {
        /// The file.
        what: String,
        /// What is wrong with it.
        cause: String,
    },
}

fn did_you_mean(nearest: &Option<String>) -> String {
    nearest.as_ref().map_or_else(String::new, |name| format!("; did you mean {name}?"))
}
