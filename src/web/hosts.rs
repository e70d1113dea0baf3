//! The names that a server is known by. A page from anywhere can make its reader's browser ask a server in the reader's
//! own network, by a name of the page's owner that the owner lets point there (DNS rebinding). Such a request carries
//! that name in its header Host, and so gives itself away. Decides; knows no routes.

use super::{
    Response, StatusCode,
    http::{refusal, text},
};
use axum::http::{HeaderMap, Uri, Version, header, uri::Authority};
use std::{
    fs,
    net::{IpAddr, Ipv6Addr, SocketAddr},
};

/// The names that requests may carry.
#[derive(Clone, Debug)]
pub(super) struct Hosts {
    /// Only this machine can ask, by an address or a name of its own.
    loopback: bool,
    /// In lower case, without a dot at the end.
    names: Vec<String>,
}

impl Hosts {
    /// Those of a server that listens on `listen`, and the `named` ones; `*` is any.
    pub(super) fn new(listen: SocketAddr, named: &[String]) -> Self {
        let loopback = listen.ip().to_canonical().is_loopback();
        let mut names: Vec<String> = named.iter().map(|name| plain(name)).collect();
        if !loopback && let Ok(own) = fs::read_to_string("/proc/sys/kernel/hostname") {
            let own = plain(own.trim());
            // By multicast DNS a machine is its name in `local` (RFC 6762, section 3).
            names.push(format!("{}.local", own.split('.').next().unwrap_or(&own)));
            names.push(own);
        }
        Self { loopback, names }
    }

    /// Whether `host`, without a port, is the server: no name that a stranger's DNS can give.
    fn knows(&self, host: &str) -> bool {
        let host = plain(host);
        if self.names.iter().any(|name| name == "*" || *name == host) {
            return true;
        }
        // Who asks by an address has asked no DNS.
        is_loopback(&host) || !self.loopback && address(&host).is_some()
    }

    /// Refuses a request that does not say whom it asks (RFC 9112, section 3.2), or asks another server.
    pub(super) fn refuse(&self, version: Version, uri: &Uri, headers: &HeaderMap) -> Option<Response> {
        let wrong = |message: &str| Some(refusal(StatusCode::BAD_REQUEST, message));
        let mut given = headers.get_all(header::HOST).iter();
        let host = match (given.next(), given.next()) {
            (None, _) if version < Version::HTTP_11 => uri.authority().cloned(),
            (None, _) => return wrong("the header Host is missing: name the server that you ask"),
            (Some(_), Some(_)) => return wrong("the header Host is there twice: name one server"),
            (Some(_), None) => {
                let parsed = text(headers, &header::HOST).and_then(|host| host.parse::<Authority>().ok());
                let Some(host) = parsed.filter(|host| !host.host().is_empty() && !host.as_str().contains('@')) else {
                    return wrong("the header Host is neither a name nor an address");
                };
                // A target with a host of its own counts for more.
                Some(uri.authority().cloned().unwrap_or(host))
            }
        };
        let host = host.filter(|host| !self.knows(host.host()))?;
        let name: String = host.host().chars().take(64).collect();
        let why = format!(
            "this server is not known as '{name}': ask it by its address, or have the name allowed where it is set up \
             (--host, or hosts under [web])"
        );
        Some(refusal(StatusCode::MISDIRECTED_REQUEST, &why))
    }
}

/// Whether `host`, without a port, is a name or an address that each machine has for itself (RFC 6761, section 6.3).
pub(super) fn is_loopback(host: &str) -> bool {
    let host = plain(host);
    match address(&host) {
        Some(address) => address.to_canonical().is_loopback(),
        None => host == "localhost" || host.ends_with(".localhost"),
    }
}

fn plain(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

/// An address as a host is written: an IPv6 address stands in brackets (RFC 3986, section 3.2.2).
fn address(host: &str) -> Option<IpAddr> {
    match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(inner) => inner.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        None => host.parse().ok().filter(IpAddr::is_ipv4),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn hosts(listen: &str, named: &[&str]) -> Hosts {
        Hosts::new(listen.parse().unwrap(), &named.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())
    }

    fn status(hosts: &Hosts, version: Version, uri: &str, given: &[&str]) -> Option<u16> {
        let headers = given.iter().map(|host| (header::HOST, host.parse().unwrap())).collect();
        hosts.refuse(version, &uri.parse().unwrap(), &headers).map(|answer| answer.status().as_u16())
    }

    #[test]
    fn on_loopback_only_loopback_names_count() {
        let hosts = hosts("127.0.0.1:80", &["proxy.example"]);
        let known = |host: &str| status(&hosts, Version::HTTP_11, "/", &[host]).is_none();
        for host in [
            "localhost",
            "LocalHost:8780",
            "localhost.",
            "a.localhost",
            "127.0.0.1:1",
            "127.9.9.9",
            "[::1]:80",
            "proxy.example",
            "Proxy.Example:443",
        ] {
            assert!(known(host), "{host}");
        }
        for host in
            ["rebind.example", "localhost.example", "notlocalhost", "192.168.1.5", "[2001:db8::1]", "127.0.0.1.example"]
        {
            assert_eq!(status(&hosts, Version::HTTP_11, "/", &[host]), Some(421), "{host}");
        }
    }

    #[test]
    fn elsewhere_addresses_and_own_names_count() {
        let hosts = hosts("0.0.0.0:80", &[]);
        let own = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
        let own = own.trim();
        for host in ["192.168.1.5:8780", "[2001:db8::1]", "localhost", own, &format!("{own}:1")] {
            assert_eq!(status(&hosts, Version::HTTP_11, "/", &[host]), None, "{host}");
        }
        assert_eq!(status(&hosts, Version::HTTP_11, "/", &["rebind.example"]), Some(421));
        assert_eq!(status(&self::hosts("0.0.0.0:80", &["*"]), Version::HTTP_11, "/", &["rebind.example"]), None);
    }

    #[test]
    fn a_host_is_named_once_and_well() {
        let hosts = hosts("127.0.0.1:80", &[]);
        for given in [&[][..], &[""], &["localhost", "localhost"], &["a b"], &["me@localhost"], &["local/host"]] {
            assert_eq!(status(&hosts, Version::HTTP_11, "/", given), Some(400), "{given:?}");
        }
        assert_eq!(status(&hosts, Version::HTTP_10, "/", &[]), None);
        assert_eq!(status(&hosts, Version::HTTP_10, "/", &["rebind.example"]), Some(421));
        assert_eq!(status(&hosts, Version::HTTP_11, "http://rebind.example/", &["localhost"]), Some(421));
        assert_eq!(status(&hosts, Version::HTTP_11, "http://localhost/", &["localhost"]), None);
    }

    proptest! {
        #[test]
        fn any_host_is_answered(host in "[!-~]{0,40}") {
            let headers = [(header::HOST, host.parse().unwrap())].into_iter().collect();
            let _ = hosts("127.0.0.1:80", &[]).refuse(Version::HTTP_11, &Uri::from_static("/"), &headers);
        }
    }
}
