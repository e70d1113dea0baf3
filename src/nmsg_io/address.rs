//! Sockets as users of NMSG name them: `ADDR/PORT`, or `ADDR/PORT..PORT` for all ports from one to the other.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    str::FromStr,
};

/// Ports of a range, at most: each is a socket.
const MOST_PORTS: u16 = 256;

/// One address, and a row of its ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketRange {
    address: IpAddr,
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
        let address = self.address;
        (self.first..=self.last).map(move |port| SocketAddr::new(address, port))
    }

    /// The socket, if it is only one.
    #[must_use]
    pub fn only(&self) -> Option<SocketAddr> {
        (self.first == self.last).then_some(SocketAddr::new(self.address, self.first))
    }
}

impl FromStr for SocketRange {
    type Err = BadSocket;

    fn from_str(text: &str) -> Result<Self, BadSocket> {
        let bad = |what| BadSocket { text: text.to_owned(), what };
        let (address, ports) = text.split_once('/').ok_or_else(|| bad("there is no '/' before the port"))?;
        let address = address.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(address);
        let address = address.parse().map_err(|_| bad("what stands before '/' is no IP address"))?;
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
        Ok(Self { address, first, last })
    }
}

impl fmt::Display for SocketRange {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.address, self.first)?;
        if self.last > self.first { write!(out, "..{}", self.last) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn sockets_are_named_by_address_and_ports() {
        for text in ["127.0.0.1/8430", "::1/8430", "10.0.0.1/8430..8437"] {
            assert_eq!(text.parse::<SocketRange>().unwrap().to_string(), text);
        }
        let range: SocketRange = "[::1]/8430..8432".parse().unwrap();
        assert_eq!((range.sockets().count(), range.only()), (3, None));
        assert_eq!("127.0.0.1/1".parse::<SocketRange>().unwrap().only(), Some(([127, 0, 0, 1], 1).into()));
        for wrong in
            ["", "127.0.0.1", "127.0.0.1:80", "host/80", "127.0.0.1/0", "127.0.0.1/70000", "::1/5..4", "::1/1..9999"]
        {
            assert!(wrong.parse::<SocketRange>().is_err(), "{wrong}");
        }
    }
}
