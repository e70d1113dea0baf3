//! What the client library reports as an error, as one sentence for the person who has to do something about it.
//! Beside `link`, the only file that sees rumqttc's types; decides nothing.

use crate::tls::{self, Peer, Settings};
use rumqttc::v5::{
    ConnectionError, StateError, TlsError,
    mqttbytes::{
        self,
        v5::{ConnectReturnCode, DisconnectReasonCode},
    },
};
use std::io;

/// What can be set, for sentences on TLS.
const SETTINGS: Settings = Settings {
    authority: "mqtt.tls.ca_file",
    name: "mqtt.host or mqtt.tls.server_name",
    identity: Some("mqtt.tls.cert_file and mqtt.tls.key_file"),
    plain: "leave out [mqtt.tls]",
};

/// Whom we talk to, for messages.
#[derive(Clone, Debug)]
pub(super) struct Broker {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) tls: bool,
    /// A client certificate is set up.
    pub(super) has_identity: bool,
    pub(super) client_id: String,
    pub(super) username: Option<String>,
}

impl Broker {
    /// `host:port`, an IPv6 address in brackets.
    pub(super) fn address(&self) -> String {
        let (host, port) = (&self.host, self.port);
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }

    /// The sentence for `error`; `connected` if the broker had accepted the connection before.
    pub(super) fn explain(&self, error: &ConnectionError, connected: bool) -> String {
        let at = self.address();
        match error {
            ConnectionError::Timeout(_) => format!(
                "the broker at {at} did not answer in time: check mqtt.host and mqtt.port, the network, and whether the port expects TLS"
            ),
            ConnectionError::ConnectionRefused(code) => self.refused(*code),
            ConnectionError::Io(error) | ConnectionError::Tls(TlsError::Io(error)) => self.io(error, connected),
            ConnectionError::MqttState(StateError::Io(error))
            | ConnectionError::MqttState(StateError::Deserialization(mqttbytes::Error::Io(error))) => {
                self.io(error, connected)
            }
            ConnectionError::MqttState(StateError::ServerDisconnect { reason_code, reason_string }) => {
                self.dismissed(*reason_code, reason_string.as_deref())
            }
            ConnectionError::MqttState(StateError::ConnectionAborted) => self.closed(connected),
            ConnectionError::MqttState(StateError::AwaitPingResp) => {
                format!("the broker at {at} no longer answers: the network between is broken, or the broker hangs")
            }
            ConnectionError::MqttState(StateError::Deserialization(_)) | ConnectionError::NotConnAck(_)
                if !connected =>
            {
                self.no_mqtt()
            }
            other => format!("the connection to the broker at {at} broke: {other}"),
        }
    }

    fn no_mqtt(&self) -> String {
        let at = self.address();
        let tls = if self.tls { "" } else { ", and whether the port expects TLS (then add [mqtt.tls])" };
        format!(
            "what answers at {at} does not speak MQTT 5: check mqtt.port{tls}; airtally needs a broker that does, like mosquitto 1.6 or later"
        )
    }

    fn closed(&self, connected: bool) -> String {
        let at = self.address();
        if connected {
            return format!("the broker at {at} closed the connection");
        }
        let tls = if self.tls {
            "that this port expects TLS (else leave out [mqtt.tls])"
        } else {
            "that this port expects no TLS (else add [mqtt.tls])"
        };
        format!("the broker at {at} closed the connection before accepting it: check {tls} and that it speaks MQTT 5")
    }

    fn io(&self, error: &io::Error, connected: bool) -> String {
        let at = self.address();
        if let Some(error) = tls::found(error) {
            let who = format!("the broker at {at}");
            let peer = Peer { who: &who, settings: &SETTINGS, has_identity: self.has_identity };
            return tls::explain(error, &peer);
        }
        match error.kind() {
            io::ErrorKind::ConnectionRefused => {
                format!("nothing listens at {at}: check that the broker runs, and mqtt.host and mqtt.port")
            }
            io::ErrorKind::TimedOut | io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
                format!("the broker at {at} cannot be reached ({error}): check mqtt.host and the network")
            }
            io::ErrorKind::ConnectionReset | io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe => {
                self.closed(connected)
            }
            // What tokio's codec makes of a connection that ends within a packet.
            io::ErrorKind::Other if !connected && error.to_string().contains("bytes remaining") => self.no_mqtt(),
            // The resolver's errors have no kind of their own, only this text.
            _ if error.to_string().contains("lookup") || error.to_string().contains("resolve") => {
                format!("the name '{}' cannot be resolved ({error}): check mqtt.host and this system's DNS", self.host)
            }
            _ => format!("the connection to the broker at {at} broke: {error}"),
        }
    }

    fn refused(&self, code: ConnectReturnCode) -> String {
        let at = self.address();
        match code {
            ConnectReturnCode::BadUserNamePassword | ConnectReturnCode::NotAuthorized => match &self.username {
                Some(user) => format!(
                    "the broker at {at} refuses user '{user}': check mqtt.username and the password in mqtt.password_file, and the broker's users and ACL"
                ),
                None => format!(
                    "the broker at {at} refuses connections without a user name: set mqtt.username and mqtt.password_file, or allow anonymous clients there"
                ),
            },
            ConnectReturnCode::ClientIdentifierNotValid | ConnectReturnCode::BadClientId => {
                format!("the broker at {at} refuses the client id '{}': set another mqtt.client_id", self.client_id)
            }
            ConnectReturnCode::UnsupportedProtocolVersion | ConnectReturnCode::RefusedProtocolVersion => self.no_mqtt(),
            ConnectReturnCode::RetainNotSupported => format!(
                "the broker at {at} keeps no retained messages, which airtally's status needs: allow them (mosquitto: retain_available true)"
            ),
            ConnectReturnCode::QoSNotSupported => {
                format!(
                    "the broker at {at} offers QoS 0 only: airtally delivers with QoS 1 (mosquitto: max_qos 1 or 2)"
                )
            }
            ConnectReturnCode::Banned => format!("the broker at {at} has banned this client: ask its administrator"),
            ConnectReturnCode::ServerUnavailable
            | ConnectReturnCode::ServiceUnavailable
            | ConnectReturnCode::ServerBusy
            | ConnectReturnCode::QuotaExceeded
            | ConnectReturnCode::ConnectionRateExceeded => {
                format!("the broker at {at} takes no connections now ({code:?})")
            }
            _ => format!("the broker at {at} refuses the connection ({code:?})"),
        }
    }

    fn dismissed(&self, code: DisconnectReasonCode, reason: Option<&str>) -> String {
        let at = self.address();
        match code {
            DisconnectReasonCode::SessionTakenOver => format!(
                "another client connects to the broker at {at} with our client id '{}': give each its own (mqtt.client_id, or another sensor or ingest name)",
                self.client_id
            ),
            DisconnectReasonCode::ServerShuttingDown => format!("the broker at {at} shuts down"),
            DisconnectReasonCode::PacketTooLarge => {
                format!("the broker at {at} takes no message as large as ours: lower mqtt.max_message")
            }
            _ => match reason {
                Some(reason) => format!("the broker at {at} ended the connection: {code:?}, '{reason}'"),
                None => format!("the broker at {at} ended the connection: {code:?}"),
            },
        }
    }
}

/// Whether the broker ended the connection for another client with our id.
pub(super) const fn is_takeover(error: &ConnectionError) -> bool {
    matches!(
        error,
        ConnectionError::MqttState(StateError::ServerDisconnect {
            reason_code: DisconnectReasonCode::SessionTakenOver,
            ..
        })
    )
}

/// Whether the other side closed the connection without giving a reason.
pub(super) fn is_cut(error: &ConnectionError) -> bool {
    let gone = |error: &io::Error| {
        matches!(
            error.kind(),
            io::ErrorKind::ConnectionReset | io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe
        )
    };
    match error {
        ConnectionError::MqttState(StateError::ConnectionAborted) => true,
        ConnectionError::Io(error)
        | ConnectionError::MqttState(StateError::Io(error))
        | ConnectionError::MqttState(StateError::Deserialization(mqttbytes::Error::Io(error))) => gone(error),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_takeover_names_the_client_id_and_the_key() {
        let broker = Broker {
            host: "::1".into(),
            port: 1883,
            tls: false,
            has_identity: false,
            client_id: "airtally-home-attic".into(),
            username: None,
        };
        let reason_code = DisconnectReasonCode::SessionTakenOver;
        let error = ConnectionError::MqttState(StateError::ServerDisconnect { reason_code, reason_string: None });
        let sentence = broker.explain(&error, true);
        for word in ["another client", "[::1]:1883", "'airtally-home-attic'", "mqtt.client_id"] {
            assert!(sentence.contains(word), "{sentence}");
        }
    }
}
