//! The topics of one base topic: `<base>/<site>/<sensor>/<leaf>`. Pure text; never a MAC address in it.

/// What a topic carries.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Leaf {
    /// Windows, each part a message.
    Batch,
    /// Parts of windows that are flows: who spoke with whom.
    Flow,
    /// Parts of windows that are alerts: those whose state changed.
    Alert,
    /// Declared losses, and things worth knowing.
    Event,
    /// Retained: whether the sensor is there, and how far it has come.
    Status,
    /// Retained: what the sensor is.
    Info,
    /// The word of an ingest that it has all of a run.
    Stored,
    /// Retained: what an ingest says of the sensor, in short.
    Summary,
    /// A question to the sensor, by name.
    Request(String),
    /// The sensor's answer, by the question's name.
    Response(String),
}

/// Makes and reads the topics under one base topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topics {
    base: String,
}

impl Topics {
    /// The topics under `base`, which may have several levels.
    #[must_use]
    pub fn new(base: &str) -> Self {
        Self { base: base.to_owned() }
    }

    /// The topic of `leaf` for one sensor.
    #[must_use]
    pub fn of(&self, site: &str, sensor: &str, leaf: &Leaf) -> String {
        let base = &self.base;
        match leaf {
            Leaf::Batch => format!("{base}/{site}/{sensor}/batch"),
            Leaf::Flow => format!("{base}/{site}/{sensor}/flow"),
            Leaf::Alert => format!("{base}/{site}/{sensor}/alert"),
            Leaf::Event => format!("{base}/{site}/{sensor}/event"),
            Leaf::Status => format!("{base}/{site}/{sensor}/status"),
            Leaf::Info => format!("{base}/{site}/{sensor}/info"),
            Leaf::Stored => format!("{base}/{site}/{sensor}/stored"),
            Leaf::Summary => format!("{base}/{site}/{sensor}/summary"),
            Leaf::Request(name) => format!("{base}/{site}/{sensor}/request/{name}"),
            Leaf::Response(name) => format!("{base}/{site}/{sensor}/response/{name}"),
        }
    }

    /// The topic of an ingest's own status: of fewer levels than any of a sensor's, so that no filter for those meets it.
    #[must_use]
    pub fn ingest(&self, name: &str) -> String {
        format!("{}/ingest/{name}", self.base)
    }

    /// The filter for the status of every ingest.
    #[must_use]
    pub fn ingests(&self) -> String {
        self.ingest("+")
    }

    /// Whether a topic is that of an ingest's status.
    #[must_use]
    pub fn is_ingest(&self, topic: &str) -> bool {
        let name = topic.strip_prefix(self.base.as_str()).and_then(|rest| rest.strip_prefix("/ingest/"));
        name.is_some_and(|name| !name.is_empty() && !name.contains('/'))
    }

    /// The filter for every request to one sensor.
    #[must_use]
    pub fn requests(&self, site: &str, sensor: &str) -> String {
        format!("{}/{site}/{sensor}/request/+", self.base)
    }

    /// The filters for all that the sensors of `site` (`+`: of every site) send. No topic matches two of them.
    #[must_use]
    pub fn from_sensors(&self, site: &str) -> Vec<String> {
        ["batch", "flow", "alert", "event", "status", "info", "response/+"]
            .iter()
            .map(|leaf| format!("{}/{site}/+/{leaf}", self.base))
            .collect()
    }

    /// Site, sensor and leaf of a topic; nothing where it is not one of these.
    #[must_use]
    pub fn parse<'topic>(&self, topic: &'topic str) -> Option<(&'topic str, &'topic str, Leaf)> {
        let mut levels = topic.strip_prefix(self.base.as_str())?.strip_prefix('/')?.split('/');
        let (site, sensor, leaf, name) = (levels.next()?, levels.next()?, levels.next()?, levels.next());
        if site.is_empty() || sensor.is_empty() || levels.next().is_some() {
            return None;
        }
        let leaf = match (leaf, name) {
            ("batch", None) => Leaf::Batch,
            ("flow", None) => Leaf::Flow,
            ("alert", None) => Leaf::Alert,
            ("event", None) => Leaf::Event,
            ("status", None) => Leaf::Status,
            ("info", None) => Leaf::Info,
            ("stored", None) => Leaf::Stored,
            ("summary", None) => Leaf::Summary,
            ("request", Some(name)) if !name.is_empty() => Leaf::Request(name.to_owned()),
            ("response", Some(name)) if !name.is_empty() => Leaf::Response(name.to_owned()),
            _ => return None,
        };
        Some((site, sensor, leaf))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_ingest_is_no_sensor() {
        let topics = Topics::new("airtally");
        assert_eq!(topics.ingest("main"), "airtally/ingest/main");
        assert_eq!(topics.parse(&topics.ingest("main")), None);
        assert!(topics.is_ingest("airtally/ingest/main"));
        for topic in ["airtally/ingest/", "airtally/ingest/a/b", "other/ingest/main", "airtally/home/attic/status"] {
            assert!(!topics.is_ingest(topic), "{topic}");
        }
    }

    #[test]
    fn a_foreign_topic_is_nothing() {
        let topics = Topics::new("net/airtally");
        for topic in [
            "",
            "net/airtally",
            "net/airtally/",
            "net/airtally/home/pi",
            "net/airtally/home/pi/batch/x",
            "net/airtally/home//batch",
            "net/airtally/home/pi/request",
            "net/airtally/home/pi/request/",
            "net/airtallyx/home/pi/batch",
            "airtally/home/pi/batch",
        ] {
            assert_eq!(topics.parse(topic), None, "{topic}");
        }
    }

    fn leaf() -> impl Strategy<Value = Leaf> {
        prop_oneof![
            Just(Leaf::Batch),
            Just(Leaf::Flow),
            Just(Leaf::Alert),
            Just(Leaf::Event),
            Just(Leaf::Status),
            Just(Leaf::Info),
            Just(Leaf::Stored),
            Just(Leaf::Summary),
            "[a-z]{1,9}".prop_map(Leaf::Request),
            "[a-z]{1,9}".prop_map(Leaf::Response),
        ]
    }

    proptest! {
        #[test]
        fn a_topic_is_read_as_it_was_made(base in "[a-z]{1,5}(/[a-z]{1,5})?", site in "[\\w.-]{1,9}", sensor in "[\\w.-]{1,9}", leaf in leaf()) {
            let topics = Topics::new(&base);
            let topic = topics.of(&site, &sensor, &leaf);
            prop_assert_eq!(topics.parse(&topic), Some((site.as_str(), sensor.as_str(), leaf)));
        }

        #[test]
        fn any_text_is_read_or_refused(topic in "\\PC{0,40}") {
            let _ = Topics::new("airtally").parse(&topic);
        }
    }
}
