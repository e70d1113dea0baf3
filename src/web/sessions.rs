//! Who has logged in: sessions in memory, bounded in number and in time. Pure: time comes in as an argument.

use super::guard::Token;
use std::time::{Duration, Instant};

/// Sessions at a time; the one that was unused longest gives way.
const MOST: usize = 100;
/// How long a session lasts that nobody uses.
pub(super) const UNUSED: Duration = Duration::from_secs(7 * 86_400);
/// How long any session lasts.
const LONGEST: Duration = Duration::from_secs(30 * 86_400);

#[derive(Default)]
pub(super) struct Sessions(Vec<Session>);

struct Session {
    /// Kept as a hash, so that comparing takes no time that depends on the secret.
    secret: Token,
    begun: Instant,
    used: Instant,
}

impl Session {
    fn is_over(&self, now: Instant) -> bool {
        let since = |time: Instant| now.saturating_duration_since(time);
        since(self.used) > UNUSED || since(self.begun) > LONGEST
    }
}

impl Sessions {
    /// A new session at `now`; its secret, which only its owner gets.
    pub(super) fn begin(&mut self, now: Instant) -> String {
        self.0.retain(|session| !session.is_over(now));
        while self.0.len() >= MOST
            && let Some((unused, _)) = self.0.iter().enumerate().min_by_key(|(_, session)| session.used)
        {
            self.0.swap_remove(unused);
        }
        // Each has 122 random bits of the system's generator.
        let secret = format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple());
        self.0.push(Session { secret: Token::new(&secret), begun: now, used: now });
        secret
    }

    /// Whether there is a session with this secret at `now`; it is used by that.
    pub(super) fn is_open(&mut self, secret: &str, now: Instant) -> bool {
        let session = self.0.iter_mut().find(|session| session.secret.is(secret) && !session.is_over(now));
        session.map(|session| session.used = now).is_some()
    }

    /// Ends the session with this secret.
    pub(super) fn end(&mut self, secret: &str) {
        self.0.retain(|session| !session.secret.is(secret));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_end_by_themselves_and_by_hand() {
        let (mut sessions, start) = (Sessions::default(), Instant::now());
        let day = |n: u64| start + Duration::from_secs(n * 86_400);
        let (used, unused, ended) = (sessions.begin(start), sessions.begin(start), sessions.begin(start));
        assert!(used != unused && used.len() == 64);
        sessions.end(&ended);
        assert!(!sessions.is_open(&ended, start) && !sessions.is_open("", start));
        for n in 1..=30 {
            assert!(sessions.is_open(&used, day(n)), "day {n}");
        }
        assert!(!sessions.is_open(&unused, day(8)));
        assert!(!sessions.is_open(&used, day(31)), "no session lasts for ever");
    }

    #[test]
    fn there_are_so_many_and_the_longest_unused_goes() {
        let (mut sessions, start) = (Sessions::default(), Instant::now());
        let all: Vec<String> = (0..=100).map(|n| sessions.begin(start + Duration::from_secs(n))).collect();
        let now = start + Duration::from_secs(200);
        assert!(!sessions.is_open(&all[0], now) && sessions.is_open(&all[1], now));
        assert_eq!(sessions.0.len(), MOST);
    }
}
