//! The options of a command as data, and back: what `--record` writes down and `replay` gives to the command again.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Command};

use crate::failure::{Failure, Outcome};

/// Says where the record of a run goes, and is no part of it.
pub const RECORD: &str = "record";

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
    let known = |id: &str| command.get_arguments().any(|argument| argument.get_id().as_str() == id);
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

/// Whether an argument decides what a run does.
fn is_recorded(argument: &Arg) -> bool {
    let asks = matches!(
        argument.get_action(),
        ArgAction::Help | ArgAction::HelpLong | ArgAction::HelpShort | ArgAction::Version
    );
    !asks && argument.get_id() != RECORD
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
    }
}
