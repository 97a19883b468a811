//! `deepinside serve`.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use deepinside::evaluation::Mistakes;
use deepinside::{Model, Settings};
use deepinside_catalogue::{Catalogue, Found, Store};
use deepinside_server::{
    Limits, ModelSource, Origin, Server, ServerOptions, Trial, free_id, id_of, new_token, open_for_trial,
};

use crate::arguments::{ListenAddress, ServeArguments};
use crate::commands::exemplars::gallery;
use crate::commands::model::{BUILT_IN, is_built_in};
use crate::failure::{Failure, Outcome};
use crate::{output, progress};

/// The port where none is named.
const PORT: u16 = 7878;

pub fn run(arguments: &ServeArguments) -> Outcome {
    let ListenAddress { ip, port } = arguments.address;
    let asked = match (port, arguments.port) {
        (Some(_), Some(_)) => {
            return Err(Failure::Message("--port: the port is part of --address already".to_owned()));
        }
        (port, other) => port.or(other),
    };
    let limits = &arguments.limits;
    let mut models = models(&arguments.models)?;
    if let (Some(folder), Some(first)) = (&arguments.exemplars, models.first_mut()) {
        let model = opened(&first.origin)?;
        first.exemplars = Some(Arc::new(gallery(&model, folder, &arguments.photographs)?));
    }
    if let (Some(details), Some(first)) = (&arguments.confusions, models.first_mut()) {
        let model = opened(&first.origin)?;
        first.mistakes = Some(Arc::new(Mistakes::read(details, &model)?));
    }
    let options = ServerOptions {
        address: SocketAddr::new(ip, asked.unwrap_or(PORT)),
        any_port: asked.is_none(),
        models,
        hosts: arguments.hosts.clone(),
        frame_ancestors: Vec::new(),
        heeds_signals: true,
        token: token(!ip.is_loopback())?,
        allow_model_upload: arguments.allow_model_upload,
        trial: own_trial(),
        threads: arguments.threads,
        limits: Limits {
            upload_bytes: (limits.maximum_upload as usize) << 20,
            pixels: u64::from(limits.maximum_pixels) * 1_000_000,
            uploads_a_minute: limits.uploads_a_minute,
            workers: limits.workers as usize,
            waiting: limits.waiting as usize,
            job_time: Duration::from_secs(u64::from(limits.job_time)),
            ..Limits::default()
        },
    };
    let server = Server::bind(options).map_err(told)?;
    if asked.is_none() && server.address().port() != PORT {
        progress::note(format_args!("note: port {PORT} is taken, so another is used"));
    }
    let url = server.url();
    output::line(&url);
    if arguments.open && !open(&url) {
        progress::note("note: no browser could be started; open the address above yourself");
    }
    server.run().map_err(told)
}

/// A model as the server opens it: exemplars and mistakes are of a network with its choices about pictures.
fn opened(origin: &Origin) -> Outcome<Arc<Model>> {
    let path = match origin {
        Origin::Path(path) => Some(path.as_path()),
        _ => None,
    };
    super::open_named(path, Settings::default())
}

/// The word that tells this program to try a model; no command, so that it stands in no help.
const TRY_MODEL: &str = "--try-uploaded-model";

static MAY_START_ITSELF: AtomicBool = AtomicBool::new(false);

pub fn may_start_itself() {
    MAY_START_ITSELF.store(true, Ordering::Relaxed);
}

/// This program, started to try a model. Inside another program, such as Python, there is none.
fn own_trial() -> Option<Trial> {
    let program = std::env::current_exe().ok().filter(|_| MAY_START_ITSELF.load(Ordering::Relaxed))?;
    Some(Trial { program, arguments: vec![TRY_MODEL.into()] })
}

/// Tries a model where that is asked for: `--try-uploaded-model BYTES SECONDS`, the model on the standard input.
pub fn trial(words: &[OsString]) -> Option<u8> {
    let [_, word, memory, seconds] = words else { return None };
    let number = |word: &OsString| word.to_str()?.parse().ok();
    (word == TRY_MODEL).then_some(())?;
    Some(open_for_trial(number(memory)?, number(seconds)?, |sentence| output::line(sentence)))
}

fn told(error: deepinside_server::ServerError) -> Failure {
    Failure::Message(error.to_string())
}

/// The token that the environment sets, or a new one where one is needed.
fn token(is_needed: bool) -> Outcome<Option<String>> {
    match std::env::var("DEEPINSIDE_TOKEN") {
        Ok(token) if is_strong(&token) => Ok(Some(token)),
        Ok(_) => Err(Failure::Message(
            "DEEPINSIDE_TOKEN: a token is at least 16 letters and digits in no order and without repetition, so that it is \
             not guessed; `openssl rand -hex 16` makes one"
                .to_owned(),
        )),
        Err(_) if is_needed => new_token().map(Some).map_err(told),
        Err(_) => Ok(None),
    }
}

/// Whether a token is long, and no word twice, no row of a keyboard and no counting: most of its letters are new ones, and
/// few follow their neighbour in the alphabet or on a keyboard.
fn is_strong(token: &str) -> bool {
    const ROWS: [&str; 5] = [
        "abcdefghijklmnopqrstuvwxyz",
        "01234567890",
        "qwertyuiopasdfghjklzxcvbnm",
        "qwertzuiopasdfghjklyxcvbnm",
        "azertyuiopqsdfghjklmwxcvbn",
    ];
    let letters: Vec<char> = token.to_ascii_lowercase().chars().collect();
    if letters.len() < 16 || !letters.iter().all(char::is_ascii_alphanumeric) {
        return false;
    }
    let is_row = |pair: &&[char]| {
        let [one, other] = [[pair[0], pair[1]], [pair[1], pair[0]]].map(String::from_iter);
        pair[0] == pair[1] || ROWS.iter().any(|row| row.contains(&one) || row.contains(&other))
    };
    let in_rows = letters.windows(2).filter(is_row).count();
    let different = letters.iter().collect::<std::collections::BTreeSet<_>>().len();
    let repeats =
        (1..=letters.len() / 2).any(|period| letters.iter().zip(&letters[period..]).all(|(a, b)| a == b));
    !repeats && different >= 8 && 2 * in_rows < letters.len()
}

/// Those that were named, the built-in one, and those of the catalogue that are here, in this order, each once.
fn models(named: &[std::path::PathBuf]) -> Outcome<Vec<ModelSource>> {
    let mut models: Vec<ModelSource> = Vec::new();
    let mut add = |id: &str, origin: Origin, flag: Option<String>| {
        if models.iter().any(|known| is_same(&known.origin, &origin)) {
            return;
        }
        let id = free_id(id, |id| models.iter().any(|model| model.id == id));
        models.push(ModelSource { id, origin, flag, exemplars: None, mistakes: None });
    };
    let has_own = cfg!(feature = "builtin-model");
    for path in named {
        if has_own && is_built_in(path) {
            add(BUILT_IN, Origin::BuiltIn, None);
            continue;
        }
        let found = super::model::locate(path)?;
        if !found.exists() {
            return Err(Failure::Message(format!("{}: there is no such file or folder", path.display())));
        }
        add(&id_of(path), Origin::Path(found), Some(path.to_string_lossy().into_owned()));
    }
    if has_own {
        add(BUILT_IN, Origin::BuiltIn, None);
    }
    // A machine without a folder for networks has none of the catalogue.
    if let (Ok(catalogue), Ok(store)) = (Catalogue::built_in(), Store::open()) {
        for entry in &catalogue.networks {
            if let Ok(Found::At(path)) = store.find(&catalogue, &entry.name) {
                add(&entry.name, Origin::Path(path), Some(entry.name.clone()));
            }
        }
        for (name, path) in store.added().unwrap_or_default() {
            add(&name, Origin::Path(path), Some(name.clone()));
        }
    }
    Ok(models)
}

/// Whether two are one network: the same file or folder, by whatever name.
fn is_same(one: &Origin, other: &Origin) -> bool {
    match (one, other) {
        (Origin::BuiltIn, Origin::BuiltIn) => true,
        (Origin::Path(one), Origin::Path(other)) => match (one.canonicalize(), other.canonicalize()) {
            (Ok(one), Ok(other)) => one == other,
            _ => one == other,
        },
        _ => false,
    }
}

/// Starts the browser that this system prefers.
fn open(url: &str) -> bool {
    let (program, before): (&str, &[&str]) = if cfg!(target_os = "macos") {
        ("open", &[])
    } else if cfg!(windows) {
        ("rundll32", &["url.dll,FileProtocolHandler"])
    } else {
        ("xdg-open", &[])
    };
    let null = std::process::Stdio::null;
    let mut command = std::process::Command::new(Path::new(program));
    command.args(before).arg(url).stdin(null()).stdout(null()).stderr(null()).spawn().is_ok()
}

#[cfg(test)]
mod tests {
    use super::is_strong;

    #[test]
    fn weak_tokens_are_told_from_strong_ones() {
        for weak in [
            "",
            "tooshort",
            "aaaaaaaaaaaaaaaa",
            "1234567890123456",
            "abcdefghijklmnop",
            "passwordpassword",
            "deepinsidedeepinside",
            "qwertyuiopasdfghjkl",
            "0123456789abcdef",
            "with spaces in it 1",
            "abababababababab",
        ] {
            assert!(!is_strong(weak), "{weak}");
        }
        for strong in ["9f3c1a7e5b2d8046c1f7a93e", "kT7qLm2XzP9wRb4V", "c0ffee11d00df00dabad1deac0de5eed"] {
            assert!(is_strong(strong), "{strong}");
        }
        // What this program makes by itself is strong.
        for _ in 0..200 {
            assert!(is_strong(&deepinside_server::new_token().unwrap()));
        }
    }
}
