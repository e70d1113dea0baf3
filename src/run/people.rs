//! The meter of people as a configuration asks for it, with keys that nobody else has.

use super::identity;
use crate::{
    config::Sensor,
    people::{Key, Meter},
};

/// A meter by `[people]` and the devices that are ignored. Whether that is enabled is for others to ask.
#[must_use]
pub fn meter(config: &Sensor) -> Meter {
    Meter::new(config.people.settings(&config.devices), Box::new(new_key))
}

/// A secret that is kept nowhere: 244 bits by the system's random numbers.
fn new_key() -> Key {
    let mut key = Key::default();
    for half in key.chunks_exact_mut(16) {
        half.copy_from_slice(identity::fresh().as_bytes());
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_keys_are_the_same() {
        let (one, other) = (new_key(), new_key());
        assert!(one != other && one[..16] != one[16..]);
    }
}
