//! The command line as a whole.

use super::*;

/// `report --score` was a switch of its own and the network's value, of which a release build takes the first in silence.
#[test]
fn no_flag_has_two_meanings() {
    fn look(command: &clap::Command, path: &str, found: &mut Vec<String>) {
        let mut names: Vec<&str> = command
            .get_arguments()
            .flat_map(|argument| argument.get_long_and_visible_aliases().unwrap_or_default())
            .collect();
        names.sort_unstable();
        let twice = names.windows(2).filter(|pair| pair[0] == pair[1]);
        found.extend(twice.map(|pair| format!("{path} --{}", pair[0])));
        for own in command.get_subcommands() {
            look(own, &format!("{path} {}", own.get_name()), found);
        }
    }
    let mut program = program();
    program.build();
    let mut found = Vec::new();
    look(&program, "deepinside", &mut found);
    assert_eq!(found, Vec::<String>::new());
}
