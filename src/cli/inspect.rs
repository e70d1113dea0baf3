//! `airtally inspect`.
/// Inspects.
#[derive(Debug, clap::Args)]
pub struct InspectArgs {}
/// Runs.
pub fn run(_: InspectArgs) -> anyhow::Result<()> {
    Ok(())
}
