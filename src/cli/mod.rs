//! The command line.
/// Runs.
pub fn run(_: std::env::ArgsOs) -> std::process::ExitCode { std::process::ExitCode::SUCCESS }
