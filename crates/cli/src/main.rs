//! The program `deepinside`.

use std::process::ExitCode;

fn main() -> ExitCode {
    deepinside_cli::may_start_itself();
    deepinside_cli::main(std::env::args_os()).into()
}
