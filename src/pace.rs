//! How often to try, to answer and to log: backoff, a token bucket, a log that does not repeat itself. Time comes in
//! as an argument; knows nothing of who uses it.

use std::time::{Duration, Instant};

/// The shortest pause between two attempts, whatever the dice say.
const FLOOR: Duration = Duration::from_millis(100);
/// How often the same thing is said.
const MINUTE: Duration = Duration::from_secs(60);

/// Exponential backoff.
#[derive(Clone, Debug)]
pub struct Backoff {
    base: Duration,
    max: Duration,
    failures: u32,
}

impl Backoff {
    /// Pauses of `base`, doubled at each failure up to `max`.
    #[must_use]
    pub const fn new(base: Duration, max: Duration) -> Self {
        Self { base, max, failures: 0 }
    }

    /// Forgets the failures.
    pub const fn reset(&mut self) {
        self.failures = 0;
    }

    /// Counts a failure; how long to pause after it.
    pub fn pause(&mut self) -> Duration {
        let pause = self.base.saturating_mul(1_u32.checked_shl(self.failures).unwrap_or(u32::MAX)).min(self.max);
        self.failures = self.failures.saturating_add(1).min(31);
        pause
    }

    /// As [`Self::pause`], with full jitter: anything from nothing to the whole pause, so that a thousand clients
    /// do not come back to a restarted server at the same moment.
    pub fn jittered(&mut self) -> Duration {
        self.pause().mul_f64(dice()).max(FLOOR)
    }

    /// As [`Self::pause`], with its upper half jittered: each pause is no shorter than the one before, where a server
    /// must not be asked again too soon.
    pub fn spread(&mut self) -> Duration {
        self.pause().mul_f64(0.5 + dice() / 2.0)
    }
}

/// A number from 0 to 1, both included.
fn dice() -> f64 {
    // The low 32 bits of a version 4 UUID are random: no need for a random number crate of our own.
    f64::from(uuid::Uuid::new_v4().as_u128() as u32) / f64::from(u32::MAX)
}

/// A token bucket: so many at once, and so many a second in the long run.
#[derive(Debug)]
pub struct Bucket {
    burst: f64,
    per_second: f64,
    tokens: f64,
    filled: Instant,
}

impl Bucket {
    /// Full at `now`.
    #[must_use]
    pub fn new(burst: u32, per_second: f64, now: Instant) -> Self {
        Self { burst: f64::from(burst), per_second, tokens: f64::from(burst), filled: now }
    }

    /// Takes `tokens` if there are as many.
    ///
    /// # Errors
    /// The time until there are, if nobody else takes any.
    pub fn take(&mut self, tokens: u32, now: Instant) -> Result<(), Duration> {
        self.tokens = self.at(now);
        self.filled = now;
        let missing = f64::from(tokens) - self.tokens;
        if missing > 0.0 {
            return Err(Duration::try_from_secs_f64(missing / self.per_second).unwrap_or(Duration::MAX));
        }
        self.tokens -= f64::from(tokens);
        Ok(())
    }

    /// Whether it is as full as it can be at `now`.
    #[must_use]
    pub fn is_full(&self, now: Instant) -> bool {
        self.at(now) >= self.burst
    }

    /// The tokens that there are at `now`.
    fn at(&self, now: Instant) -> f64 {
        let gained = now.saturating_duration_since(self.filled).as_secs_f64() * self.per_second;
        (self.tokens + gained).min(self.burst)
    }
}

/// What is said once a minute at most. Counts the times in between.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seldom {
    said: Option<Instant>,
    kept_back: u64,
}

impl Seldom {
    /// How many times it now stands for, this one included; none while it was said less than a minute ago.
    pub fn due(&mut self, now: Instant) -> Option<u64> {
        if self.said.is_some_and(|said| now.saturating_duration_since(said) < MINUTE) {
            self.kept_back += 1;
            return None;
        }
        Some(self.say(now) + 1)
    }

    /// It is said at `now`, whenever it was said before; how often it was kept back meanwhile.
    fn say(&mut self, now: Instant) -> u64 {
        self.said = Some(now);
        std::mem::take(&mut self.kept_back)
    }
}

/// Lets a message through when it is new, or the last one like it is a minute old.
#[derive(Debug, Default)]
pub struct Quiet {
    last: Option<String>,
    seldom: Seldom,
}

impl Quiet {
    /// The message to log now, if any; what was held back in between is counted in it.
    pub fn pass(&mut self, message: &str, now: Instant) -> Option<String> {
        let kept_back = if self.last.as_deref() == Some(message) {
            self.seldom.due(now)? - 1
        } else {
            self.last = Some(message.to_owned());
            self.seldom.say(now)
        };
        Some(match kept_back {
            0 => message.to_owned(),
            1 => format!("{message} (before this, one message like the last one was not logged)"),
            times => format!("{message} (before this, {times} messages like the last one were not logged)"),
        })
    }

    /// Forgets, so that the same message is news again.
    pub fn reset(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn pauses_double_up_to_the_maximum() {
        let mut backoff = Backoff::new(SECOND, SECOND * 60);
        let pauses: Vec<u64> = (0..9).map(|_| backoff.pause().as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        backoff.reset();
        assert_eq!(backoff.pause(), SECOND);
    }

    #[test]
    fn a_bucket_grants_its_burst_then_its_rate() {
        let start = Instant::now();
        let mut bucket = Bucket::new(10, 1.0, start);
        let mut granted = |at| (0..20).filter(|_| bucket.take(1, at).is_ok()).count();
        assert_eq!(granted(start), 10);
        assert_eq!(granted(start + SECOND / 2), 0);
        assert_eq!(granted(start + SECOND * 3), 3);
        assert_eq!(granted(start + SECOND * 1000), 10);
        assert_eq!(bucket.take(2, start + SECOND * 1000), Err(SECOND * 2));
        assert!(!bucket.is_full(start + SECOND * 1009) && bucket.is_full(start + SECOND * 1010));
    }

    #[test]
    fn the_same_message_is_logged_once_a_minute() {
        let start = Instant::now();
        let mut quiet = Quiet::default();
        assert_eq!(quiet.pass("no", start), Some("no".into()));
        assert_eq!(quiet.pass("no", start + SECOND), None);
        assert_eq!(quiet.pass("no", start + SECOND * 2), None);
        let later = quiet.pass("no", start + SECOND * 60).unwrap_or_default();
        assert!(later.starts_with("no (") && later.contains('2'), "{later}");
        assert_eq!(quiet.pass("other", start + SECOND * 61), Some("other".into()));
    }

    #[test]
    fn what_is_said_seldom_is_counted() {
        let (mut seldom, start) = (Seldom::default(), Instant::now());
        assert_eq!(seldom.due(start), Some(1));
        assert_eq!(seldom.due(start + SECOND * 59), None);
        assert_eq!(seldom.due(start + SECOND * 60), Some(2));
        assert_eq!(seldom.due(start + SECOND * 120), Some(1));
    }

    proptest! {
        #[test]
        fn jitter_stays_between_the_floor_and_the_pause(failures in 0u32..40, max in 1u64..3600) {
            let mut backoff = Backoff::new(SECOND, Duration::from_secs(max));
            for _ in 0..failures {
                backoff.pause();
            }
            let full = backoff.clone().pause();
            let spread = backoff.clone().spread();
            prop_assert!(spread >= full / 2 && spread <= full, "{spread:?} of {full:?}");
            let pause = backoff.jittered();
            prop_assert!(pause >= FLOOR && pause <= full, "{pause:?} of {full:?}");
        }
    }
}
