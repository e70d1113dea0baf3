//! Whether a broker can be reached: one connection, as a daemon would make it, and its end.

use super::connection::{Connection, Plan, Signal};
use crate::config::Mqtt;
use std::time::Duration;

/// Connects as `client_id` and disconnects. Returns the broker's address.
///
/// # Errors
/// A sentence that says why the broker cannot be reached, or does not accept this client, or that it took longer than
/// `patience`.
pub async fn reach(mqtt: &Mqtt, client_id: &str, patience: Duration) -> Result<String, String> {
    let plan = Plan {
        client_id: client_id.to_owned(),
        session: None,
        receive_maximum: 1,
        max_packet: 1 << 10,
        manual_acks: false,
        window: 1,
        will: None,
    };
    let mut link: Connection<()> = Connection::open(mqtt, plan).map_err(|error| error.to_string())?;
    let address = link.broker().address();
    let connected = async {
        loop {
            match link.next().await {
                Signal::Connected { .. } => return Ok(()),
                Signal::Lost(why) => return Err(why),
                _ => {}
            }
        }
    };
    match tokio::time::timeout(patience, connected).await {
        Ok(connected) => connected?,
        Err(_) => return Err(format!("the broker at {address} did not answer within {} s", patience.as_secs())),
    }
    link.leave(Duration::from_secs(1)).await;
    Ok(address)
}
