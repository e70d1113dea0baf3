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

/// The octets of a name that [`ssid_text`] wrote; `None` for text that it never writes: a backslash before anything but
/// another, or `x` and two hexadecimal digits.
#[must_use]
pub fn ssid_octets(text: &str) -> Option<Vec<u8>> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        octets.extend_from_slice(rest.get(..at)?.as_bytes());
        let escaped = rest.get(at + 1..)?;
        match escaped.strip_prefix('x') {
            Some(hex) => {
                let digits = hex.get(..2).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
                octets.push(u8::from_str_radix(digits, 16).ok()?);
                rest = hex.get(2..)?;
            }
            None => {
                rest = escaped.strip_prefix('\\')?;
                octets.push(b'\\');
            }
        }
    }
    octets.extend_from_slice(rest.as_bytes());
    Some(octets)
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

    #[test]
    fn writes_names_as_a_person_reads_them() {
        assert_eq!(ssid_text("Café 5 GHz".as_bytes()), "Café 5 GHz");
        assert_eq!(ssid_text(b"a\\x00"), "a\\\\x00");
        assert_eq!(ssid_text(b"a\x00\n\xff"), "a\\x00\\x0a\\xff");
        assert_eq!(ssid_text("\u{85}".as_bytes()), "\\xc2\\x85");
        assert_eq!(ssid_text(b""), "");
    }

    #[test]
    fn a_lone_backslash_is_nobodys_name() {
        for text in ["\\", "a\\n", "\\x1", "\\xg0", "\\x+1", "\\xé"] {
            assert_eq!(ssid_octets(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_two_names_have_one_text(name in proptest::collection::vec(any::<u8>(), 0..=32)) {
            let text = ssid_text(&name);
            prop_assert!(!text.chars().any(char::is_control));
            prop_assert_eq!(ssid_octets(&text), Some(name));
        }

        #[test]
        fn nor_names_full_of_backslashes(name in "[\\\\x0-9a-f\u{0}\u{85}é]{0,16}") {
            prop_assert_eq!(ssid_octets(&ssid_text(name.as_bytes())), Some(name.into_bytes()));
        }
    }
}
