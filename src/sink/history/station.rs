//! What is known of one station over any stretch of time, and how two such sums become one.

use super::counts::plus;
use crate::{
    UnixNanos,
    wire::{Address, Role, Signal},
};
use serde::{Deserialize, Serialize};

/// Network names and frequencies that are kept of a station in a sum, at most.
const MOST_NAMES: usize = 32;

/// Signal strength as sums: exact in whatever order they are added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SignalSum {
    pub min: i8,
    pub max: i8,
    /// Frames that reported one.
    pub frames: u64,
    /// Tenths of a dBm, summed over these frames.
    pub tenths: i64,
}

impl SignalSum {
    #[allow(clippy::cast_possible_truncation)] // Of a mean between -128 and 127.
    pub fn of(signal: &Signal) -> Self {
        let frames = i64::try_from(signal.frames).unwrap_or(i64::MAX);
        let tenths = ((signal.mean * 10.0).round() as i64).saturating_mul(frames);
        Self { min: signal.min, max: signal.max, frames: signal.frames, tenths }
    }

    fn add(&mut self, other: &Self) {
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.frames = self.frames.saturating_add(other.frames);
        self.tenths = self.tenths.saturating_add(other.tenths);
    }

    /// As the batch writes it.
    #[allow(clippy::cast_precision_loss)] // A mean, rounded to tenths.
    pub fn signal(&self) -> Signal {
        let mean = if self.frames == 0 { 0.0 } else { (self.tenths as f64 / self.frames as f64).round() / 10.0 };
        Signal { min: self.min, mean, max: self.max, frames: self.frames }
    }
}

/// One station's sums.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StationSum {
    pub vendor: Option<String>,
    pub randomised: bool,
    pub tracked: bool,
    pub role: Role,
    pub windows: u64,
    pub frames_sent: u64,
    pub bytes_sent: u64,
    pub frames_received: u64,
    pub management: u64,
    pub control: u64,
    pub data: u64,
    pub retries: u64,
    pub signal: Option<SignalSum>,
    pub freqs_mhz: Vec<u16>,
    pub bssid: Option<Address>,
    pub ssids: Vec<String>,
    pub security: Option<String>,
    pub channel: Option<u8>,
    pub width_mhz: Option<u16>,
    pub first_seen: UnixNanos,
    pub last_seen: UnixNanos,
}

impl StationSum {
    /// Sums add up; of what changes with time, the later one holds.
    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in [
            (&mut self.windows, other.windows),
            (&mut self.frames_sent, other.frames_sent),
            (&mut self.bytes_sent, other.bytes_sent),
            (&mut self.frames_received, other.frames_received),
            (&mut self.management, other.management),
            (&mut self.control, other.control),
            (&mut self.data, other.data),
            (&mut self.retries, other.retries),
        ] {
            *mine = mine.saturating_add(theirs);
        }
        match (&mut self.signal, &other.signal) {
            (Some(mine), Some(theirs)) => mine.add(theirs),
            (mine @ None, theirs) => *mine = *theirs,
            (Some(_), None) => {}
        }
        let newer = other.last_seen > self.last_seen;
        // An access point is one, whatever else it was seen doing.
        let takes_role = other.role == Role::AccessPoint || newer && other.role != Role::Unknown;
        if self.role == Role::Unknown || takes_role && self.role != Role::AccessPoint {
            self.role = other.role;
        }
        later(&mut self.vendor, &other.vendor, newer);
        later(&mut self.bssid, &other.bssid, newer);
        later(&mut self.security, &other.security, newer);
        later(&mut self.channel, &other.channel, newer);
        later(&mut self.width_mhz, &other.width_mhz, newer);
        self.tracked |= other.tracked;
        unite(&mut self.freqs_mhz, &other.freqs_mhz);
        unite(&mut self.ssids, &other.ssids);
        self.first_seen = self.first_seen.min(other.first_seen);
        self.last_seen = self.last_seen.max(other.last_seen);
    }
}

fn later<T: Clone>(mine: &mut Option<T>, theirs: &Option<T>, newer: bool) {
    if theirs.is_some() && (newer || mine.is_none()) {
        mine.clone_from(theirs);
    }
}

fn unite<T: Clone + Ord>(mine: &mut Vec<T>, theirs: &[T]) {
    for one in theirs {
        if let Err(at) = mine.binary_search(one)
            && mine.len() < MOST_NAMES
        {
            mine.insert(at, one.clone());
        }
    }
}

/// One frequency's sums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ChannelSum {
    pub listened_ms: Option<u64>,
    pub frames: u64,
    pub bytes: u64,
}

impl ChannelSum {
    pub fn add(&mut self, other: &Self) {
        self.listened_ms = plus(self.listened_ms, other.listened_ms);
        self.frames = self.frames.saturating_add(other.frames);
        self.bytes = self.bytes.saturating_add(other.bytes);
    }
}

/// One vendor's sums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct VendorSum {
    /// Rows of stations: one for each station and window.
    pub stations: u64,
    pub frames_sent: u64,
    pub bytes_sent: u64,
}

impl VendorSum {
    pub fn add(&mut self, other: &Self) {
        self.stations = self.stations.saturating_add(other.stations);
        self.frames_sent = self.frames_sent.saturating_add(other.frames_sent);
        self.bytes_sent = self.bytes_sent.saturating_add(other.bytes_sent);
    }
}
