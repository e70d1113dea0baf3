//! `site` of `ingest.toml`: one site, a list of them, or `+` for all. Ingests divide sensors among themselves by it.

use super::topic_level;
use crate::bounds::Mistakes;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, SeqAccess, Visitor},
};
use std::fmt;

/// The word for every site.
const ALL: &str = "+";
/// Sites of one ingest, at most: it subscribes to some topics of each, at every connection.
const MOST: usize = 1_000;

/// The sites that an ingest stores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sites(Vec<String>);

impl Default for Sites {
    fn default() -> Self {
        Self::from(ALL)
    }
}

impl From<&str> for Sites {
    fn from(site: &str) -> Self {
        Self(vec![site.to_owned()])
    }
}

impl Sites {
    /// These sites.
    #[must_use]
    pub fn new(sites: impl IntoIterator<Item = String>) -> Self {
        Self(sites.into_iter().collect())
    }

    /// Their names in the configuration's order; `+` alone where it is every site.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.0
    }

    /// Whether it is every site.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.0.iter().any(|own| own == ALL)
    }

    /// Whether `site` is one of them.
    #[must_use]
    pub fn contains(&self, site: &str) -> bool {
        self.is_all() || self.0.iter().any(|own| own == site)
    }

    /// Refuses what is no site's name, a list that says a thing twice, and one that says nothing.
    pub fn check(&self, found: &mut Mistakes) {
        if self.0.is_empty() {
            found.wrong("site", "the list is empty: name a site, or give \"+\" for all");
        }
        if self.0.len() > MOST {
            found.wrong("site", format!("{} sites are more than {MOST}: divide them among more ingests", self.0.len()));
        }
        for (place, site) in self.0.iter().enumerate() {
            if self.0.iter().take(place).any(|other| other == site) {
                found.wrong("site", format!("'{site}' is in the list twice"));
            } else if site != ALL {
                topic_level(found, "site", site);
            } else if self.0.len() > 1 {
                found.wrong("site", "\"+\" is every site: give it alone, or leave it out of the list");
            }
        }
    }
}

/// For a line of the log.
impl fmt::Display for Sites {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(", "))
    }
}

/// As it is usually written: one site is a string.
impl Serialize for Sites {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [site] => serializer.serialize_str(site),
            sites => sites.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Sites {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrSeveral;

        impl<'de> Visitor<'de> for OneOrSeveral {
            type Value = Sites;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a site's name, or a list of them like [\"shop-1\", \"shop-2\"]")
            }

            fn visit_str<E: Error>(self, site: &str) -> Result<Sites, E> {
                Ok(Sites::from(site))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Sites, A::Error> {
                let mut sites = Vec::new();
                while let Some(site) = list.next_element()? {
                    sites.push(site);
                }
                Ok(Sites(sites))
            }
        }

        deserializer.deserialize_any(OneOrSeveral)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[derive(Deserialize, Serialize)]
    struct File {
        site: Sites,
    }

    fn read(text: &str) -> Sites {
        toml::from_str::<File>(text).unwrap().site
    }

    #[test]
    fn one_is_written_as_before_and_several_as_a_list() {
        for text in ["site = \"+\"\n", "site = \"home\"\n", "site = [\"a\", \"b\"]\n"] {
            assert_eq!(toml::to_string(&File { site: read(text) }).unwrap(), text);
        }
        assert_eq!(read("site = [\"home\"]"), Sites::from("home"));
        let error = toml::from_str::<File>("site = 3").err().unwrap().to_string();
        assert!(error.contains("a site's name, or a list of them"), "{error}");
    }

    #[test]
    fn it_contains_what_it_names() {
        assert!(read("site = \"+\"").contains("home") && read("site = \"home\"").contains("home"));
        let several = read("site = [\"a\", \"b\"]");
        assert!(several.contains("a") && several.contains("b") && !several.contains("c") && !several.is_all());
        assert_eq!(several.to_string(), "a, b");
    }

    #[test]
    fn each_mistake_has_its_reason() {
        let many: Vec<String> = (0..=MOST).map(|number| format!("\"s{number}\"")).collect();
        let many = format!("[{}]", many.join(","));
        for (site, said) in [
            ("[]", "the list is empty"),
            ("[\"a\", \"b\", \"a\"]", "'a' is in the list twice"),
            ("[\"a\", \"+\"]", "is every site"),
            ("[\"a\", \"b/c\"]", "'b/c' has a '/'"),
            ("\"$share/all/a\"", "is not shared"),
            (many.as_str(), "1001 sites are more than 1000"),
        ] {
            let mut found = Mistakes::default();
            read(&format!("site = {site}")).check(&mut found);
            let found = found.found();
            assert!(found.len() == 1 && found.iter().all(|wrong| wrong.message.contains(said)), "{site}: {found:?}");
        }
    }
}
