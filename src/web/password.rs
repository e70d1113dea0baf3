//! The password of the page: kept as what Argon2id makes of it, tried seldom and one at a time. Knows no routes.

use super::seats::network;
use crate::pace::{Bucket, Seldom};
use argon2::{
    Argon2,
    password_hash::{PasswordHasher as _, PasswordVerifier as _, phc::PasswordHash},
};
use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// The shortest password that is taken, in characters.
pub const SHORTEST: usize = 8;
/// The longest one, in octets.
pub const LONGEST: usize = 1_024;
/// Attempts of one client at once, and how many it gains in a second.
const OF_ONE: (u32, f64) = (5, 1.0 / 30.0);
/// Attempts of all clients at once, and how many they gain in a second.
const OF_ALL: (u32, f64) = (60, 1.0);
/// Clients remembered; those that have not tried for long are forgotten first.
const MAX_CLIENTS: usize = 1_000;
/// Memory that a hash may ask for, in KiB, and passes over it: a file must not stop the server.
const MOST_MEMORY: u32 = 256 << 10;
const MOST_PASSES: u32 = 20;

/// A password, hashed.
pub struct Password {
    hash: PasswordHash,
    tries: Mutex<Tries>,
    /// One attempt at a time: each takes tens of megabytes and a good part of a second on a small machine.
    one: Mutex<()>,
}

struct Tries {
    all: Bucket,
    clients: HashMap<IpAddr, Bucket>,
    refused: Seldom,
    wrong: Seldom,
}

/// What became of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// It was the password.
    Right,
    /// It was not.
    Wrong,
    /// It was not looked at: too many before it. When to come back.
    TooMany(Duration),
}

/// Hashes a password for the password file, with a salt of its own.
///
/// # Errors
/// Why that password is not taken.
pub fn hash(password: &str) -> Result<String, String> {
    if password.chars().count() < SHORTEST {
        return Err(format!("the password is shorter than {SHORTEST} characters"));
    }
    if password.len() > LONGEST {
        return Err(format!("the password is longer than {LONGEST} octets"));
    }
    let hashed = Argon2::default().hash_password(password.as_bytes());
    hashed.map(|hash| hash.to_string()).map_err(|error| format!("the password cannot be hashed: {error}"))
}

impl Password {
    /// The password whose hash is `line`, as `airtally ingest password` writes it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn new(line: &str) -> Result<Self, String> {
        let advice = "make the file with 'airtally ingest password FILE'";
        let hash = PasswordHash::new(line).map_err(|_| format!("it holds no hash of a password: {advice}"))?;
        let number = |name: &str| {
            hash.params.iter().find(|(id, _)| id.as_str() == name).and_then(|(_, value)| value.decimal().ok())
        };
        let is_bounded = number("m").is_some_and(|memory| memory <= MOST_MEMORY)
            && number("t").is_some_and(|passes| passes <= MOST_PASSES);
        if hash.algorithm.as_str() != "argon2id" || !is_bounded || hash.hash.is_none() {
            return Err(format!("its hash is not one of Argon2id in bounds: {advice}"));
        }
        let now = Instant::now();
        let tries = Tries {
            all: Bucket::new(OF_ALL.0, OF_ALL.1, now),
            clients: HashMap::new(),
            refused: Seldom::default(),
            wrong: Seldom::default(),
        };
        Ok(Self { hash, tries: Mutex::new(tries), one: Mutex::new(()) })
    }

    /// Tries `password` for the client `peer`. Takes a part of a second: not for the runtime's thread.
    pub fn attempt(&self, peer: IpAddr, password: &str, now: Instant) -> Attempt {
        let mut tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(wait) = tries.take(peer, now) {
            if let Some(times) = tries.refused.due(now) {
                tracing::warn!(client = %peer, times, "too many attempts at the password: they are not looked at");
            }
            return Attempt::TooMany(wait);
        }
        drop(tries);
        let one = self.one.lock().unwrap_or_else(PoisonError::into_inner);
        let is_right =
            password.len() <= LONGEST && Argon2::default().verify_password(password.as_bytes(), &self.hash).is_ok();
        drop(one);
        let mut tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
        if is_right {
            tries.clients.remove(&network(peer));
            return Attempt::Right;
        }
        if let Some(times) = tries.wrong.due(now) {
            tracing::warn!(client = %peer, times, "a wrong password");
        }
        Attempt::Wrong
    }
}

impl Tries {
    fn take(&mut self, peer: IpAddr, now: Instant) -> Result<(), Duration> {
        let key = network(peer);
        if self.clients.len() >= MAX_CLIENTS && !self.clients.contains_key(&key) {
            self.clients.retain(|_, bucket| !bucket.is_full(now));
            if self.clients.len() >= MAX_CLIENTS {
                return Err(Duration::from_secs(30));
            }
        }
        let client = self.clients.entry(key).or_insert_with(|| Bucket::new(OF_ONE.0, OF_ONE.1, now));
        client.take(1, now)?;
        self.all.take(1, now)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic, clippy::unwrap_used)]
    use super::*;

    /// Of "correct-horse", with as little work as Argon2 allows.
    fn password() -> Password {
        let params = argon2::Params::new(8, 1, 1, None).unwrap();
        let cheap = Argon2::new(argon2::Algorithm::default(), argon2::Version::default(), params);
        Password::new(&cheap.hash_password(b"correct-horse").unwrap().to_string()).unwrap()
    }

    #[test]
    fn only_the_password_is_right_and_guessing_is_slow_for_the_guesser_alone() {
        let (password, now) = (password(), Instant::now());
        let (guesser, owner) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        for _ in 0..5 {
            assert_eq!(password.attempt(guesser, "correct-hors", now), Attempt::Wrong);
        }
        let Attempt::TooMany(wait) = password.attempt(guesser, "correct-horse", now) else { panic!("a sixth attempt") };
        assert_eq!(password.attempt(owner, "correct-horse", now), Attempt::Right);
        assert_eq!(password.attempt(guesser, "correct-horse", now + wait), Attempt::Right);
        assert_eq!(password.attempt(owner, &"x".repeat(10_000), now), Attempt::Wrong);
    }

    #[test]
    fn many_guessers_together_are_bounded_too() {
        let (password, now) = (password(), Instant::now());
        let looked_at =
            (0..200_u32).filter(|n| password.attempt(IpAddr::from(n.to_be_bytes()), "guess", now) == Attempt::Wrong);
        assert_eq!(looked_at.count(), 60);
    }

    #[test]
    fn a_file_holds_one_bounded_hash() {
        let good = hash("correct-horse").unwrap();
        assert!(good.starts_with("$argon2id$v=19$m=19456,t=2,p=1$") && good != hash("correct-horse").unwrap());
        assert!(Password::new(&good).is_ok());
        let weak = good.replace("argon2id", "argon2d");
        let heavy = good.replace("m=19456", "m=4000000");
        for wrong in ["", "correct-horse", "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ", &weak, &heavy] {
            assert!(Password::new(wrong).is_err_and(|why| why.contains("airtally ingest password")), "{wrong}");
        }
        assert!(hash("short").is_err() && hash(&"x".repeat(2_000)).is_err());
    }
}
