//! What `airtally check` finds by looking at more than the configuration itself: the files that it names, and settings of
//! which only the part that uses them knows whether they work. It says what the daemon would say.

use crate::config::{Ingest, SecretFile, Sensor};
use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};

/// Something that the daemon would refuse.
pub struct Refusal {
    /// The key or table.
    pub key: &'static str,
    /// Which of several tables of this name.
    pub index: Option<usize>,
    /// What is wrong and what would do.
    pub message: String,
}

/// What was found.
#[derive(Default)]
pub struct Looked {
    /// What the daemon would refuse.
    pub refused: Vec<Refusal>,
    /// Files that the daemon may read, and this program not.
    pub unread: Vec<PathBuf>,
}

impl Looked {
    /// Looks at what a sensor's configuration names.
    pub fn sensor(config: &Sensor) -> Self {
        let mut found = Self::default();
        found.broker(&config.mqtt);
        if let Some(token) = config.metrics.as_ref().and_then(|metrics| metrics.token_file.as_ref()) {
            found.secret("metrics.token_file", None, token);
        }
        let file = &config.source.file;
        if config.source.kind == crate::config::SourceKind::File
            && let Err(error) = File::open(file)
        {
            found.add("source.file", None, &[file.as_path()], format!("cannot read {}: {error}", file.display()));
        }
        found
    }

    /// Looks at what an ingest's configuration names.
    pub fn ingest(config: &Ingest) -> Self {
        let mut found = Self::default();
        found.broker(&config.mqtt);
        for (index, influx) in config.influx.iter().enumerate() {
            #[cfg(feature = "sink-influx")]
            if let Err(error) = crate::sink::Influx::open(influx) {
                let key = if influx.ca_file.is_some() && error.to_string().contains("ca_file") {
                    "influx.ca_file"
                } else {
                    "influx.url"
                };
                let files: Vec<&Path> = influx.ca_file.as_deref().into_iter().collect();
                found.add(key, Some(index), &files, error.to_string());
            }
            for (key, file) in
                [("influx.token_file", &influx.token_file), ("influx.password_file", &influx.password_file)]
            {
                if let Some(file) = file {
                    found.secret(key, Some(index), file);
                }
            }
        }
        for (index, webhook) in config.webhook.iter().enumerate() {
            #[cfg(feature = "sink-webhook")]
            if let Err(error) = crate::sink::Webhook::open(webhook) {
                let text = error.to_string();
                let key = if webhook.ca_file.is_some() && text.contains("ca_file") {
                    "webhook.ca_file"
                } else if text.contains("allow_private: ") {
                    "webhook.allow_private"
                } else {
                    "webhook.url"
                };
                let files: Vec<&Path> = webhook.ca_file.as_deref().into_iter().collect();
                found.add(key, Some(index), &files, text);
            }
            found.secret("webhook.secret_file", Some(index), &webhook.secret_file);
        }
        found.web(config);
        found
    }

    fn web(&mut self, config: &Ingest) {
        let web = &config.web;
        if !web.enabled {
            return;
        }
        for (key, file) in [
            ("web.password_file", &web.password_file),
            ("web.metrics_token_file", &web.metrics_token_file),
            ("web.token_file", &web.token_file),
        ] {
            if let Some(file) = file {
                self.secret(key, None, file);
            }
        }
        #[cfg(feature = "web")]
        if let (Some(cert), Some(key)) = (&web.cert_file, &web.key_file)
            && let Err(message) = crate::web::tls::server_config(cert, key.path())
        {
            self.add("web.cert_file", None, &[cert.as_path(), key.path()], message);
        }
    }

    fn broker(&mut self, mqtt: &crate::config::Mqtt) {
        #[cfg(feature = "mqtt")]
        for error in crate::mqtt::check(mqtt) {
            let tls = mqtt.tls.as_ref();
            let files: Vec<&Path> = tls
                .and_then(|tls| tls.ca_file.as_deref())
                .into_iter()
                .chain(tls.and_then(|tls| tls.cert_file.as_deref()))
                .chain(tls.and_then(|tls| tls.key_file.as_ref()).map(SecretFile::path))
                .chain(mqtt.password_file.as_ref().map(SecretFile::path))
                .collect();
            let key =
                if matches!(error, crate::mqtt::MqttError::Secret(_)) { "mqtt.password_file" } else { "mqtt.tls" };
            self.add(key, None, &files, error.to_string());
        }
        #[cfg(not(feature = "mqtt"))]
        let _ = mqtt;
    }

    fn secret(&mut self, key: &'static str, index: Option<usize>, file: &SecretFile) {
        if let Err(error) = file.read_line() {
            self.add(key, index, &[file.path()], error.to_string());
        }
    }

    /// Takes what is wrong; of one of these `files` that only the daemon may read, nobody knows: another user's, or one that
    /// systemd makes when it starts the daemon (systemd.exec(5), credentials).
    fn add(&mut self, key: &'static str, index: Option<usize>, files: &[&Path], message: String) {
        let denied = |file: &&&Path| {
            file.starts_with("/run/credentials")
                || File::open(file).is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
        };
        match files.iter().filter(|file| message.contains(&file.display().to_string())).find(denied) {
            Some(file) => self.unread.push(file.to_path_buf()),
            None => self.refused.push(Refusal { key, index, message }),
        }
    }
}
