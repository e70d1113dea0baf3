//! `airtally radio`: what cards there are, and what they can do.

mod list;
mod plan;
mod test;

use clap::{Args, Subcommand};

/// Looks at wireless cards: what there is, what the sensor would do with it, whether it hears
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  airtally radio list
  airtally radio plan --channels 1,6,11
  sudo airtally radio test")]
pub struct RadioArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    List(list::ListArgs),
    Plan(plan::PlanArgs),
    Test(test::TestArgs),
}

/// Runs the command.
pub fn run(arguments: &RadioArgs) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        match &arguments.command {
            Command::List(arguments) => list::run(arguments).await,
            Command::Plan(arguments) => plan::run(arguments).await,
            Command::Test(arguments) => test::run(arguments).await,
        }
    })
}
