//! How well a sensor hears, as alerts: that it is deaf, or listens to little of the time. Pure: windows in, news out.

use crate::{
    UnixNanos,
    alert::News,
    tally::Closed,
    wire::{Alert, AlertClass, Evidence, Severity},
};
use std::{collections::BTreeMap, time::Duration};

/// Deaf for so long is told: a card that is healed comes back sooner.
const DEAF_FOR: Duration = Duration::from_secs(60);
/// So little of the time, for so long, is told; as much for as long ends it.
const LOW_FOR: Duration = Duration::from_secs(300);
const LOW_PERCENT: u128 = 50;

/// What is wrong for now, and for how long.
#[derive(Debug)]
struct Trouble {
    kind: &'static str,
    severity: Severity,
    patience: Duration,
    /// How long it has to be well before it has ended.
    calm: Duration,
    /// Since when, until when, of that listened to and not; whether it is told.
    now: Option<Spell>,
}

#[derive(Clone, Copy, Debug)]
struct Spell {
    start: UnixNanos,
    /// The end of the last bad window.
    end: UnixNanos,
    listened: Duration,
    missed: Duration,
    is_told: bool,
}

/// What is known of one window.
#[derive(Clone, Copy, Debug)]
struct Heard {
    start: UnixNanos,
    end: UnixNanos,
    listened: Duration,
    missed: Duration,
}

impl Trouble {
    const fn new(kind: &'static str, severity: Severity, patience: Duration, calm: Duration) -> Self {
        Self { kind, severity, patience, calm, now: None }
    }

    fn alert(&self, sensor: &str, spell: &Spell, is_over: bool) -> Alert {
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let all = spell.listened.saturating_add(spell.missed).as_millis().max(1);
        let percent = i64::try_from(spell.listened.as_millis() * 100 / all).unwrap_or(100);
        Alert {
            kind: self.kind.into(),
            class: AlertClass::Mine,
            severity: self.severity,
            subject: sensor.to_owned(),
            start: spell.start,
            end: is_over.then_some(spell.end),
            frames: 0,
            evidence: BTreeMap::from([("listened_percent".to_owned(), Evidence::Number(percent))]),
            listened_ms: Some(millis(spell.listened)),
            not_watched_ms: millis(spell.missed),
        }
    }

    fn window(&mut self, sensor: &str, is_bad: bool, heard: Heard) -> Option<(News, Alert)> {
        match (&mut self.now, is_bad) {
            (None, false) => None,
            (now, true) => {
                let new = Spell {
                    start: heard.start,
                    end: heard.end,
                    listened: Duration::ZERO,
                    missed: Duration::ZERO,
                    is_told: false,
                };
                let spell = now.get_or_insert(new);
                spell.end = heard.end;
                spell.listened = spell.listened.saturating_add(heard.listened);
                spell.missed = spell.missed.saturating_add(heard.missed);
                if spell.is_told || spell.end.saturating_since(spell.start) < self.patience {
                    return None;
                }
                spell.is_told = true;
                let spell = *spell;
                Some((News::Opened, self.alert(sensor, &spell, false)))
            }
            (Some(spell), false) => {
                let spell = *spell;
                if spell.is_told && heard.end.saturating_since(spell.end) < self.calm {
                    return None;
                }
                self.now = None;
                spell.is_told.then(|| (News::Ended, self.alert(sensor, &spell, true)))
            }
        }
    }

    fn finish(&mut self, sensor: &str) -> Option<(News, Alert)> {
        let spell = self.now.take().filter(|spell| spell.is_told)?;
        Some((News::Ended, self.alert(sensor, &spell, true)))
    }
}

/// Watches how well the sensor hears.
#[derive(Debug)]
pub struct Hearing {
    /// The sensor's name: it is the subject.
    sensor: String,
    troubles: [Trouble; 2],
}

impl Hearing {
    /// Before the first window of `sensor`.
    #[must_use]
    pub fn new(sensor: &str) -> Self {
        let troubles = [
            Trouble::new("sensor_deaf", Severity::High, DEAF_FOR, Duration::ZERO),
            Trouble::new("coverage_low", Severity::Low, LOW_FOR, LOW_FOR),
        ];
        Self { sensor: sensor.to_owned(), troubles }
    }

    /// A window is over. Nothing is known where the radio is not ours to tune.
    pub fn window(&mut self, closed: &Closed) -> Vec<(News, Alert)> {
        let capture = &closed.contents.capture;
        if capture.off_ms.is_none() {
            return Vec::new();
        }
        let length = closed.end.saturating_since(closed.start);
        let listened = closed.contents.channels.iter().filter_map(|channel| channel.listened_ms);
        let listened = Duration::from_millis(listened.fold(0, u64::saturating_add)).min(length);
        let heard = Heard { start: closed.start, end: closed.end, listened, missed: length.saturating_sub(listened) };
        let is_low = listened.as_millis() * 100 < length.as_millis() * LOW_PERCENT;
        let Self { sensor, troubles: [deaf, low] } = self;
        let news = [deaf.window(sensor, listened.is_zero(), heard), low.window(sensor, is_low, heard)];
        news.into_iter().flatten().collect()
    }

    /// Nobody listens any longer, or times are others from here on: what is open ends.
    pub fn finish(&mut self) -> Vec<(News, Alert)> {
        let Self { sensor, troubles } = self;
        troubles.iter_mut().filter_map(|trouble| trouble.finish(sensor)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Capture, Channel, Contents};

    fn window(n: i64, listened_ms: Option<u64>) -> Closed {
        let channel = |ms| Channel { freq_mhz: 2_412, listened_ms: Some(ms), frames: 0, bytes: 0 };
        let capture = Capture { off_ms: listened_ms.map(|ms| 10_000 - ms), ..Capture::default() };
        Closed {
            start: UnixNanos::new(10 * n, 0),
            end: UnixNanos::new(10 * n + 10, 0),
            contents: Contents {
                capture,
                channels: listened_ms.map(channel).into_iter().collect(),
                ..Contents::default()
            },
            tracker: None,
            naming: None,
            is_cut: false,
        }
    }

    fn told(listened: &[Option<u64>]) -> Vec<(i64, String, bool, i64)> {
        let mut hearing = Hearing::new("attic");
        let mut told = Vec::new();
        for (n, ms) in (0..).zip(listened) {
            for (_, alert) in hearing.window(&window(n, *ms)) {
                told.push((n, alert.kind, alert.end.is_some(), alert.start.0 / 1_000_000_000));
            }
        }
        told
    }

    #[test]
    fn deafness_is_told_after_a_minute_and_ends_with_the_first_sound() {
        let mut listened = vec![Some(9_000); 3];
        listened.extend([Some(0); 5]);
        listened.push(Some(9_000));
        listened.extend([Some(0); 7]);
        listened.push(Some(9_000));
        let deaf: Vec<_> = told(&listened).into_iter().filter(|alert| alert.1 == "sensor_deaf").collect();
        assert_eq!(deaf, [(14, "sensor_deaf".into(), false, 90), (16, "sensor_deaf".into(), true, 90)]);
    }

    #[test]
    fn little_of_the_time_is_told_after_five_minutes_and_of_other_radios_nothing() {
        let mut listened = vec![Some(4_000); 31];
        listened.extend([Some(9_000); 40]);
        let low = told(&listened);
        assert_eq!(low, [(29, "coverage_low".into(), false, 0), (60, "coverage_low".into(), true, 0)]);
        assert_eq!(told(&[None; 100]), []);
    }
}
