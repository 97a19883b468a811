//! The options of a command as data, and back: what `--record` writes down and `replay` gives to the command again.

use std::any::TypeId;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::{Arg, ArgAction, ArgMatches, Command};
use deepinside::{MeanSetting, Target};
use deepinside_jobs::record::{Access, Mention};

use crate::commands::{class_model, model};
use crate::failure::{Failure, Outcome};
use crate::pictures::is_pattern;

/// Says where the record of a run goes.
const RECORD: &str = "record";

/// Say where a run keeps notes of itself, and are no part of its record: a run that is made again keeps none.
const NOTES: [&str; 2] = [RECORD, "details"];

/// Commands whose results are times, which never come out the same.
const TIMED: [&str; 2] = ["bench", "serve"];

/// Where the record of this run is to go.
pub fn record_file(matches: &ArgMatches) -> Option<PathBuf> {
    let (_, leaf) = leaf(matches);
    leaf.try_get_one::<PathBuf>(RECORD).ok().flatten().cloned()
}

/// Every option of a command with its values.
pub type Options = BTreeMap<String, Vec<String>>;

/// The command, and every option with its values; also those that were left at their defaults.
pub fn of(program: &Command, matches: &ArgMatches) -> Outcome<(Vec<String>, Options)> {
    let (names, leaf) = leaf(matches);
    let command = find(program, &names)?;
    let mut options = BTreeMap::new();
    for argument in command.get_arguments().filter(|argument| is_recorded(argument)) {
        let id = argument.get_id().as_str();
        let Ok(Some(values)) = leaf.try_get_raw(id) else { continue };
        let mut texts = Vec::new();
        for value in values {
            let text = value.to_str().ok_or_else(|| {
                Failure::Message(format!(
                    "'{}' is no UTF-8; a run with such a name cannot be recorded",
                    value.to_string_lossy()
                ))
            })?;
            texts.push(text.to_owned());
        }
        options.insert(id.to_owned(), texts);
    }
    Ok((names, options))
}

/// The command line that gives a command these options again. What is as by default is left out: said aloud it could contradict
/// another option.
pub fn command_line(
    program: &Command,
    names: &[String],
    options: &BTreeMap<String, Vec<String>>,
) -> Outcome<Vec<OsString>> {
    let command = find(program, names)?;
    let known = |id: &str| {
        command.get_arguments().any(|argument| is_recorded(argument) && argument.get_id().as_str() == id)
    };
    if let Some(id) = options.keys().find(|id| !known(id)) {
        let name = names.join(" ");
        return Err(Failure::Message(format!("`{name}` has no option '{id}', which the record states")));
    }
    let mut line = vec![OsString::from(program.get_name())];
    line.extend(names.iter().map(OsString::from));
    let mut positional = Vec::new();
    for argument in command.get_arguments().filter(|argument| is_recorded(argument)) {
        let Some(values) = options.get(argument.get_id().as_str()) else { continue };
        let default: Vec<&str> =
            argument.get_default_values().iter().filter_map(|value| value.to_str()).collect();
        let is_flag = matches!(argument.get_action(), ArgAction::SetTrue);
        if *values == default || (is_flag && values.iter().all(|value| value == "false")) {
            continue;
        }
        match argument.get_long() {
            None => positional.extend(values.iter().map(OsString::from)),
            Some(long) if is_flag => line.push(format!("--{long}").into()),
            Some(long) => line.extend(values.iter().map(|value| format!("--{long}={value}").into())),
        }
    }
    if !positional.is_empty() {
        line.push("--".into());
        line.extend(positional);
    }
    Ok(line)
}

/// What the options say of files.
pub fn mentions(program: &Command, names: &[String], options: &Options) -> Outcome<Vec<Mention>> {
    let command = find(program, names)?;
    let mut mentions = Vec::new();
    for argument in command.get_arguments().filter(|argument| is_recorded(argument)) {
        let option = argument.get_id().as_str();
        for value in options.get(option).into_iter().flatten() {
            mentions.push(Mention { option: option.to_owned(), access: access(argument, value) });
        }
    }
    Ok(mentions)
}

/// What a value of an option says of files. An option that is missing here is not run again, unless it is a flag, a choice or a number.
fn access(argument: &Arg, value: &str) -> Access {
    let of_type = argument.get_value_parser().type_id();
    let numbers = [
        TypeId::of::<u16>(),
        TypeId::of::<u32>(),
        TypeId::of::<u64>(),
        TypeId::of::<usize>(),
        TypeId::of::<f32>(),
        TypeId::of::<f64>(),
    ];
    let is_choice = !argument.get_possible_values().is_empty();
    if is_choice || !argument.get_action().takes_values() || numbers.iter().any(|number| of_type == *number) {
        return Access::None;
    }
    match argument.get_id().as_str() {
        "output" | "raw" | "raw_gradient" | "mask" | "markers" | "coco" | "voc" | "frames" | "folder"
        | "out" | "csv" | "markdown" | "html" => Access::Writes(value.into()),
        "array" | "attribution" | "weights" | "start" | "direction" | "invert" | "photograph"
        | "ground_truth" | "pictures" => Access::Reads(value.into()),
        // The files that a pattern finds, and those of a network that has a name, are looked at when they are read.
        "photographs" | "exemplar_photographs" if is_pattern(value) => Access::None,
        "model" | "judge" if model::is_name(Path::new(value)) => Access::None,
        "exemplars" | "exemplar_photographs" | "photographs" | "model" | "judge" => {
            Access::Reads(value.into())
        }
        "labels" if value == deepinside::ILSVRC => Access::None,
        "labels" => Access::Reads(value.into()),
        "mean" => match value.parse() {
            Ok(MeanSetting::File(path)) => Access::Reads(path),
            _ => Access::None,
        },
        // A parameter that is an array, and arrays that a target names.
        "set" | "method_set" if value.ends_with(".npy") || value.starts_with("weights=") => {
            match value.split_once('=') {
                Some((_, path)) => Access::Reads(path.into()),
                None => Access::Unknown,
            }
        }
        "target" => match Target::arrays_in(value).as_deref() {
            Ok([]) => Access::None,
            Ok([only]) => Access::Reads(only.into()),
            _ => Access::Unknown,
        },
        "recipe" if class_model::is_recipe_file(Path::new(value)) => Access::Reads(value.into()),
        "inputs" | "seeds" => match value.split_once('=') {
            Some((_, number)) if number.parse::<f32>().is_ok() => Access::None,
            Some((_, path)) => Access::Reads(path.into()),
            None => Access::Unknown,
        },
        "channel_order" | "class" | "classes" | "colour_map" | "crop" | "crops" | "diversity_layer"
        | "input_size" | "interpolation" | "layer" | "method" | "methods" | "minus" | "preset" | "recipe"
        | "resize" | "scale" | "method_set" | "name" | "score" | "set" | "versus" => Access::None,
        _ => Access::Unknown,
    }
}

/// Whether an argument decides what a run does.
fn is_recorded(argument: &Arg) -> bool {
    let asks = matches!(
        argument.get_action(),
        ArgAction::Help | ArgAction::HelpLong | ArgAction::HelpShort | ArgAction::Version
    );
    !asks && !NOTES.contains(&argument.get_id().as_str())
}

/// The names of command and subcommand, and the matches of the last.
fn leaf(matches: &ArgMatches) -> (Vec<String>, &ArgMatches) {
    let (mut names, mut leaf) = (Vec::new(), matches);
    while let Some((name, inner)) = leaf.subcommand() {
        names.push(name.to_owned());
        leaf = inner;
    }
    (names, leaf)
}

/// A command whose runs can be recorded.
fn find<'a>(program: &'a Command, names: &[String]) -> Outcome<&'a Command> {
    let mut command = program;
    for name in names {
        command = command.find_subcommand(name).ok_or_else(|| {
            Failure::Message(format!("there is no command `{}`, which the record states", names.join(" ")))
        })?;
    }
    if names.first().is_some_and(|name| TIMED.contains(&name.as_str())) {
        return Err(Failure::Message(format!(
            "`{}` has no results that could be made again, so it is not recorded",
            names.join(" ")
        )));
    }
    if !command.get_arguments().any(|argument| argument.get_id() == RECORD) {
        return Err(Failure::Message(format!("runs of `{}` are not recorded", names.join(" "))));
    }
    Ok(command)
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, FromArgMatches as _};

    use super::*;
    use crate::arguments::Arguments;

    /// The options of a command line, and the command line that they make.
    fn round_trip(line: &[&str]) -> (BTreeMap<String, Vec<String>>, Vec<String>) {
        let program = Arguments::command();
        let all = [&["deepinside"], line].concat();
        let matches = program.clone().try_get_matches_from(all).unwrap();
        // Building adds what every command has.
        let mut program = program;
        program.build();
        let (names, options) = of(&program, &matches).unwrap();
        let line = command_line(&program, &names, &options).unwrap();
        let again = Arguments::command().try_get_matches_from(&line).unwrap();
        assert!(Arguments::from_arg_matches(&again).is_ok());
        assert_eq!(of(&program, &again).unwrap(), (names, options.clone()), "{line:?}");
        (options, line.into_iter().map(|word| word.into_string().unwrap()).collect())
    }

    #[test]
    fn options_come_back_with_their_values_and_defaults() {
        let (options, line) =
            round_trip(&["saliency", "a.png", "b c.png", "--ten-crops", "--json", "-o", "out"]);
        assert_eq!(options["photographs"], ["a.png", "b c.png"]);
        assert_eq!((&options["ten_crops"][0], &options["json"][0]), (&"true".to_owned(), &"true".to_owned()));
        // A default that contradicts --ten-crops when it is said aloud.
        assert_eq!(options["recipe"], ["plain"]);
        assert!(!line.iter().any(|word| word.starts_with("--recipe")), "{line:?}");
        assert!(!options.contains_key("record") && !options.contains_key("help"));
    }

    #[test]
    fn lists_negative_numbers_and_dashes_come_back() {
        let (options, _) = round_trip(&[
            "class-model",
            "--layer",
            "conv1",
            "--neuron",
            "1,2,3",
            "--set",
            "jitter=-8",
            "--set=l2=0",
            "--seed",
            "7",
        ]);
        assert_eq!(
            (&options["neuron"][..], &options["seed"][0]),
            (&["1", "2", "3"].map(String::from)[..], &"7".to_owned())
        );
        let (options, _) = round_trip(&["classify", "--mean=-1,0,1", "--", "-strange.png"]);
        assert_eq!(
            (&options["photographs"][0], &options["mean"][0]),
            (&"-strange.png".to_owned(), &"-1,0,1".to_owned())
        );
    }

    /// An option that `access` does not know makes every record that states it one that is not run again.
    #[test]
    fn of_every_option_it_is_known_which_files_it_names() {
        let mut program = Arguments::command();
        program.build();
        let mut commands: Vec<&Command> = vec![&program];
        let mut unknown = Vec::new();
        while let Some(command) = commands.pop() {
            commands.extend(command.get_subcommands());
            if command.get_name() == "bench"
                || command.get_arguments().all(|argument| argument.get_id() != RECORD)
            {
                continue;
            }
            for argument in command.get_arguments().filter(|argument| is_recorded(argument)) {
                // Some options have values in two parts.
                if access(argument, "a=b") == Access::Unknown {
                    unknown.push(format!("{} {}", command.get_name(), argument.get_id()));
                }
            }
        }
        assert!(unknown.is_empty(), "{unknown:?}");
    }

    #[test]
    fn options_say_which_files_they_name() {
        let of = |line: &[&str]| {
            let mut program = Arguments::command();
            program.build();
            let all = [&["deepinside"], line].concat();
            let matches = program.clone().try_get_matches_from(all).unwrap();
            let (names, options) = of(&program, &matches).unwrap();
            let mentions = mentions(&program, &names, &options).unwrap();
            let files = mentions.into_iter().filter_map(|mention| match mention.access {
                Access::None => None,
                Access::Reads(path) => Some(format!("< {}", path.display())),
                Access::Writes(path) => Some(format!("> {}", path.display())),
                Access::Unknown => Some(format!("? {}", mention.option)),
            });
            let mut files: Vec<String> = files.collect();
            files.sort();
            files.join(" ")
        };
        assert_eq!(of(&["classify", "a.png", "b*.png", "-m", "squeezenet-1.1"]), "< a.png");
        assert_eq!(
            of(&["classify", "a.png", "-m", "n.onnx", "--labels", "l", "--mean", "1,2,3"]),
            "< a.png < l < n.onnx"
        );
        let ascent = [
            "class-model",
            "3",
            "-m",
            "a/b",
            "--recipe",
            "r.toml",
            "--mean",
            "m.npy",
            "-o",
            "o",
            "--frames",
            "f",
        ];
        assert_eq!(of(&ascent), "< a/b < m.npy < r.toml > f > o");
        let trace = [
            "trace",
            "-m",
            "n.prototxt",
            "--input",
            "a=b=c",
            "--seed",
            "fc:1=2.5",
            "--seed",
            "fc=s.npy",
            "--out",
            "t",
        ];
        assert_eq!(of(&trace), "< b=c < n.prototxt < s.npy > t");
        let evaluation =
            ["evaluate", "pointing", "--ground-truth", "t", "--csv", "c", "--details", "d", "--html", "h"];
        assert_eq!(of(&evaluation), "< t > c > h");
        assert_eq!(of(&["atlas", "--labels", "ilsvrc2012"]), "> atlas.png");
    }

    #[test]
    fn what_is_not_recorded_is_said() {
        let mut program = Arguments::command();
        program.build();
        let refused = |names: &[&str], options: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            let options = options.iter().map(|id| ((*id).to_owned(), vec!["1".to_owned()])).collect();
            command_line(&program, &names, &options).unwrap_err().to_string()
        };
        assert!(refused(&["bench"], &[]).contains("made again"));
        assert!(refused(&["replay"], &[]).contains("not recorded"));
        assert!(refused(&["saliencies"], &[]).contains("no command"));
        assert!(refused(&["saliency"], &["quantlie"]).contains("quantlie"));
        assert!(refused(&["evaluate", "pointing"], &["details"]).contains("details"));
    }
}
