//! The alerts that are open, and what became of them since they were last told. Knows no rule.

use super::{Kind, settings::AIR, table::Run};
use crate::{
    Mac, UnixNanos,
    wire::{self, Address, AlertClass, Evidence, ssid_text},
};
use std::{collections::BTreeMap, time::Duration};

/// Alerts open at the same time, at most.
pub const MAX_OPEN: usize = 64;
/// Watched silence after which an alert has ended.
pub const QUIET: Duration = Duration::from_secs(60);
/// An alert that goes on is told again this often, at most.
const TELL_EVERY: Duration = Duration::from_secs(60);
/// Names of evidence of one alert, and values of one name, at most.
const NAMES: usize = 10;
const VALUES: usize = 8;
const MAX_SSID: usize = 32;

/// Who or what an alert is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    /// An access point or a station.
    Address(Mac),
    /// Nobody in particular.
    Air,
}

/// A piece of evidence, as it is before privacy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece {
    Number(i64),
    /// The first values met, each once.
    Numbers([i64; VALUES], usize),
    Addresses([Mac; VALUES], usize),
    /// Words, each once, parted by spaces where they are told.
    Words([&'static str; VALUES], usize),
    Ssid([u8; MAX_SSID], usize),
}

/// What was seen, by name: in no more room than this.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen([Option<(&'static str, Piece)>; NAMES]);

impl Seen {
    fn piece(&mut self, name: &'static str, new: Piece) -> Option<&mut Piece> {
        let at = self.0.iter().position(|place| place.is_none_or(|(known, _)| known == name))?;
        self.0.get_mut(at).map(|place| &mut place.get_or_insert((name, new)).1)
    }

    /// One more number is this.
    pub fn add(&mut self, name: &'static str, more: i64) {
        if let Some(Piece::Number(number)) = self.piece(name, Piece::Number(0)) {
            *number = number.saturating_add(more);
        }
    }

    /// The number is this.
    pub fn set(&mut self, name: &'static str, value: i64) {
        if let Some(piece) = self.piece(name, Piece::Number(value)) {
            *piece = Piece::Number(value);
        }
    }

    /// The number is the greatest of all.
    pub fn most(&mut self, name: &'static str, value: i64) {
        if let Some(Piece::Number(number)) = self.piece(name, Piece::Number(value)) {
            *number = value.max(*number);
        }
    }

    /// This is one of the numbers.
    pub fn among(&mut self, name: &'static str, value: impl Into<i64>) {
        let value = value.into();
        if let Some(Piece::Numbers(values, len)) = self.piece(name, Piece::Numbers([0; VALUES], 0))
            && !values.iter().take(*len).any(|known| *known == value)
            && let Some(place) = values.get_mut(*len)
        {
            (*place, *len) = (value, *len + 1);
        }
    }

    /// This is one of the addresses.
    pub fn address(&mut self, name: &'static str, mac: Mac) {
        if let Some(Piece::Addresses(values, len)) = self.piece(name, Piece::Addresses([Mac::ZERO; VALUES], 0))
            && !values.iter().take(*len).any(|known| *known == mac)
            && let Some(place) = values.get_mut(*len)
        {
            (*place, *len) = (mac, *len + 1);
        }
    }

    /// This is one of the words.
    pub fn word(&mut self, name: &'static str, word: &'static str) {
        if let Some(Piece::Words(words, len)) = self.piece(name, Piece::Words([""; VALUES], 0))
            && !words.iter().take(*len).any(|known| *known == word)
            && let Some(place) = words.get_mut(*len)
        {
            (*place, *len) = (word, *len + 1);
        }
    }

    /// The name of the network is this.
    pub fn ssid(&mut self, name: &'static str, octets: &[u8]) {
        let mut text = [0; MAX_SSID];
        let len = octets.len().min(MAX_SSID);
        text.iter_mut().zip(octets).for_each(|(to, from)| *to = *from);
        self.piece(name, Piece::Ssid(text, len));
    }

    fn numbers(&self, name: &str) -> &[i64] {
        self.0
            .iter()
            .flatten()
            .find_map(|(known, piece)| match piece {
                Piece::Numbers(values, len) if *known == name => values.get(..*len),
                _ => None,
            })
            .unwrap_or_default()
    }

    /// As privacy lets it out: `address` says how, or that it does not; `names` whether names of networks may.
    fn told(&self, address: &mut dyn FnMut(Mac) -> Option<Address>, names: bool) -> BTreeMap<String, Evidence> {
        let mut told = BTreeMap::new();
        for (name, piece) in self.0.iter().flatten() {
            let piece = match piece {
                Piece::Number(number) => Some(Evidence::Number(*number)),
                Piece::Numbers(values, len) => {
                    let mut values: Vec<i64> = values.iter().take(*len).copied().collect();
                    values.sort_unstable();
                    Some(Evidence::Numbers(values))
                }
                Piece::Addresses(values, len) => {
                    let mut values: Vec<String> =
                        values.iter().take(*len).filter_map(|mac| address(*mac)).map(|mac| mac.to_string()).collect();
                    values.sort_unstable();
                    Some(Evidence::Texts(values)).filter(|_| *len > 0 && address(Mac::ZERO).is_some())
                }
                Piece::Words(words, len) => {
                    Some(Evidence::Texts(words.iter().take(*len).map(|word| (*word).to_owned()).collect()))
                }
                Piece::Ssid(octets, len) => {
                    let octets = octets.get(..*len).unwrap_or_default();
                    Some(Evidence::Text(ssid_text(octets))).filter(|_| names)
                }
            };
            told.extend(piece.map(|piece| ((*name).to_owned(), piece)));
        }
        told
    }
}

/// The name of the evidence that says on which channels it was, in MHz.
pub const FREQS: &str = "freqs_mhz";

/// One alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alert {
    /// Which rule.
    pub kind: Kind,
    /// Whether it is one of the user's own.
    pub class: AlertClass,
    /// Whom it is about.
    pub subject: Subject,
    /// The first frame of its evidence.
    pub start: UnixNanos,
    /// The latest.
    pub last: UnixNanos,
    /// It has ended.
    pub ended: bool,
    /// Frames of its evidence.
    pub frames: u64,
    /// What was seen.
    pub seen: Seen,
    /// How long its channel was listened to since it began; `None` where nobody said.
    pub listened: Option<Duration>,
    /// How long since it began nobody watched its channel.
    pub not_watched: Duration,
}

impl Alert {
    /// As privacy lets it out: `address` gives what stands for an address, or nothing where it is withheld; `names` says
    /// whether names of networks may be told.
    #[must_use]
    pub fn told(&self, address: &mut dyn FnMut(Mac) -> Option<Address>, names: bool) -> wire::Alert {
        let subject = match self.subject {
            Subject::Address(mac) => address(mac).map_or_else(|| "withheld".to_owned(), |mac| mac.to_string()),
            Subject::Air => AIR.to_owned(),
        };
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        wire::Alert {
            kind: self.kind.name().to_owned(),
            class: self.class,
            severity: self.kind.severity(self.class),
            subject,
            start: self.start,
            end: self.ended.then_some(self.last),
            frames: self.frames,
            evidence: self.seen.told(address, names),
            listened_ms: self.listened.map(millis),
            not_watched_ms: millis(self.not_watched),
        }
    }
}

/// What became of an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// It is new.
    Opened,
    /// It goes on, with more evidence than was told.
    GoesOn,
    /// Nothing more came for a minute of watching.
    Ended,
}

/// An alert and what became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// What.
    pub news: News,
    /// The alert as it is now.
    pub alert: Alert,
}

/// A stretch of time that has passed, and what was listened to in it.
#[derive(Clone, Copy, Debug)]
pub struct Closed<'a> {
    /// Its beginning.
    pub start: UnixNanos,
    /// Its end.
    pub end: UnixNanos,
    /// How long each channel was listened to, by its frequency in MHz; `None` where nobody knows, as of a file: then it
    /// counts as watched.
    pub listened: Option<&'a [(u16, Duration)]>,
    /// Nobody watched: the sensor was away, or its radio deaf.
    pub missed: bool,
}

impl Closed<'_> {
    fn len(&self) -> Duration {
        self.end.saturating_since(self.start)
    }

    /// How long one of `freqs` was listened to, any channel where there are none.
    fn listened(&self, freqs: &[i64]) -> Option<Duration> {
        let of_it = |freq: u16| freqs.is_empty() || freqs.contains(&i64::from(freq));
        self.listened.map(|all| all.iter().filter(|(freq, _)| of_it(*freq)).map(|(_, time)| *time).sum())
    }
}

#[derive(Clone, Copy, Debug)]
struct Open {
    alert: Alert,
    quiet: Duration,
    /// When it was last told, and with how much evidence.
    told: Option<(UnixNanos, u64)>,
}

/// The open alerts.
#[derive(Debug)]
pub struct Ledger {
    open: Vec<Open>,
    expected: Vec<(Kind, Subject)>,
    /// Alerts opened, by kind.
    pub opened: [u64; Kind::ALL.len()],
    /// Evidence of alerts that are expected, in frames.
    pub silenced: u64,
    /// Evidence of alerts for which there was no room, in frames.
    pub left_out: u64,
}

impl Ledger {
    pub fn new(expected: Vec<(Kind, Subject)>) -> Self {
        Self { open: Vec::with_capacity(MAX_OPEN), expected, opened: [0; Kind::ALL.len()], silenced: 0, left_out: 0 }
    }

    /// Whether an alert is open.
    pub fn is_open(&self, kind: Kind, subject: Subject) -> bool {
        self.open.iter().any(|open| open.alert.kind == kind && open.alert.subject == subject)
    }

    /// `frames` of evidence for an alert, the first of them at `since`, the last at `time`. Opens the alert if it is not
    /// open. Gives where to say what was seen, unless the alert is not to be told.
    pub fn evidence(
        &mut self,
        kind: Kind,
        subject: Subject,
        (since, time): (UnixNanos, UnixNanos),
        frames: u64,
    ) -> Option<&mut Seen> {
        let at = self.open.iter().position(|open| open.alert.kind == kind && open.alert.subject == subject);
        let at = match at {
            Some(at) => at,
            None if self.expected.contains(&(kind, subject)) => {
                self.silenced = self.silenced.saturating_add(frames);
                return None;
            }
            None if self.open.len() >= MAX_OPEN => {
                self.left_out = self.left_out.saturating_add(frames);
                return None;
            }
            None => {
                let start = since.min(time);
                let alert = Alert {
                    kind,
                    class: kind.class(),
                    subject,
                    start,
                    last: time,
                    ended: false,
                    frames: 0,
                    seen: Seen::default(),
                    listened: None,
                    not_watched: Duration::ZERO,
                };
                if let Some(count) = self.opened.get_mut(kind as usize) {
                    *count = count.saturating_add(1);
                }
                self.open.push(Open { alert, quiet: Duration::ZERO, told: None });
                self.open.len() - 1
            }
        };
        let open = self.open.get_mut(at)?;
        open.alert.last = open.alert.last.max(time);
        open.alert.frames = open.alert.frames.saturating_add(frames);
        open.quiet = Duration::ZERO;
        Some(&mut open.alert.seen)
    }

    /// As [`Self::evidence`], of frames that belong together.
    pub fn run(&mut self, kind: Kind, subject: Subject, run: &Run, time: UnixNanos) -> Option<&mut Seen> {
        let frames = run.news(self.is_open(kind, subject));
        self.evidence(kind, subject, (run.first, time), frames)
    }

    /// An open alert is about this class, whatever its kind is usually about.
    pub fn set_class(&mut self, kind: Kind, subject: Subject, class: AlertClass) {
        let all = self.open.iter_mut().map(|open| &mut open.alert);
        all.filter(|alert| alert.kind == kind && alert.subject == subject).for_each(|alert| alert.class = class);
    }

    /// A stretch of time has passed: what became of the alerts.
    pub fn closed(&mut self, closed: &Closed<'_>) -> Vec<Change> {
        let mut changes = Vec::new();
        self.open.retain_mut(|open| {
            let Open { alert, quiet, told } = open;
            let since = closed.start.max(alert.start);
            let len = closed.end.saturating_since(since).min(closed.len());
            let listened = closed.listened(alert.seen.numbers(FREQS)).map(|time| time.min(len));
            if let Some(time) = listened {
                alert.listened = Some(alert.listened.unwrap_or_default().saturating_add(time));
            }
            let watched = !closed.missed && listened.is_none_or(|time| !time.is_zero());
            if !watched {
                alert.not_watched = alert.not_watched.saturating_add(len);
            }
            if alert.last >= closed.start {
                *quiet = closed.end.saturating_since(alert.last);
            } else if watched {
                *quiet = quiet.saturating_add(closed.len());
            }
            if told.is_none() {
                changes.push(Change { news: News::Opened, alert: *alert });
                *told = Some((closed.end, alert.frames));
            }
            if *quiet >= QUIET {
                alert.ended = true;
                changes.push(Change { news: News::Ended, alert: *alert });
                return false;
            }
            if let Some((at, frames)) = *told
                && alert.frames > frames
                && closed.end.saturating_since(at) >= TELL_EVERY
            {
                changes.push(Change { news: News::GoesOn, alert: *alert });
                *told = Some((closed.end, alert.frames));
            }
            true
        });
        changes
    }

    /// Nobody watches any longer: all end with what was seen.
    pub fn finish(&mut self) -> Vec<Change> {
        let mut changes = Vec::new();
        for Open { mut alert, told, .. } in self.open.drain(..) {
            if told.is_none() {
                changes.push(Change { news: News::Opened, alert });
            }
            alert.ended = true;
            changes.push(Change { news: News::Ended, alert });
        }
        changes
    }
}
