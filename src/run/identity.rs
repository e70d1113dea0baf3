//! Which run this is: the identity that makes `(sensor, run, seq, part)` unique for ever, and that makes a file
//! replayed again overwrite what its first replay stored.

use crate::{
    Mac,
    alert::{self, Networks},
    config::{Flows, People, Sensor},
    tally::settings::{Privacy, PrivacyMac, Tracking, Window},
    wire::BATCH_SCHEMA,
};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use std::{
    fs::File,
    io::{self, Read as _},
    path::Path,
};
use uuid::Uuid;

/// Namespace of the version 5 UUIDs (RFC 9562, 5.5) of file runs. It must never change.
const NAMESPACE: Uuid = Uuid::from_u128(0x6f2c_3a8e_91d4_5b07_a1c6_2e5d_7f80_9b43);

/// The number of the rules by which frames are counted: classes, roles, names, times, everything that is in a batch. It
/// goes up with each change to them that a user can notice, so that a file replayed after an upgrade is a new run.
pub const COUNTING_RULES: u32 = 4;

/// SHA-256 of a file's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentHash([u8; 32]);

impl ContentHash {
    /// Hashes the file at `path`.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn of_file(path: &Path) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let mut hash = Sha256::new();
        let mut buffer = vec![0; 1 << 18];
        loop {
            match file.read(&mut buffer)? {
                0 => return Ok(Self(hash.finalize().into())),
                read => hash.update(buffer.get(..read).unwrap_or_default()),
            }
        }
    }
}

/// A run that will never be again: an interface's or standard input's.
#[must_use]
pub fn fresh() -> Uuid {
    Uuid::new_v4()
}

/// Whether the same content gives the same batches again: with pseudonyms it does not, because no key outlives its
/// rotation, and two replays under one run would overwrite each other's stations by halves; nor with sketches, whose keys go.
#[must_use]
pub fn is_repeatable(config: &Sensor) -> bool {
    config.privacy.mac != PrivacyMac::Pseudonym && !config.sketch.enabled
}

/// The run of one pass over a file: the same whenever the same content is counted with the same settings, by the same
/// rules ([`COUNTING_RULES`]). Of devices, the addresses that are tracked count, in the order of the configuration;
/// neither their names nor other flags do.
/// `registry` is the vendor registry's hash.
#[must_use]
pub fn of_file(content: ContentHash, config: &Sensor, registry: &str, pass: u64) -> Uuid {
    of_file_by(COUNTING_RULES, content, config, registry, pass)
}

/// Whether a run is named by the content of a file: a replay tells it again whole, and nothing of it is lost.
#[must_use]
pub fn is_of_file(run: Uuid) -> bool {
    run.get_version_num() == 5
}

fn of_file_by(rules: u32, content: ContentHash, config: &Sensor, registry: &str, pass: u64) -> Uuid {
    /// Every setting that shapes a batch; the order is part of the identity.
    #[derive(Serialize)]
    struct Shape<'a> {
        content: [u8; 32],
        schema: &'static str,
        rules: u32,
        window: &'a Window,
        tracking: &'a Tracking,
        privacy: &'a Privacy,
        max_message: u64,
        registry: &'a str,
        pass: u64,
        /// Absent where there are none, as in versions that knew none.
        #[serde(skip_serializing_if = "Option::is_none")]
        flows: Option<&'a Flows>,
        /// The same: what alerts go by.
        #[serde(skip_serializing_if = "Option::is_none")]
        alerts: Option<(&'a alert::Settings, &'a Networks, Vec<Mac>)>,
        /// The same; with the devices that are ignored.
        #[serde(skip_serializing_if = "Option::is_none")]
        people: Option<(&'a People, Vec<Mac>)>,
    }
    let people = &config.people;
    let shape = Shape {
        content: content.0,
        schema: BATCH_SCHEMA,
        rules,
        window: &config.window,
        tracking: &config.tracked(),
        privacy: &Privacy { key_dir: None, ..config.privacy.clone() },
        max_message: config.mqtt.max_message.0,
        registry,
        pass,
        flows: Some(&config.flows).filter(|flows| flows.enabled),
        alerts: config.alerts.enabled.then(|| (&config.alerts, &config.networks, config.rules().devices)),
        people: people.enabled.then(|| (people, people.settings(&config.devices).ignored)),
    };
    // A struct of plain values always becomes JSON.
    Uuid::new_v5(&NAMESPACE, &serde_json::to_vec(&shape).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::tally::devices::Device;
    use std::{path::PathBuf, time::Duration};

    #[test]
    fn a_file_run_changes_with_what_shapes_its_batches_and_with_nothing_else() {
        let content = ContentHash([7; 32]);
        let config = Sensor::default();
        let run = of_file(content, &config, "r", 0);
        assert_eq!(run, of_file(content, &config, "r", 0));
        assert_ne!(run, of_file(ContentHash([8; 32]), &config, "r", 0));
        assert_ne!(run, of_file(content, &config, "s", 0));
        assert_ne!(run, of_file(content, &config, "r", 1));
        assert_ne!(run, of_file_by(COUNTING_RULES - 1, content, &config, "r", 0), "another version counts otherwise");
        let mut other = config.clone();
        other.window.length = Duration::from_secs(20);
        assert_ne!(run, of_file(content, &other, "r", 0));
        let mut other = config.clone();
        other.privacy.ssids = true;
        assert_ne!(run, of_file(content, &other, "r", 0));
        let mut other = config.clone();
        other.flows.enabled = true;
        let with_flows = of_file(content, &other, "r", 0);
        assert_ne!(run, with_flows);
        other.flows.names = true;
        assert_ne!(with_flows, of_file(content, &other, "r", 0));
        let mut other = config.clone();
        other.alerts.learn = Duration::from_secs(60); // which says nothing while there are none
        assert_eq!(run, of_file(content, &other, "r", 0));
        other.alerts.enabled = true;
        let with_alerts = of_file(content, &other, "r", 0);
        assert_ne!(run, with_alerts);
        other.networks.0 =
            vec![alert::Network { ssid: "home".into(), bssids: vec![Mac([2, 0, 0, 0, 0, 9])], open: false }];
        assert_ne!(with_alerts, of_file(content, &other, "r", 0));
        let mut other = config.clone();
        other.people.min_signal = -60; // which says nothing while there is no estimate
        assert_eq!(run, of_file(content, &other, "r", 0));
        other.people.enabled = true;
        let with_people = of_file(content, &other, "r", 0);
        assert_ne!(run, with_people);
        let address = "3c:22:fb:00:00:01".parse().unwrap();
        other.devices.0 = vec![Device { name: "printer".into(), address, track: false, ignore: true, presence: false }];
        assert_ne!(with_people, of_file(content, &other, "r", 0));
        let mut other = config;
        other.flows.names = true; // which says nothing while there are none
        other.source.file = PathBuf::from("elsewhere");
        other.privacy.key_dir = Some(PathBuf::from("elsewhere"));
        assert_eq!(run, of_file(content, &other, "r", 0));
    }

    /// These runs are in databases: a replay of the same file with the same settings, by the same rules of counting, must
    /// meet them. They change with [`COUNTING_RULES`], and with nothing else.
    #[test]
    fn a_file_run_is_what_it_was() {
        let (one, other) = ("02:00:00:00:00:09".parse().unwrap(), "3c:22:fb:00:00:01".parse().unwrap());
        let lists = [vec![], vec![one, other], vec![other, one], vec![other, one, one]];
        let runs = lists.map(|always| {
            let mut config = Sensor::default();
            config.tracking.always = always;
            of_file_by(2, ContentHash([7; 32]), &config, "r", 0).to_string()
        });
        assert_eq!(
            runs,
            [
                "4d6eb290-0723-5cb0-a12d-198d4e2f4b29",
                "cbc031b2-86f6-547a-9e94-ff77e449914d",
                "d65d9544-8ec0-5c7d-ade3-15eaa24816ce",
                "fcee4eb4-391a-559d-9bc6-f7799c4d8d50",
            ]
        );
    }

    #[test]
    fn a_file_run_is_the_same_however_a_tracked_address_is_written() {
        let content = ContentHash([7; 32]);
        let run = |config: &Sensor| of_file(content, config, "r", 0);
        let (one, other) = ("02:00:00:00:00:09".parse().unwrap(), "3c:22:fb:00:00:01".parse().unwrap());
        let device = |name: &str, address, track| Device {
            name: name.to_owned(),
            address,
            track,
            ignore: false,
            presence: false,
        };
        for (first, second) in [(one, other), (other, one)] {
            let mut old = Sensor::default();
            old.tracking.always = vec![first, second];
            let mut new = Sensor::default();
            new.devices.0 = vec![device("phone", first, true), device("tv", second, true)];
            assert_eq!(run(&old), run(&new));
            // Names do not count, nor do devices that are not tracked.
            new.devices.0 = vec![
                device("a", first, true),
                device("b", "02:00:00:00:00:07".parse().unwrap(), false),
                device("c", second, true),
                device("again", first, true),
            ];
            assert_eq!(run(&old), run(&new));
            // Both at once are one list.
            new.tracking.always = vec![first];
            assert_eq!(run(&old), run(&new));
            new.devices.0.truncate(1);
            assert_ne!(run(&old), run(&new));
        }
    }
}
