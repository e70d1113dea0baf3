//! The program: parse the arguments, call one function, report how it ended.

use std::process::ExitCode;

fn main() -> ExitCode {
    airtally::cli::run(std::env::args_os())
}
