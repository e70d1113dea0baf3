//! Where a registry file is from, as it may be stored and shown: an address without user, password, query and fragment,
//! where secrets are. Pure.

use std::borrow::Cow;

/// Whether `place` is an address and not a file's path.
#[must_use]
pub fn is_address(place: &str) -> bool {
    let begins = |scheme: &str| place.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    place.contains("://") || begins("http:") || begins("https:")
}

/// `place` as it may be stored and shown: of an address, scheme, host, port and path; a file's path as it is.
///
/// An address may be malformed, its password with an unescaped `/`, `?` or `#` in it. Where an `@` stands behind what
/// looks like the host, and may be the end of such a password, nothing but the scheme is left: in a query or fragment
/// always, in a path unless the host is a plain name with a dot.
#[must_use]
pub fn shown(place: &str) -> Cow<'_, str> {
    if !is_address(place) {
        return place.into();
    }
    let (scheme, rest) = place.split_once("://").or_else(|| place.split_once(':')).unwrap_or((place, ""));
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    if !is_scheme {
        return "…".into();
    }
    let rest = rest.trim_start_matches(['/', '\\']);
    let (before, after) = rest.split_at(rest.find(['?', '#']).unwrap_or(rest.len()));
    let (authority, path) = before.split_at(before.find(['/', '\\']).unwrap_or(before.len()));
    let host = authority.rsplit('@').next().unwrap_or_default();
    let is_plain = host == authority && !host.contains(':') && host.contains('.');
    if after.contains('@') || path.contains('@') && !is_plain {
        return format!("{scheme}://…").into();
    }
    let shown = format!("{scheme}://{host}{path}");
    if shown == place { place.into() } else { shown.into() }
}

/// Whether `place` is an address that says more than may be stored and shown.
#[must_use]
pub fn is_secret(place: &str) -> bool {
    shown(place) != place
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_address_loses_what_may_be_secret_and_nothing_else() {
        for (place, expected) in [
            ("/usr/share/wireshark/manuf", "/usr/share/wireshark/manuf"),
            ("a?b#c@d", "a?b#c@d"),
            ("https://example.org/oui.csv", "https://example.org/oui.csv"),
            ("https://example.org:8443/@scope/oui.csv", "https://…"),
            ("https://example.org/@scope/oui.csv", "https://example.org/@scope/oui.csv"),
            ("https://me:pw@example.org:8443/oui.csv?token=t#f", "https://example.org:8443/oui.csv"),
            ("https://me@[2001:db8::1]/x", "https://[2001:db8::1]/x"),
            ("https://me:p@w@example.org", "https://example.org"),
            ("https://example.org?token=t", "https://example.org"),
            ("https:me:pw@example.org/x", "https://example.org/x"),
            ("HTTPS:\\\\me:pw@example.org\\x", "HTTPS://example.org\\x"),
            ("https://me:p/w@example.org/x", "https://…"),
            ("https://me:p?w@example.org/x", "https://…"),
            ("https://me:1#w@example.org/x", "https://…"),
            ("me:pw@https://example.org/x", "…"),
        ] {
            assert_eq!(shown(place), expected);
            assert_eq!(is_secret(place), place != expected);
        }
    }

    proptest! {
        /// By whoever's reading of the address, its user, password, query and fragment are gone.
        #[test]
        fn no_part_that_may_be_secret_is_left(
            user in "u[a-z:/?#@%]{0,6}S3CR3T[a-z:/?#@]{0,6}",
            path in "(/[a-z0-9.@]{1,6}){0,3}",
            query in prop::option::of("[a-z=&/@#]{0,6}S3CR3T"),
        ) {
            let query = query.map(|query| format!("?{query}")).unwrap_or_default();
            let place = format!("https://{user}@example.org{path}{query}");
            let said = shown(&place).into_owned();
            prop_assert!(!said.contains("S3CR3T"), "{place} is shown as {said}");
            prop_assert_eq!(shown(&said), said.as_str());
        }
    }
}
