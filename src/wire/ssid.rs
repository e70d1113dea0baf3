//! Network names as text. An SSID is up to 32 arbitrary octets (IEEE 802.11-2020, 9.4.2.2); JSON carries text.

use std::fmt::Write as _;

/// The SSID as text, so that different octets always give different text: UTF-8 stays as it is, control
/// characters and octets that are not UTF-8 become `\xNN`, and a backslash becomes `\\`.
#[must_use]
pub fn ssid_text(octets: &[u8]) -> String {
    let mut text = String::with_capacity(octets.len());
    for chunk in octets.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\\' => text.push_str("\\\\"),
                control if control.is_control() => escape(&mut text, control.encode_utf8(&mut [0; 4]).as_bytes()),
                plain => text.push(plain),
            }
        }
        escape(&mut text, chunk.invalid());
    }
    text
}

fn escape(text: &mut String, octets: &[u8]) {
    for octet in octets {
        let _ = write!(text, "\\x{octet:02x}"); // Writing to a String cannot fail.
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    /// Reads the text back; that it can be read at all is what makes the writing injective.
    fn octets(text: &str) -> Vec<u8> {
        let mut octets = Vec::new();
        let mut rest = text.chars();
        while let Some(character) = rest.next() {
            if character != '\\' {
                octets.extend(character.encode_utf8(&mut [0; 4]).as_bytes());
                continue;
            }
            match rest.next() {
                Some('x') => octets.push(u8::from_str_radix(&rest.by_ref().take(2).collect::<String>(), 16).unwrap()),
                other => octets.extend(other.map(|_| b'\\')),
            }
        }
        octets
    }

    #[test]
    fn writes_names_as_a_person_reads_them() {
        assert_eq!(ssid_text("Café 5 GHz".as_bytes()), "Café 5 GHz");
        assert_eq!(ssid_text(b"a\\x00"), "a\\\\x00");
        assert_eq!(ssid_text(b"a\x00\n\xff"), "a\\x00\\x0a\\xff");
        assert_eq!(ssid_text("\u{85}".as_bytes()), "\\xc2\\x85");
        assert_eq!(ssid_text(b""), "");
    }

    proptest! {
        #[test]
        fn no_two_names_have_one_text(name in proptest::collection::vec(any::<u8>(), 0..=32)) {
            let text = ssid_text(&name);
            prop_assert!(!text.chars().any(char::is_control));
            prop_assert_eq!(octets(&text), name);
        }

        #[test]
        fn nor_names_full_of_backslashes(name in "[\\\\x0-9a-f\u{0}\u{85}é]{0,16}") {
            prop_assert_eq!(octets(&ssid_text(name.as_bytes())), name.as_bytes());
        }
    }
}
