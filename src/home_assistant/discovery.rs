//! The messages by which Home Assistant learns of devices and their entities: device discovery of its MQTT integration
//! (<https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload>), 2024.11 and later.

use super::{Publication, names};
use crate::wire::encode;
use serde_json::{Map, Value, json};

/// A sensor, as a device.
pub struct Device<'a> {
    /// The first level of the topics on which Home Assistant looks.
    pub prefix: &'a str,
    /// Its identifier.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// Its program's version.
    pub version: &'a str,
    /// Where it is.
    pub location: Option<&'a str>,
    /// Whether it watches for alerts.
    pub watches: bool,
    /// Whether it estimates how many people are near.
    pub estimates: bool,
    /// The topic of its summary.
    pub summary: &'a str,
    /// The topics of its status, and of the ingest's that writes the summary: with one of them offline, nothing is known.
    pub available: [String; 2],
}

impl Device<'_> {
    fn publication(&self, id: &str, message: &Value) -> Publication {
        Publication { topic: format!("{}/device/{id}/config", self.prefix), schema: None, payload: encode(message) }
    }

    fn available(&self) -> Vec<Value> {
        let template = "{{ 'offline' if value_json.state == 'offline' else 'online' }}";
        let topic = |topic: &String| json!({"topic": topic, "value_template": template});
        self.available.iter().map(topic).collect()
    }

    fn message(&self, device: &Value, available: Vec<Value>, components: Map<String, Value>) -> Value {
        json!({
            "device": device,
            "origin": {"name": "airtally", "sw_version": env!("CARGO_PKG_VERSION")},
            "availability": available,
            "availability_mode": "all",
            "state_topic": self.summary,
            "qos": 1,
            "components": components,
        })
    }
}

/// The device that a sensor is, with all that its summary says of it.
#[must_use]
pub fn sensor(device: &Device<'_>) -> Publication {
    let mut components = Map::new();
    let mut add = |key: &str, name: &str, more: Value| {
        let mut component = json!({
            "platform": "sensor",
            "unique_id": format!("{}__{key}", device.id),
            "name": name,
            "value_template": format!("{{{{ value_json.{key} }}}}"),
        });
        if let (Some(component), Value::Object(more)) = (component.as_object_mut(), more) {
            component.extend(more);
        }
        components.insert(key.to_owned(), component);
    };
    let measured = |unit: Option<&str>, icon: &str| {
        let mut more = json!({"state_class": "measurement", "icon": icon});
        if let (Some(more), Some(unit)) = (more.as_object_mut(), unit) {
            more.insert("unit_of_measurement".to_owned(), unit.into());
        }
        more
    };
    let diagnostic = |mut more: Value| {
        if let Some(more) = more.as_object_mut() {
            more.insert("entity_category".to_owned(), "diagnostic".into());
        }
        more
    };
    add("stations", "Stations", measured(None, "mdi:access-point-network"));
    add("access_points", "Access points", measured(None, "mdi:router-wireless"));
    add("randomised_percent", "Randomised addresses", measured(Some("%"), "mdi:incognito"));
    add("frames_per_second", "Frames a second listened", measured(Some("frames/s"), "mdi:pulse"));
    add("coverage_percent", "Time listened", diagnostic(measured(Some("%"), "mdi:ear-hearing")));
    add("waiting", "Messages waiting", diagnostic(measured(None, "mdi:tray-full")));
    add("last_window", "Newest window", diagnostic(json!({"device_class": "timestamp"})));
    add(
        "state",
        "State",
        diagnostic(json!({
            "device_class": "enum",
            "options": ["online", "degraded", "offline"],
            "json_attributes_topic": device.summary,
            "json_attributes_template": "{{ {'reason': value_json.reason, 'listens': value_json.listens} | tojson }}",
        })),
    );
    add(
        "problem",
        "Problem",
        diagnostic(json!({
            "platform": "binary_sensor",
            "device_class": "problem",
            "value_template": "{{ 'ON' if value_json.problem else 'OFF' }}",
        })),
    );
    if device.estimates {
        add(
            "people",
            "People (estimate)",
            json!({
                "state_class": "measurement",
                "icon": "mdi:account-group",
                "json_attributes_topic": device.summary,
                "json_attributes_template":
                    "{{ {'low': value_json.people_low, 'high': value_json.people_high} | tojson }}",
            }),
        );
    }
    if device.watches {
        add(
            "alerts",
            "Open alerts",
            json!({
                "state_class": "measurement",
                "icon": "mdi:shield-alert",
                "json_attributes_topic": device.summary,
                "json_attributes_template": "{{ {'kinds': value_json.alert_kinds} | tojson }}",
            }),
        );
    }
    let mut about = json!({
        "identifiers": [device.id],
        "name": device.name,
        "manufacturer": "airtally",
        "model": "sensor",
        "sw_version": device.version,
    });
    if let (Some(about), Some(location)) = (about.as_object_mut(), device.location) {
        about.insert("suggested_area".to_owned(), location.into());
    }
    device.publication(&device.id, &device.message(&about, device.available(), components))
}

/// A device of the user's own, called `name`, whose presence `device` tells.
#[must_use]
pub fn present(device: &Device<'_>, key: &str, name: &str) -> Publication {
    let id = format!("{}__{key}", device.id);
    let tracker = json!({
        "platform": "device_tracker",
        "unique_id": id,
        "name": format!("heard by {}", device.name),
        "source_type": "router",
        "payload_home": "home",
        "payload_not_home": "not_home",
        "value_template": format!("{{{{ value_json.presence['{key}'].state }}}}"),
    });
    let about = json!({"identifiers": [id], "name": name, "via_device": device.id});
    // While the sensor does not listen, silence says nothing.
    let mut available = device.available();
    let template = "{{ 'online' if value_json.listens else 'offline' }}";
    available.push(json!({"topic": device.summary, "value_template": template}));
    let components = Map::from_iter([(names::id("presence"), tracker)]);
    device.publication(&id, &device.message(&about, available, components))
}
