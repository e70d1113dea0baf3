//! Networks: the access points, by what they announce.

use super::stations::{Stations, add};
use crate::{
    UnixNanos,
    sink::history::{
        History,
        range::{HistoryError, Key, Order, Page, Paging, Place, Range, Scope, page},
    },
    wire::{Address, Role, Signal},
};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// One BSS over a range: an access point.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "web", derive(utoipa::ToSchema))]
pub struct NetworkRow {
    /// The access point's address or pseudonym.
    pub bssid: Address,
    /// The network's names, ascending; none where it hides them, or where the privacy settings withhold them.
    pub ssids: Vec<String>,
    /// Its vendor, where known.
    pub vendor: Option<String>,
    /// The primary channel that it announces.
    pub channel: Option<u8>,
    /// How wide its channel is, in MHz.
    pub width_mhz: Option<u16>,
    /// Frequencies it was heard on, in MHz, ascending.
    pub freqs_mhz: Vec<u16>,
    /// How it protects itself.
    pub security: Option<String>,
    /// Signal of its frames; absent where none was reported.
    pub signal_dbm: Option<Signal>,
    /// Stations that were last seen sending in it; over long ranges those that have a history of their own.
    pub clients: u64,
    /// Windows it was seen in, summed over sensors.
    pub windows: u64,
    /// Frames it sent.
    pub frames_sent: u64,
    /// Their octets.
    pub bytes_sent: u64,
    /// When it was first heard in the range.
    pub first_seen: UnixNanos,
    /// When it was last heard in the range.
    pub last_seen: UnixNanos,
}

/// What a list of networks is sorted by; ties by BSSID.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NetworkSort {
    /// The first of its names.
    Ssid,
    /// Its address.
    Bssid,
    /// The channel that it announces.
    Channel,
    /// Strongest signal.
    #[default]
    Signal,
    /// Stations in it.
    Clients,
    /// Frames that the access point sent.
    Frames,
    /// When it was last heard.
    LastSeen,
}

impl NetworkSort {
    fn place(self, row: &NetworkRow) -> Place {
        let number = |number: u64| Key::Number(i64::try_from(number).unwrap_or(i64::MAX));
        let key = match self {
            Self::Ssid => Key::Text(row.ssids.first().cloned().unwrap_or_default()),
            Self::Bssid => Key::Number(0),
            Self::Channel => Key::Number(row.channel.map_or(-1, i64::from)),
            Self::Signal => Key::Number(row.signal_dbm.map_or(i64::MIN, |signal| signal.max.into())),
            Self::Clients => number(row.clients),
            Self::Frames => number(row.frames_sent),
            Self::LastSeen => Key::Number(row.last_seen.0),
        };
        Place(key, row.bssid.to_string())
    }
}

impl History {
    /// The access points heard in the range; `text` is part of a name, an address or a vendor, whatever the case.
    ///
    /// # Errors
    /// When the file cannot be read, or the cursor is not of this list.
    pub fn networks(
        &self,
        range: Range,
        scope: &Scope,
        text: Option<&str>,
        (sort, order): (NetworkSort, Order),
        paging: &Paging,
    ) -> Result<Page<NetworkRow>, HistoryError> {
        let transaction = self.moment()?;
        let moment = Self::at(&transaction, range, scope);
        let (mut stations, mut truncated) = (Stations::new(), false);
        moment.stations(None, |_, address, sum| truncated |= !add(&mut stations, address, sum))?;
        let mut clients: HashMap<Address, u64> = HashMap::new();
        for sum in stations.values().filter(|sum| sum.role != Role::AccessPoint) {
            if let Some(bssid) = sum.bssid {
                *clients.entry(bssid).or_default() += 1;
            }
        }
        let wanted = text.map(str::to_lowercase);
        let takes = |row: &NetworkRow| {
            wanted.as_ref().is_none_or(|part| {
                let within = |text: &str| text.to_lowercase().contains(part);
                within(&row.bssid.to_string())
                    || row.vendor.as_deref().is_some_and(within)
                    || row.ssids.iter().any(|ssid| within(ssid))
            })
        };
        let rows =
            stations.into_iter().filter(|(_, sum)| sum.role == Role::AccessPoint).map(|(bssid, sum)| NetworkRow {
                bssid,
                ssids: sum.ssids,
                vendor: sum.vendor,
                channel: sum.channel,
                width_mhz: sum.width_mhz,
                freqs_mhz: sum.freqs_mhz,
                security: sum.security,
                signal_dbm: sum.signal.map(|signal| signal.signal()),
                clients: clients.get(&bssid).copied().unwrap_or(0),
                windows: sum.windows,
                frames_sent: sum.frames_sent,
                bytes_sent: sum.bytes_sent,
                first_seen: sum.first_seen,
                last_seen: sum.last_seen,
            });
        let rows = rows.filter(takes).map(|row| (sort.place(&row), row));
        let (items, next) = page(rows.collect(), order, paging)?;
        Ok(Page { tier: moment.tier(), items, next, truncated })
    }
}
