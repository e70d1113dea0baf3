//! Sockets as users of NMSG name them: `ADDR/PORT`, or `ADDR/PORT..PORT` for all ports from one to the other. An IPv6
//! address that is of one link only has its interface behind it (RFC 4007, 11): `fe80::1%eth0/8430`.

use rustix::net::{AddressFamily, SocketType, netdevice::name_to_index};
use std::{
    fmt,
    net::{IpAddr, SocketAddr, SocketAddrV6},
    str::FromStr,
};

/// Ports of a range, at most: each is a socket.
const MOST_PORTS: u16 = 256;

/// One address, and a row of its ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketRange {
    address: IpAddr,
    /// The number of the interface of an IPv6 address; 0 where none was named.
    scope: u32,
    first: u16,
    last: u16,
}

/// A text that names no socket.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' names no socket: {what}; write ADDR/PORT like 127.0.0.1/8430 or ::1/8430, or ADDR/PORT..PORT")]
pub struct BadSocket {
    text: String,
    what: &'static str,
}

impl SocketRange {
    /// Every socket of the range.
    pub fn sockets(&self) -> impl Iterator<Item = SocketAddr> + use<> {
        let Self { address, scope, .. } = *self;
        (self.first..=self.last).map(move |port| socket(address, scope, port))
    }

    /// The socket, if it is only one.
    #[must_use]
    pub fn only(&self) -> Option<SocketAddr> {
        (self.first == self.last).then(|| socket(self.address, self.scope, self.first))
    }
}

fn socket(address: IpAddr, scope: u32, port: u16) -> SocketAddr {
    match address {
        IpAddr::V4(_) => SocketAddr::new(address, port),
        IpAddr::V6(address) => SocketAddrV6::new(address, port, 0, scope).into(),
    }
}

/// Link-local unicast, and multicast on one interface or link (RFC 4291, 2.5.6 and 2.7): of which link is to be said.
fn is_of_one_link(address: IpAddr) -> bool {
    let IpAddr::V6(address) = address else { return false };
    address.is_unicast_link_local() || matches!(address.octets(), [0xff, flags, ..] if matches!(flags & 0x0f, 1 | 2))
}

/// The number of an interface of this machine, by its name.
#[must_use]
pub fn interface_number(name: &str) -> Option<u32> {
    // Any socket will do to ask with (netdevice(7)).
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::DGRAM, None).ok()?;
    name_to_index(socket, name).ok()
}

impl FromStr for SocketRange {
    type Err = BadSocket;

    fn from_str(text: &str) -> Result<Self, BadSocket> {
        let bad = |what| BadSocket { text: text.to_owned(), what };
        let (address, ports) = text.split_once('/').ok_or_else(|| bad("there is no '/' before the port"))?;
        let address = address.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(address);
        let (address, zone) = address.split_once('%').map_or((address, None), |(address, zone)| (address, Some(zone)));
        let address: IpAddr = address.parse().map_err(|_| bad("what stands before '/' is no IP address"))?;
        let scope = match zone {
            None if is_of_one_link(address) => {
                return Err(bad("an address of one link needs its interface, like fe80::1%eth0"));
            }
            None => 0,
            Some(_) if address.is_ipv4() => return Err(bad("an IPv4 address has no interface behind it")),
            Some(zone) => zone
                .parse()
                .ok()
                .or_else(|| interface_number(zone))
                .filter(|&number| number != 0)
                .ok_or_else(|| bad("what stands behind '%' is no interface of this machine"))?,
        };
        let port = |text: &str| text.parse::<u16>().map_err(|_| bad("a port is a number up to 65535"));
        let (first, last) = match ports.split_once("..") {
            Some((first, last)) => (port(first)?, port(last)?),
            None => (port(ports)?, port(ports)?),
        };
        if first == 0 {
            return Err(bad("port 0 is none"));
        }
        if last < first {
            return Err(bad("the range ends before it begins"));
        }
        if last - first >= MOST_PORTS {
            return Err(bad("a range has 256 ports at most"));
        }
        Ok(Self { address, scope, first, last })
    }
}

impl fmt::Display for SocketRange {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.address)?;
        if self.scope != 0 {
            write!(out, "%{}", self.scope)?;
        }
        write!(out, "/{}", self.first)?;
        if self.last > self.first { write!(out, "..{}", self.last) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn sockets_are_named_by_address_and_ports() {
        for text in ["127.0.0.1/8430", "::1/8430", "10.0.0.1/8430..8437", "fe80::1%1/8430"] {
            assert_eq!(text.parse::<SocketRange>().unwrap().to_string(), text);
        }
        let range: SocketRange = "[::1]/8430..8432".parse().unwrap();
        assert_eq!((range.sockets().count(), range.only()), (3, None));
        assert_eq!("127.0.0.1/1".parse::<SocketRange>().unwrap().only(), Some(([127, 0, 0, 1], 1).into()));
        let by_name = "[ff02::1%lo]/8430".parse::<SocketRange>().unwrap().only().unwrap();
        assert!(matches!(by_name, SocketAddr::V6(socket) if socket.scope_id() != 0), "{by_name}");
        for wrong in [
            "",
            "127.0.0.1",
            "127.0.0.1:80",
            "host/80",
            "127.0.0.1/0",
            "127.0.0.1/70000",
            "::1/5..4",
            "::1/1..9999",
            "127.0.0.1%lo/8430",
            "fe80::1/8430",
            "ff02::1/8430",
            "fe80::1%/8430",
            "fe80::1%0/8430",
            "fe80::1%a-name-that-is-longer-than-any-interface-may-have/8430",
            "fe80::1%../8430",
            "fe80::1%no-such-card/8430",
        ] {
            assert!(wrong.parse::<SocketRange>().is_err(), "{wrong}");
        }
    }
}
