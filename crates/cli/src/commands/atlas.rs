//! `deepinside atlas`.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Instant;

use deepinside::class_model::{Objective, Recipe, Wish, ascend, faintness, picture};
use deepinside::drawing::Picture;
use deepinside::drawing::contact_sheet::ContactSheet;
use deepinside::drawing::figure::Panel;
use deepinside::drawing::picture::WHITE;
use deepinside::files::whole_file;
use deepinside::vision::{Colour, photograph};
use deepinside::{Model, Threads};
use serde::Serialize;
use serde_json::Value;

use super::class_model::{message, recipe};
use crate::arguments::AtlasArguments;
use crate::failure::{Failure, Outcome};
use crate::{interruption, output, progress, record};

/// Where a folder of tiles says what they were made with.
const SETTINGS_FILE: &str = "atlas.json";

/// The longest of them that is read, in bytes: a recipe and some names.
const LONGEST_SETTINGS: u64 = 16 << 20;

#[derive(Serialize)]
struct Result<'a> {
    classes: &'a [usize],
    recipe: &'a str,
    seed: u64,
    /// Classes whose pictures are one colour.
    constant: Vec<usize>,
    /// Classes whose pictures are nearly one colour.
    faint: Vec<usize>,
    folder: String,
    output: String,
    seconds: f64,
}

/// Everything that decides what the tiles of a folder look like.
#[derive(Serialize)]
struct Settings<'a> {
    deepinside: &'a str,
    instructions: &'a str,
    model: &'a str,
    /// SHA-256 by file name, of the model's files.
    files: BTreeMap<String, String>,
    choices: BTreeMap<&'a str, &'a str>,
    recipe: &'a Recipe,
    seed: u64,
    batch: usize,
    /// Which classes share passes, where any do.
    #[serde(skip_serializing_if = "Option::is_none")]
    classes: Option<&'a [usize]>,
}

pub fn run(arguments: &AtlasArguments) -> Outcome {
    let start = Instant::now();
    if arguments.batch == 0 {
        return Err(Failure::Message("--batch: at least 1 is needed".to_owned()));
    }
    let recipe = recipe(&arguments.recipe)?;
    let model = super::open(&arguments.model, recipe.name == "original")?;
    let classes = match &arguments.classes {
        Some(list) => classes(&model, list)?,
        None => (0..model.score.classes).collect(),
    };
    output::expect_ending(&arguments.output, &["png"])?;
    output::expect_places([arguments.output.as_path()])?;
    // A sheet that cannot be drawn is refused before hours of work, not after.
    let [height, width] = [model.transformer.height, model.transformer.width];
    let blank = Panel::new("", Picture::filled(width, height, WHITE)?);
    sheet_of(vec![blank; classes.len()], arguments).render()?;
    let threads = Threads::new(arguments.run.threads)?;
    let folder = arguments.folder.clone().unwrap_or_else(|| {
        arguments.output.with_file_name(format!("{}-tiles", output::stem(&arguments.output)))
    });
    output::make_folder(&folder)?;
    let settings = Settings {
        deepinside: env!("CARGO_PKG_VERSION"),
        instructions: deepinside::Instructions::default().name(),
        model: &model.name,
        files: super::hashes(&model)?,
        choices: model.assumptions.iter().map(|choice| (choice.what, &choice.value[..])).collect(),
        recipe: &recipe,
        seed: arguments.seed,
        batch: arguments.batch,
        classes: (arguments.batch > 1).then_some(&classes[..]),
    };
    claim(&folder, &settings)?;

    let tiles: Vec<PathBuf> = classes.iter().map(|class| folder.join(format!("{class:04}.png"))).collect();
    let mut done = Vec::new();
    for tile in &tiles {
        // A replay makes everything again.
        let is_there = !record::is_replay() && record::place(tile)?.is_file();
        let is_whole = is_there && photograph::load(record::place(tile)?, Colour::Rgb).is_ok();
        if is_there && !is_whole {
            progress::note(format_args!("note: {} is no whole picture and is made again", tile.display()));
        }
        done.push(is_whole);
    }
    let open = done.iter().filter(|done| !**done).count();
    if open < tiles.len() {
        progress::note(format_args!(
            "note: {} of {} pictures are in {} already",
            tiles.len() - open,
            tiles.len(),
            folder.display()
        ));
    }
    let bar = progress::bar(open, "atlas");
    let interrupt = interruption::listen()?;
    // Groups stay as they are when an atlas goes on: how many share a pass may touch the last bits.
    for start in (0..tiles.len()).step_by(arguments.batch) {
        let group = start..tiles.len().min(start + arguments.batch);
        if done[group.clone()].iter().all(|&done| done) {
            continue;
        }
        let wishes: Vec<Wish> = classes[group.clone()]
            .iter()
            .map(|&class| Wish { objective: Objective::Class(class), seed: arguments.seed })
            .collect();
        let first = model.class_name(classes[start]);
        let made = ascend(&model, &wishes, &recipe, None, &threads, |_, progress| {
            let text = format!("{}: {}", first.split(',').next().unwrap_or(&first), message(progress));
            progress::message(&bar, &text);
            if interrupt.is_asked() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        // A tile that stopped on its way would be taken for a finished one.
        if interrupt.is_asked() {
            bar.finish_and_clear();
            return Err(Failure::Interrupted(format!(
                "{} of {} pictures are in {}, and the same command goes on from there",
                tiles.len() - open + bar.position() as usize,
                tiles.len(),
                folder.display()
            )));
        }
        for (at, made) in group.zip(&made) {
            if !done[at] {
                for note in &made.notes {
                    progress::note(format_args!("note: class {}: {note}", classes[at]));
                }
                output::png(&tiles[at], &picture(&model, &made.image, recipe.display)?)?;
                bar.inc(1);
            }
        }
    }
    bar.finish_and_clear();
    let [constant, faint] = sheet(&model, &classes, &tiles, arguments)?;
    if !arguments.run.json {
        output::line(arguments.output.display());
        return Ok(());
    }
    output::json(&Result {
        classes: &classes,
        recipe: &recipe.name,
        seed: arguments.seed,
        constant,
        faint,
        folder: folder.to_string_lossy().into_owned(),
        output: arguments.output.to_string_lossy().into_owned(),
        seconds: start.elapsed().as_secs_f64(),
    })
}

/// Makes the sheet of all tiles; returns the classes whose tiles are one colour, and those whose are nearly.
fn sheet(
    model: &Model,
    classes: &[usize],
    tiles: &[PathBuf],
    arguments: &AtlasArguments,
) -> Outcome<[Vec<usize>; 2]> {
    let mut panels = Vec::new();
    let (mut constant, mut faint) = (Vec::new(), Vec::new());
    for (&class, tile) in classes.iter().zip(tiles) {
        let picture = Picture::from_photograph(&photograph::load(record::place(tile)?, Colour::Rgb)?)?;
        if let Some(what) = faintness(&picture) {
            if picture.is_one_colour() {
                constant.push(class)
            } else {
                faint.push(class)
            }
            progress::note(format_args!("note: class {class}: {what}"));
        }
        record::output(tile)?;
        let name = model.class_name(class);
        let name = name.split(',').next().unwrap_or(&name);
        panels.push(Panel::new(format!("{class} {name}"), picture));
    }
    output::png(&arguments.output, &sheet_of(panels, arguments).render()?)?;
    Ok([constant, faint])
}

fn sheet_of(panels: Vec<Panel>, arguments: &AtlasArguments) -> ContactSheet {
    ContactSheet { columns: arguments.columns, cell_size: arguments.cell_size, ..ContactSheet::new(panels) }
}

/// The classes of a list such as `0-99,151,goose`, in its order, each once.
pub fn classes(model: &Model, list: &str) -> Outcome<Vec<usize>> {
    let mut classes = Vec::new();
    for part in list.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let range = part.split_once('-').and_then(|(first, last)| {
            Some((first.trim().parse::<usize>().ok()?, last.trim().parse::<usize>().ok()?))
        });
        match range {
            Some((first, last)) if first <= last => {
                // Both ends are checked before a range of any length is written out.
                model.class(&last.to_string())?;
                classes.extend(first..=last);
            }
            Some((first, last)) => {
                return Err(Failure::Message(format!(
                    "--classes {part}: a range goes from the smaller to the larger; did you mean {last}-{first}?"
                )));
            }
            None => classes.push(model.class(part)?),
        }
    }
    let mut seen = vec![false; model.score.classes];
    classes.retain(|&class| !std::mem::replace(&mut seen[class], true));
    if classes.is_empty() {
        return Err(Failure::Message("--classes names no class".to_owned()));
    }
    Ok(classes)
}

/// Makes sure that a folder holds tiles of these settings and no others: writes the settings down in a new one, compares them
/// with those of one that is there.
fn claim(folder: &Path, settings: &Settings<'_>) -> Outcome {
    let written = |error| Failure::Message(format!("cannot write JSON: {error}"));
    let text = serde_json::to_string_pretty(settings).map_err(written)?;
    let path = folder.join(SETTINGS_FILE);
    if record::is_replay() || !path.exists() {
        let holds_tiles = || {
            std::fs::read_dir(folder)
                .is_ok_and(|mut entries| entries.any(|entry| entry.is_ok_and(|entry| is_tile(&entry.path()))))
        };
        if !record::is_replay() && holds_tiles() {
            return Err(Failure::Message(format!(
                "{} holds pictures, and no {SETTINGS_FILE} that says how they were made; give another --folder",
                folder.display()
            )));
        }
        return output::whole_file(&path, format!("{text}\n").as_bytes());
    }
    let found = whole_file::read_text(&path, LONGEST_SETTINGS).map_err(deepinside::Error::from)?;
    let found: Value = serde_json::from_str(&found)
        .map_err(|error| Failure::Message(format!("{}: {error}", path.display())))?;
    let expected: Value = serde_json::from_str(&text).map_err(written)?;
    let mut differences = Vec::new();
    differing("", &found, &expected, &mut differences);
    if differences.is_empty() {
        return record::output(&path);
    }
    Err(Failure::Message(format!(
        "the pictures in {} were made with other settings: {}; give another --folder, or remove this one",
        folder.display(),
        differences.join("; ")
    )))
}

/// Whether a file is called as tiles are.
fn is_tile(path: &Path) -> bool {
    let is_png = path.extension().is_some_and(|extension| extension == "png");
    is_png
        && path
            .file_stem()
            .is_some_and(|stem| stem.to_string_lossy().bytes().all(|byte| byte.is_ascii_digit()))
}

/// The members in which two values differ, as "recipe.iterations is 10, now 20".
fn differing(name: &str, found: &Value, expected: &Value, differences: &mut Vec<String>) {
    if found == expected {
        return;
    }
    let (Value::Object(before), Value::Object(now)) = (found, expected) else {
        let said = |value: &Value| if value.is_null() { "not said".to_owned() } else { value.to_string() };
        differences.push(format!("{name} was {}, now {}", said(found), said(expected)));
        return;
    };
    let mut members: Vec<&String> = before.keys().chain(now.keys()).collect();
    members.sort_unstable();
    members.dedup();
    for member in members {
        let name = if name.is_empty() { member.clone() } else { format!("{name}.{member}") };
        let of = |object: &serde_json::Map<String, Value>| object.get(member).cloned().unwrap_or_default();
        differing(&name, &of(before), &of(now), differences);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_name_the_member() {
        let (mut differences, json) = (Vec::new(), |text| serde_json::from_str::<Value>(text).unwrap());
        let before = json(r#"{"a": {"b": 1, "c": 2}, "d": 3}"#);
        let now = json(r#"{"a": {"b": 1, "c": 4}, "e": 3}"#);
        differing("", &before, &now, &mut differences);
        assert_eq!(differences, ["a.c was 2, now 4", "d was 3, now not said", "e was not said, now 3"]);
        differences.clear();
        differing("", &now, &now, &mut differences);
        assert!(differences.is_empty());
    }

    #[test]
    fn tiles_are_numbered() {
        assert!(is_tile(Path::new("a/0007.png")) && is_tile(Path::new("1234.png")));
        assert!(!is_tile(Path::new("0007.npy")) && !is_tile(Path::new("atlas.png")));
    }
}
