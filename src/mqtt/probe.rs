//! Whether a broker can be reached and lets us in: one connection, and its end. Publishes nothing.

use super::{
    MqttError,
    link::{Link, Plan, Signal},
};
use crate::config::Mqtt;
use std::time::Duration;

/// How long a goodbye may take.
const GOODBYE: Duration = Duration::from_secs(2);

/// Connects to the broker as `client_id` and leaves again. The sentence says why that did not work.
///
/// # Errors
/// When a secret or certificate that the configuration names is of no use.
pub async fn probe(mqtt: &Mqtt, client_id: &str) -> Result<Result<(), String>, MqttError> {
    let plan = Plan {
        client_id: client_id.to_owned(),
        session: None,
        receive_maximum: 1,
        max_packet: 1 << 16,
        manual_acks: false,
        window: 1,
        will: None,
    };
    let mut link = Link::<()>::open(mqtt, plan)?;
    loop {
        match link.next().await {
            Signal::Connected { .. } => break,
            Signal::Lost(why) => return Ok(Err(why)),
            Signal::Closed => return Ok(Err("the connection was closed before the broker had answered".into())),
            Signal::Subscribed { .. } | Signal::Acked(..) | Signal::Arrived(_) => {}
        }
    }
    link.disconnect();
    let gone = async { while !matches!(link.next().await, Signal::Closed | Signal::Lost(_)) {} };
    let _ = tokio::time::timeout(GOODBYE, gone).await;
    Ok(Ok(()))
}
