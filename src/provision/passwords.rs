//! mosquitto's password file: one line a user, `NAME:$7$ROUNDS$SALT$HASH`, where the hash is PBKDF2 with HMAC-SHA512 (RFC
//! 8018, clause 5.2), and salt and hash are in base64. As mosquitto_passwd 2.0 writes it.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha512;
use std::fmt::Write as _;
use uuid::Uuid;

/// Rounds, as mosquitto_passwd 2.0 has them. The passwords are random, so that more would only cost the broker time.
const ROUNDS: u32 = 101;
/// Octets of a salt, as mosquitto 2.0 has them.
const SALT: usize = 12;

/// A password that nobody can guess: 122 random bits.
#[must_use]
pub fn fresh() -> String {
    Uuid::new_v4().simple().to_string()
}

/// The line of a user whose name has neither ':' nor a line's end.
#[must_use]
pub fn line(user: &str, password: &str) -> String {
    let random = Uuid::new_v4();
    // Two octets of a random UUID are in part its version and variant: they are left out.
    let salt: Vec<u8> = random
        .as_bytes()
        .iter()
        .enumerate()
        .filter(|(at, _)| *at != 6 && *at != 8)
        .map(|(_, o)| *o)
        .take(SALT)
        .collect();
    line_with(user, password, &salt, ROUNDS)
}

fn line_with(user: &str, password: &str, salt: &[u8], rounds: u32) -> String {
    let hash = pbkdf2_block(password.as_bytes(), salt, rounds);
    format!("{user}:$7${rounds}${}${}", base64(salt), base64(&hash))
}

/// The user of a line of the file.
#[must_use]
pub fn user(line: &str) -> Option<&str> {
    let (user, _) = line.split_once(':').filter(|(user, _)| !user.starts_with('#'))?;
    Some(user)
}

/// The first block of PBKDF2 with HMAC-SHA512, which is the 64 octets that mosquitto keeps.
fn pbkdf2_block(password: &[u8], salt: &[u8], rounds: u32) -> [u8; 64] {
    let Ok(keyed) = Hmac::<Sha512>::new_from_slice(password) else { return [0; 64] };
    let sum = |parts: &[&[u8]]| -> [u8; 64] {
        let mut mac = keyed.clone();
        parts.iter().for_each(|part| mac.update(part));
        mac.finalize().into_bytes().into()
    };
    let mut last = sum(&[salt, &1_u32.to_be_bytes()]);
    let mut block = last;
    for _ in 1..rounds {
        last = sum(&[&last]);
        block.iter_mut().zip(last).for_each(|(to, from)| *to ^= from);
    }
    block
}

/// RFC 4648, clause 4.
fn base64(octets: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in octets.chunks(3) {
        let octet = |at: usize| u32::from(three.get(at).copied().unwrap_or(0));
        let bits = octet(0) << 16 | octet(1) << 8 | octet(2);
        for place in 0..4 {
            let letter = ALPHABET.get((bits >> (18 - 6 * place) & 63) as usize).copied().unwrap_or(b'=');
            let _ = text.write_char(if place <= three.len() { char::from(letter) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_what_others_compute() {
        // Python 3.11: base64.b64encode(hashlib.pbkdf2_hmac('sha512', b'password', b'saltSALTsalt', N))
        assert_eq!(
            line_with("u", "password", b"saltSALTsalt", 1),
            "u:$7$1$c2FsdFNBTFRzYWx0$izWpR9h69TGaBZLIxorvd+vIbiKEv738BzPrITvLYhiOMO+Jy8NtYPiOdW2TShlpMUDCT+BfHr46PNugRvbiQg=="
        );
        assert_eq!(
            line_with("home/attic", "password", b"saltSALTsalt", 101),
            "home/attic:$7$101$c2FsdFNBTFRzYWx0$7FLDdbtdR4AqiPCWKQccG8thFgKWWKmN7n1u9DshF6X93J8hl970jcSk1xLZ9qJ+KP9mYriK48bAkcTA1QP1gg=="
        );
    }

    #[test]
    fn base64_is_padded() {
        for (octets, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")] {
            assert_eq!(base64(octets.as_bytes()), text);
        }
    }

    #[test]
    fn every_password_and_salt_is_another() {
        assert_ne!(fresh(), fresh());
        assert_eq!(fresh().len(), 32);
        assert_ne!(line("u", "p"), line("u", "p"));
        assert_eq!(user(&line("home/attic", "p")), Some("home/attic"));
        assert_eq!((user("# a: comment"), user("")), (None, None));
    }
}
