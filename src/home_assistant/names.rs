//! Identifiers of letters, digits, `-` and `_`, as Home Assistant's topics have them. Different names give different ones.

/// One name: letters, digits and `-` stay, any other octet becomes `_` and its two hexadecimal digits.
#[must_use]
pub fn id(name: &str) -> String {
    let octet = |octet: u8| match octet {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' => char::from(octet).to_string(),
        other => format!("_{other:02x}"),
    };
    name.bytes().map(octet).collect()
}

/// Several, joined by what none of them has.
#[must_use]
pub fn joined(names: &[&str]) -> String {
    names.iter().map(|name| id(name)).collect::<Vec<_>>().join("__")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn usual_names_can_be_read() {
        assert_eq!(joined(&["airtally", "home", "attic-2"]), "airtally__home__attic-2");
        assert_eq!(id("Oma's phone"), "Oma_27s_20phone");
    }

    proptest! {
        #[test]
        fn no_two_sensors_share_one(a in "\\PC{1,6}", b in "\\PC{1,6}", c in "\\PC{1,6}", d in "\\PC{1,6}") {
            let (one, other) = (joined(&[&a, &b]), joined(&[&c, &d]));
            prop_assert_eq!(one == other, (a, b) == (c, d));
            prop_assert!(one.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-_".contains(&octet)));
        }
    }
}
