//! `deepinside model`.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use deepinside_catalogue::{Catalogue, CatalogueError, Found, NetworkEntry, Progress, Removed, State, Store};
use indicatif::ProgressBar;
use serde::Serialize;

use crate::arguments::ModelCommand;
use crate::failure::{Failure, Outcome};
use crate::{output, progress};

/// What `-m` takes for the network that is part of the program.
pub const BUILT_IN: &str = "built-in";

#[derive(Serialize)]
struct Listed<'a> {
    name: &'a str,
    title: &'a str,
    format: &'a str,
    licence: &'a str,
    state: &'static str,
    path: Option<String>,
}

pub fn run(command: &ModelCommand) -> Outcome {
    let (catalogue, store) = (Catalogue::built_in().map_err(told)?, Store::open().map_err(told)?);
    match command {
        ModelCommand::List { json } => list(&catalogue, &store, *json),
        ModelCommand::Info { name } | ModelCommand::Pull { name } | ModelCommand::Remove { name }
            if name == BUILT_IN =>
        {
            Err(Failure::Message(format!(
                "'{BUILT_IN}' is part of the program: there is nothing to fetch or to remove, and `deepinside info` describes it"
            )))
        }
        ModelCommand::Info { name } => info(catalogue.get(name).map_err(told)?, &store),
        ModelCommand::Pull { name } => {
            let folder = store.pull(catalogue.get(name).map_err(told)?, &mut Bar::default()).map_err(told)?;
            output::line(folder.display());
            Ok(())
        }
        ModelCommand::Add { path, name } => {
            let name = match name {
                Some(name) => name.clone(),
                None => output::stem(path),
            };
            if name == BUILT_IN {
                return Err(told(CatalogueError::Taken { name }));
            }
            store.add(&catalogue, path, &name).map_err(told)?;
            output::line(format_args!("{name}: use it with -m {name}"));
            Ok(())
        }
        ModelCommand::Remove { name } => {
            match store.remove(&catalogue, name).map_err(told)? {
                Removed::Name(path) => output::line(format_args!(
                    "{name}: the name is forgotten; the network lies at {} as before",
                    path.display()
                )),
                Removed::Files { folder, bytes } => output::line(format_args!(
                    "{name}: {:.1} MB removed from {}",
                    bytes as f64 / 1e6,
                    folder.display()
                )),
            }
            Ok(())
        }
        ModelCommand::Verify { names } => verify(&catalogue, &store, names),
    }
}

fn told(error: CatalogueError) -> Failure {
    Failure::Message(error.to_string())
}

fn state(state: State) -> &'static str {
    match state {
        State::Present => "here",
        State::Partial => "in part",
        State::Absent => "-",
    }
}

fn list(catalogue: &Catalogue, store: &Store, json: bool) -> Outcome {
    let added = store.added().map_err(told)?;
    let mut rows = Vec::new();
    if cfg!(feature = "builtin-model") {
        rows.push(Listed {
            name: BUILT_IN,
            title: "EfficientNet-Lite0, the default: part of the program",
            format: "onnx",
            licence: "Apache-2.0",
            state: "here",
            path: None,
        });
    }
    rows.extend(catalogue.networks.iter().map(|entry| Listed {
        name: &entry.name,
        title: &entry.title,
        format: &entry.format,
        licence: &entry.licence,
        state: state(store.state(entry)),
        path: Some(store.folder_of(&entry.name).display().to_string()),
    }));
    rows.extend(added.iter().map(|(name, path)| Listed {
        name,
        title: "",
        format: "",
        licence: "",
        state: "added",
        path: Some(path.display().to_string()),
    }));
    if json {
        return rows.iter().try_for_each(output::json);
    }
    let line = |[name, state, form, title]: [&str; 4]| {
        output::line(format!("{name:<24} {state:<8} {form:<6} {title}").trim_end());
    };
    line(["name", "state", "form", "network"]);
    for row in &rows {
        let path = row.path.as_deref().filter(|_| row.state == "added").unwrap_or_default();
        line([row.name, row.state, row.format, &format!("{}{path}", row.title)]);
    }
    output::line(
        "\nhere, or in part: on this machine; -: `deepinside model pull NAME` fetches it; added: a network of your own",
    );
    Ok(())
}

fn info(entry: &NetworkEntry, store: &Store) -> Outcome {
    output::line(format_args!("{} ({}), {}", entry.title, entry.format, entry.task));
    output::line(format_args!("licence  {}", entry.licence));
    output::line(format_args!("page     {}", entry.page));
    output::line(format_args!(
        "folder   {} ({})",
        store.folder_of(&entry.name).display(),
        state(store.state(entry))
    ));
    if !entry.notes.is_empty() {
        output::line(format_args!("notes    {}", entry.notes));
    }
    for file in &entry.files {
        let checksum = match (&file.sha256, &file.sha1) {
            (Some(digits), _) => format!("SHA-256 {digits}"),
            (None, Some(digits)) => format!("SHA-1 {digits}"),
            (None, None) => "no checksum is published".to_owned(),
        };
        output::line(format_args!("file     {} ({checksum})", file.name));
        for url in &file.urls {
            output::line(format_args!("         {url}"));
        }
    }
    output::line("");
    // Tables come last in the catalogue's own text, so that this is how model.toml looks.
    output::text(&entry.model.to_string());
    Ok(())
}

/// Checks networks that are here; all of them where none is named.
fn verify(catalogue: &Catalogue, store: &Store, names: &[String]) -> Outcome {
    let entries: Vec<&NetworkEntry> = if names.is_empty() {
        catalogue.networks.iter().filter(|entry| store.state(entry) != State::Absent).collect()
    } else {
        names.iter().map(|name| catalogue.get(name).map_err(told)).collect::<Outcome<_>>()?
    };
    if entries.is_empty() {
        return Err(Failure::Message("no network of the catalogue is on this machine".to_owned()));
    }
    let (mut failed, of) = (0, entries.len());
    for entry in entries {
        match store.verify(entry) {
            Ok(unknown) => {
                output::line(format_args!("{}: as published", entry.name));
                for (file, sha256) in unknown {
                    output::line(format_args!(
                        "  {file}: no checksum was published; its SHA-256 is {sha256}"
                    ));
                }
            }
            Err(error) => {
                failed += 1;
                progress::note(format_args!("error: {}: {error}", entry.name));
            }
        }
    }
    if failed > 0 { Err(Failure::Some { failed, of }) } else { Ok(()) }
}

/// Whether a name stands for the network that is part of the program. A file or folder of that name comes first.
pub fn is_built_in(path: &Path) -> bool {
    path == Path::new(BUILT_IN) && !path.exists()
}

/// Where the model is that a person means: a file or folder, or a network of the catalogue or their own by its name.
pub fn locate(path: &Path) -> Outcome<PathBuf> {
    if path.exists() || !is_name(path) {
        return Ok(path.to_owned());
    }
    let name = path.to_string_lossy();
    let catalogue = Catalogue::built_in().map_err(told)?;
    let found = Store::open().and_then(|store| store.find(&catalogue, &name)).map_err(told)?;
    match found {
        Found::At(path) => Ok(path),
        Found::Absent => Err(told(CatalogueError::Absent { name: name.into_owned() })),
        Found::Partial { path, problem } => {
            Err(told(CatalogueError::Incomplete { name: name.into_owned(), path, problem }))
        }
        Found::Unknown => {
            let cause = catalogue.get(&name).err().map(|error| error.to_string()).unwrap_or_default();
            Err(Failure::Message(format!("{name}: there is no such file or folder, and {cause}")))
        }
    }
}

/// Whether a path can be the name of a known network.
pub fn is_name(path: &Path) -> bool {
    let is_network = |extension: &OsStr| ["onnx", "prototxt", "toml"].iter().any(|known| extension == *known);
    path.components().count() == 1 && !path.extension().is_some_and(is_network)
}

/// A bar for each file.
#[derive(Default)]
struct Bar {
    bar: Option<ProgressBar>,
}

impl Progress for Bar {
    fn begins(&mut self, file: &str, size: Option<u64>, here: u64) {
        let bar = progress::bytes(size, file);
        bar.set_position(here);
        self.bar = Some(bar);
    }

    fn advances(&mut self, bytes: u64) {
        if let Some(bar) = &self.bar {
            bar.inc(bytes);
        }
    }

    fn ends(&mut self, file: &str, sha256: Option<&str>) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        if let Some(sha256) = sha256 {
            progress::note(format_args!(
                "warning: no checksum was published of {file}; the SHA-256 of what arrived is {sha256}"
            ));
        }
    }
}
