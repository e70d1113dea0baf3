//! What ingest publishes for a Home Assistant at the same broker, and how it remembers what the broker keeps of that, so that
//! nothing stays there of what is not any more.

use crate::{
    UnixNanos,
    config::Ingest,
    home_assistant::{Publication, Summaries},
    mqtt::Outgoing,
    own_file,
    wire::{Info, Record, StatusMessage},
};
use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{sync::mpsc, time::interval};

/// The file in the state directory that lists the topics on which the broker keeps something of ours.
const FILE: &str = "home-assistant";
/// Its first line.
const START: &[u8] = b"# airtally: topics that are kept for Home Assistant\n";
/// What was to be there, for an error's sentence.
const WANTED: &str = "airtally's list of topics kept for Home Assistant";
/// How often is looked for what has changed: no summary more often.
const EVERY: Duration = Duration::from_secs(1);

/// What is told of sensors. Without `[home_assistant]`, nothing is taken up.
pub struct Neighbour {
    summaries: Mutex<Summaries>,
    enabled: bool,
    file: PathBuf,
}

impl Neighbour {
    /// As `config` says; what an earlier start published is read.
    ///
    /// # Errors
    /// When the list of that cannot be read, or a file of somebody else's is in its place.
    pub fn new(config: &Ingest) -> io::Result<Arc<Self>> {
        let file = config.spool.state_dir.join(FILE);
        let settings = &config.home_assistant;
        let summaries = Summaries::new(
            &config.mqtt.base_topic,
            &config.name,
            &settings.discovery_prefix,
            settings.away_after,
            listed(&file)?,
            // Without the feature no sensor is waited for.
            if settings.enabled { UnixNanos::now() } else { UnixNanos(0) },
        );
        Ok(Arc::new(Self { summaries: Mutex::new(summaries), enabled: settings.enabled, file }))
    }

    /// Whether there is nothing to tell, and nothing left behind.
    pub fn is_idle(&self) -> bool {
        !self.enabled && self.lock().topics().next().is_none()
    }

    /// A part of a window came.
    pub fn record(&self, record: &Record) {
        if self.enabled {
            match record {
                Record::Batch(batch) => self.lock().batch(batch),
                Record::Alerts(alerts) => self.lock().alerts(alerts),
                Record::Flows(_) | Record::Gap(_) => {}
            }
        }
    }

    /// A sensor said how it is.
    pub fn status(&self, status: &StatusMessage) {
        if self.enabled {
            self.lock().status(status.clone());
        }
    }

    /// A sensor said what it is.
    pub fn info(&self, info: &Info) {
        if self.enabled {
            self.lock().info(info);
        }
    }

    /// The broker keeps no status of a sensor any more.
    pub fn gone(&self, site: &str, sensor: &str) {
        if self.enabled {
            self.lock().gone(site, sensor);
        }
    }

    /// A connection to the broker has begun.
    pub fn connected(&self) {
        self.lock().connected();
    }

    /// Publishes what changes, until nobody takes it any more.
    pub async fn publish(self: Arc<Self>, outgoing: mpsc::Sender<Outgoing>) {
        let mut look = interval(EVERY);
        let mut known: Vec<String> = self.lock().topics().map(str::to_owned).collect();
        loop {
            look.tick().await;
            let (due, topics) = {
                let mut summaries = self.lock();
                let due = summaries.due(UnixNanos::now());
                (due, summaries.topics().map(str::to_owned).collect::<Vec<_>>())
            };
            // What is to be there is noted before it is, and what is to go after it has gone.
            if topics.iter().any(|topic| !known.contains(topic)) {
                let all: Vec<String> =
                    known.iter().filter(|topic| !topics.contains(topic)).chain(&topics).cloned().collect();
                self.note(&all);
                known = all;
            }
            for Publication { topic, schema, payload } in due {
                if outgoing.send(Outgoing::Kept { topic, schema, payload }).await.is_err() {
                    return;
                }
            }
            if topics.len() != known.len() {
                self.note(&topics);
                known = topics;
            }
        }
    }

    fn note(&self, topics: &[String]) {
        let written = if topics.is_empty() {
            own_file::remove(&self.file, START, WANTED)
        } else {
            let mut text = START.to_vec();
            topics.iter().for_each(|topic| text.extend([topic.as_bytes(), b"\n"].concat()));
            own_file::replace(&self.file, &text, START, WANTED)
        };
        if let Err(error) = written {
            tracing::warn!(%error, file = %self.file.display(), "cannot note what the broker keeps for Home Assistant");
        }
    }

    fn lock(&self) -> MutexGuard<'_, Summaries> {
        self.summaries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn listed(file: &Path) -> io::Result<Vec<String>> {
    let text = own_file::read(file, START, WANTED)?.unwrap_or_default();
    let text = String::from_utf8_lossy(&text).into_owned();
    Ok(text.lines().skip(1).filter(|line| !line.is_empty()).map(str::to_owned).collect())
}
