//! Where the reader is: the path and the query of the page, and links that change a part of it. The state of a view is
//! in its address and nowhere else.

use crate::web::Request;
use std::fmt::Write as _;

/// The address of a page: its path and the pairs of its query.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    path: String,
    pairs: Vec<(String, String)>,
}

impl Place {
    /// The place that `request` asks for, with the pairs of its query that are called in `known`.
    ///
    /// # Errors
    /// The name of a parameter that the view does not have, or has twice: a misspelt one should not be ignored.
    pub fn new(request: &Request, known: &[&str]) -> Result<Self, String> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for (name, value) in &request.query {
            if !known.contains(&name.as_str()) {
                return Err(format!("this view knows no '{}'", name.chars().take(64).collect::<String>()));
            }
            if pairs.iter().any(|(other, _)| other == name) {
                return Err(format!("'{name}' is given twice"));
            }
            // A form sends its empty fields too.
            if !value.trim().is_empty() {
                pairs.push((name.clone(), value.trim().to_owned()));
            }
        }
        let mut path = String::new();
        for part in &request.path {
            path.push('/');
            encode(&mut path, part);
        }
        Ok(Self { path, pairs })
    }

    /// The value of a parameter.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// The path, encoded.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The pairs whose names are not in `without`: the hidden fields of a form.
    pub fn others<'a>(&'a self, without: &'a [&'a str]) -> impl Iterator<Item = (&'a str, &'a str)> {
        let others = self.pairs.iter().filter(|(name, _)| !without.contains(&name.as_str()));
        others.map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The address of this place with some parameters set or, where there is no value, taken away.
    #[must_use]
    pub fn with(&self, changes: &[(&str, Option<&str>)]) -> String {
        self.at(&self.path, changes)
    }

    /// The same parameters, changed so, at another path.
    #[must_use]
    pub fn at(&self, path: &str, changes: &[(&str, Option<&str>)]) -> String {
        let kept = self.pairs.iter().filter(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
        let kept = kept.map(|(name, value)| (name.as_str(), value.as_str()));
        let set = changes.iter().filter_map(|(name, value)| value.map(|value| (*name, value)));
        link(path, &kept.chain(set).collect::<Vec<_>>())
    }
}

/// The address of `path`, which is encoded already, with a query.
#[must_use]
pub fn link(path: &str, pairs: &[(&str, &str)]) -> String {
    let mut text = path.to_owned();
    for (number, (name, value)) in pairs.iter().enumerate() {
        text.push(if number == 0 { '?' } else { '&' });
        encode(&mut text, name);
        text.push('=');
        encode(&mut text, value);
    }
    text
}

/// The address of what is called `item` below `folder`.
#[must_use]
pub fn below(folder: &str, item: &str) -> String {
    let mut text = format!("{folder}/");
    encode(&mut text, item);
    text
}

/// Percent-encodes all but unreserved characters (RFC 3986, section 2.3) and colons, which addresses are full of.
fn encode(out: &mut String, text: &str) {
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b':' => out.push(char::from(byte)),
            // Writing to a String cannot fail.
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::web::Method;
    use proptest::prelude::*;

    fn place(target: &str, known: &[&str]) -> Result<Place, String> {
        Place::new(&Request::new(Method::GET, target).unwrap(), known)
    }

    #[test]
    fn links_keep_what_they_do_not_change() {
        let place = place("/stations?role=client&q=a%26b&sort=&last=24h", &["role", "q", "sort", "last"]).unwrap();
        assert_eq!((place.get("q"), place.get("sort")), (Some("a&b"), None));
        assert_eq!(place.with(&[("role", None), ("sort", Some("-frames"))]), "/stations?q=a%26b&last=24h&sort=-frames");
        assert_eq!(place.at("/networks", &[("q", None), ("role", None)]), "/networks?last=24h");
        assert_eq!(place.others(&["q"]).collect::<Vec<_>>(), [("role", "client"), ("last", "24h")]);
        assert_eq!(below("/stations", "02:00:00:00:00:01"), "/stations/02:00:00:00:00:01");
    }

    #[test]
    fn what_a_view_does_not_know_is_refused() {
        assert!(place("/?rôle=1", &["role"]).is_err_and(|why| why.contains("rôle")));
        assert!(place("/?a=1&a=2", &["a"]).is_err_and(|why| why.contains("twice")));
    }

    proptest! {
        #[test]
        fn a_link_leads_to_what_it_was_made_of(item in "\\PC{1,30}", value in "\\PC{1,30}") {
            let request = Request::new(Method::GET, &link(&below("/x", &item), &[("v", &value)])).unwrap();
            prop_assert_eq!((request.item(), &request.query[0].1), (item.as_str(), &value));
        }
    }
}
