//! mosquitto's ACL file: which topics each user may read and write. A user whom it does not name can do nothing.

/// The block of a sensor: its own topics, and what ingests say of themselves.
#[must_use]
pub fn sensor(user: &str, base: &str, site: &str, name: &str) -> String {
    let own = format!("{base}/{site}/{name}");
    let mut block = format!("\nuser {user}\n");
    for topic in ["status", "info", "batch", "flow", "alert", "event", "response/+"] {
        block.push_str(&format!("topic write {own}/{topic}\n"));
    }
    for topic in ["request/+", "stored"] {
        block.push_str(&format!("topic read {own}/{topic}\n"));
    }
    block.push_str(&format!("topic read {base}/ingest/+\n"));
    block
}

/// The block of an ingest: it reads everything, asks for what is missing, and says what it has.
#[must_use]
pub fn ingest(user: &str, base: &str) -> String {
    format!(
        "\nuser {user}\ntopic read {base}/#\ntopic write {base}/+/+/request/+\ntopic write {base}/+/+/stored\n\
         topic write {base}/ingest/+\n# With [home_assistant]:\n#topic write {base}/+/+/summary\n\
         #topic write homeassistant/device/+/config\n"
    )
}

/// The users that an ACL file names.
pub fn users(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| line.strip_prefix("user "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_found_again() {
        let text = sensor("home/attic", "airtally", "home", "attic") + &ingest("ingest-1", "airtally");
        assert_eq!(users(&text).collect::<Vec<_>>(), ["home/attic", "ingest-1"]);
        assert!(text.contains("topic write airtally/home/attic/batch\n"));
    }
}
