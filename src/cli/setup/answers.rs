//! What can be answered beforehand: as options, and as keys of a file (`--answers`), under the same names.

use crate::cli::format::UsageError;
use anyhow::Context as _;
use clap::{Args, ValueEnum};
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// What a machine is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Listens, stores, shows: with a broker of its own, where no other is named
    #[value(alias = "both")]
    #[serde(alias = "both")]
    All,
    /// Listens, counts, publishes
    Sensor,
    /// Stores what sensors publish
    Ingest,
}

/// Who shall see the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Viewers {
    /// This machine alone
    Local,
    /// Everybody in the local network who knows the password
    Network,
}

/// Each answer that was given; nothing for what is to be asked, or is as it is.
#[derive(Clone, Debug, Default, Args, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answers {
    /// What this machine is to be
    #[arg(long, value_enum)]
    pub role: Option<Role>,
    /// The place, a level of every topic (sensor)
    #[arg(long)]
    pub site: Option<String>,
    /// This sensor's name within the place (sensor)
    #[arg(long, value_name = "NAME")]
    pub sensor: Option<String>,
    /// The card to listen with: an interface, a card, or its address; the spare one where absent (sensor)
    #[arg(long, value_name = "NAME")]
    pub interface: Option<String>,
    /// Count this capture file in place of a card: to try it all without one (sensor)
    #[arg(long, value_name = "FILE", conflicts_with = "interface")]
    pub capture: Option<String>,
    /// What is kept of addresses: plain, pseudonym or vendor (sensor)
    #[arg(long, value_name = "MODE")]
    pub privacy: Option<String>,
    /// This ingest's name (ingest)
    #[arg(long, value_name = "NAME")]
    pub ingest: Option<String>,
    /// Where batches are stored: sqlite, influx-v1 or influx-v2 (ingest)
    #[arg(long, value_name = "KIND")]
    pub store: Option<String>,
    /// The database's address, for influx-v1 and influx-v2 (ingest)
    #[arg(long, value_name = "URL")]
    pub influx_url: Option<String>,
    /// Database (influx-v1) or bucket (influx-v2) (ingest)
    #[arg(long, value_name = "NAME")]
    pub influx_db: Option<String>,
    /// Organisation (influx-v2) (ingest)
    #[arg(long, value_name = "NAME")]
    pub influx_org: Option<String>,
    /// File with the token (influx-v2) (ingest)
    #[arg(long, value_name = "FILE")]
    pub influx_token_file: Option<PathBuf>,
    /// Who shall see the page (ingest)
    #[arg(long, value_enum)]
    pub page: Option<Viewers>,
    /// File with the password that viewers of the page give; its hash is kept (ingest)
    #[arg(long, value_name = "FILE")]
    pub page_password_file: Option<PathBuf>,
    /// The broker, with a port if it is not the usual one; mqtts:// in front is --tls yes, mqtt:// is --tls no
    #[arg(long, value_name = "HOST[:PORT]")]
    pub broker: Option<String>,
    /// Speak TLS with the broker
    #[arg(long, value_name = "YES|NO", num_args = 0..=1, default_missing_value = "true", value_parser = clap::builder::BoolishValueParser::new())]
    pub tls: Option<bool>,
    /// Certificate authority of the broker (PEM), where the system does not know it
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<String>,
    /// User name at the broker
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
    /// File with the password; it is copied to where only root can read it
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
    /// Install mosquitto with apt, where a broker of one's own is wanted and there is none
    #[arg(long, value_name = "YES|NO", num_args = 0..=1, default_missing_value = "true", value_parser = clap::builder::BoolishValueParser::new())]
    pub install_broker: Option<bool>,
}

impl Answers {
    /// These, and those of the file where an option was not given.
    ///
    /// # Errors
    /// When the file cannot be read, is no TOML, or has a key that is none of ours.
    pub fn with(self, file: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        let kept: Self = toml::from_str(&text)
            .map_err(|error| UsageError(format!("{}: {}", file.display(), error.to_string().trim_end())))?;
        if kept.capture.is_some() && kept.interface.is_some() {
            let message = format!("{}: interface and capture do not go together", file.display());
            return Err(UsageError(message).into());
        }
        macro_rules! either {
            ($($name:ident)*) => { Self { $($name: self.$name.or(kept.$name)),* } };
        }
        Ok(
            either!(role site sensor interface capture privacy ingest store influx_url influx_db influx_org influx_token_file
            page page_password_file broker tls ca_file user password_file install_broker),
        )
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_option_wins_over_the_file_and_what_is_unknown_is_refused() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("answers.toml");
        std::fs::write(&file, "role = \"both\"\nsite = \"home\"\nsensor = \"attic\"\ntls = true\npage = \"network\"\n")
            .unwrap();
        let answers = Answers { site: Some("shop".into()), ..Answers::default() }.with(&file).unwrap();
        assert_eq!((answers.site.as_deref(), answers.sensor.as_deref()), (Some("shop"), Some("attic")));
        assert_eq!((answers.role, answers.tls, answers.page), (Some(Role::All), Some(true), Some(Viewers::Network)));
        for wrong in ["sit = \"home\"", "role = \"king\"", "tls = \"maybe\"", "interface = \"a\"\ncapture = \"b\""] {
            std::fs::write(&file, wrong).unwrap();
            let error = Answers::default().with(&file).unwrap_err();
            assert!(error.is::<UsageError>(), "{wrong}: {error}");
        }
    }
}
