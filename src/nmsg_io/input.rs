//! Octets into a reader: of a file, of standard input, of datagrams.

use super::{SocketRange, TransferError};
use crate::nmsg::{Payload, Reader};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    net::{AddressFamily, SocketFlags, SocketType, sockopt},
};
use std::{
    collections::hash_map::RandomState,
    fs::{self, File},
    hash::BuildHasher as _,
    io::{self, ErrorKind, Read as _},
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    ops::ControlFlow,
    os::{fd::AsFd as _, unix::fs::MetadataExt as _},
    path::Path,
    time::Instant,
};

/// How long a wait for input goes on before the caller is asked what else there is to do.
const LOOK_EVERY: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
/// Octets read at a time, and the largest datagram there can be.
const BUFFER: usize = 64 << 10;
/// Datagrams taken of one socket before others have their turn.
const TURN: usize = 64;
/// Octets that the kernel is asked to keep of datagrams that were not yet read; it may give less (net.core.rmem_max).
const RECEIVE_BUFFER: usize = 8 << 20;

/// What came of a wait for input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Came {
    /// Something.
    Some,
    /// Nothing for a while.
    Nothing,
    /// The input has ended.
    End,
}

/// Where NMSG comes from.
#[derive(Debug)]
pub struct Input {
    kind: Kind,
    name: String,
    buffer: Vec<u8>,
    begun: Instant,
    /// Tells senders apart by a number that they cannot choose.
    senders: RandomState,
}

#[derive(Debug)]
enum Kind {
    File(File),
    Stdin,
    Sockets(Vec<UdpSocket>),
}

impl Input {
    fn of(kind: Kind, name: String) -> Self {
        Self { kind, name, buffer: vec![0; BUFFER], begun: Instant::now(), senders: RandomState::new() }
    }

    /// A file.
    ///
    /// # Errors
    ///
    /// It cannot be opened.
    pub fn file(path: &Path) -> Result<Self, TransferError> {
        let name = path.display().to_string();
        let open = || {
            let file = File::open(path)?;
            if file.metadata()?.is_dir() { Err(ErrorKind::IsADirectory.into()) } else { Ok(file) }
        };
        match open() {
            Ok(file) => Ok(Self::of(Kind::File(file), name)),
            Err(source) => Err(TransferError::Open { name, source }),
        }
    }

    /// Standard input.
    #[must_use]
    pub fn stdin() -> Self {
        Self::of(Kind::Stdin, "standard input".into())
    }

    /// Sockets to listen on. A multicast address is joined.
    ///
    /// # Errors
    ///
    /// One cannot be opened.
    pub fn listen(range: SocketRange) -> Result<Self, TransferError> {
        let open = |socket: SocketAddr| listen(socket).map_err(|source| TransferError::Listen { socket, source });
        let sockets = range.sockets().map(open).collect::<Result<_, _>>()?;
        Ok(Self::of(Kind::Sockets(sockets), range.to_string()))
    }

    /// What messages call it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether input may come at any time, so that what waits in an open container should not wait for more of it.
    #[must_use]
    pub const fn is_live(&self) -> bool {
        !matches!(self.kind, Kind::File(_))
    }

    /// Waits for input for some 100 ms, and hands each payload of what came to `each`, until that breaks.
    ///
    /// # Errors
    ///
    /// Reading fails, or what `each` says.
    pub fn read<E: From<TransferError>>(
        &mut self,
        reader: &mut Reader,
        each: &mut impl FnMut(Payload) -> Result<ControlFlow<()>, E>,
    ) -> Result<Came, E> {
        let failed = |source| E::from(TransferError::Read { name: self.name.clone(), source });
        let came = match &mut self.kind {
            Kind::File(file) => stream(file.read(&mut self.buffer), &self.buffer, reader).map_err(failed)?,
            Kind::Stdin => {
                let stdin = io::stdin();
                let read = match poll(&mut [PollFd::new(&stdin, PollFlags::IN)], Some(&LOOK_EVERY)) {
                    Ok(0) | Err(rustix::io::Errno::INTR) => return Ok(Came::Nothing),
                    Ok(_) => rustix::io::read(stdin.as_fd(), &mut *self.buffer).map_err(Into::into),
                    Err(error) => Err(error.into()),
                };
                stream(read, &self.buffer, reader).map_err(failed)?
            }
            Kind::Sockets(sockets) => {
                if !wait(sockets).map_err(failed)? {
                    reader.tick(self.begun.elapsed());
                    return Ok(Came::Nothing);
                }
                for socket in &*sockets {
                    for _ in 0..TURN {
                        let (len, from) = match socket.recv_from(&mut self.buffer) {
                            Ok(came) => came,
                            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                            Err(error) => return Err(failed(error)),
                        };
                        let octets = self.buffer.get(..len).unwrap_or_default();
                        reader.datagram(octets, self.senders.hash_one(from), self.begun.elapsed());
                        // One after the other: a datagram may be a thousand times as large once it is decompressed.
                        if drain(reader, each)?.is_break() {
                            return Ok(Came::End);
                        }
                    }
                }
                return Ok(Came::Some);
            }
        };
        Ok(if drain(reader, each)?.is_break() { Came::End } else { came })
    }

    /// Datagrams that the kernel threw away since the sockets were opened, because nobody read them in time; nothing for
    /// other inputs, and where the system does not tell.
    #[must_use]
    pub fn dropped(&self) -> Option<u64> {
        let Kind::Sockets(sockets) = &self.kind else { return None };
        let inode = |socket: &UdpSocket| {
            let file = File::from(socket.as_fd().try_clone_to_owned().ok()?);
            Some(file.metadata().ok()?.ino())
        };
        let inodes: Vec<u64> = sockets.iter().filter_map(inode).collect();
        let mut dropped = None;
        for table in ["/proc/self/net/udp", "/proc/self/net/udp6"] {
            for line in fs::read_to_string(table).ok()?.lines().skip(1) {
                // proc(5): the inode is the tenth column, the drops are the last one.
                let mut columns = line.split_ascii_whitespace();
                let ours = columns.nth(9).and_then(|column| column.parse().ok()).is_some_and(|at| inodes.contains(&at));
                if ours && let Some(drops) = columns.last().and_then(|column| column.parse::<u64>().ok()) {
                    dropped = Some(dropped.unwrap_or(0) + drops);
                }
            }
        }
        dropped
    }
}

fn stream(read: io::Result<usize>, buffer: &[u8], reader: &mut Reader) -> io::Result<Came> {
    match read {
        Ok(0) => {
            reader.end();
            Ok(Came::End)
        }
        Ok(len) => {
            reader.push(buffer.get(..len).unwrap_or_default());
            Ok(Came::Some)
        }
        Err(error) if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock) => Ok(Came::Nothing),
        Err(error) => Err(error),
    }
}

/// A socket of its own. What comes to a multicast group comes to every program that listens to it.
fn bind(socket: SocketAddr) -> io::Result<UdpSocket> {
    if !socket.ip().is_multicast() {
        return UdpSocket::bind(socket);
    }
    let family = if socket.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let udp = rustix::net::socket_with(family, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
    sockopt::set_socket_reuseaddr(&udp, true)?;
    rustix::net::bind(&udp, &socket)?;
    Ok(udp.into())
}

fn listen(socket: SocketAddr) -> io::Result<UdpSocket> {
    let udp = bind(socket)?;
    // What the kernel does not give is no reason not to listen.
    let _ = sockopt::set_socket_recv_buffer_size(&udp, RECEIVE_BUFFER);
    match socket {
        SocketAddr::V4(group) if group.ip().is_multicast() => {
            udp.join_multicast_v4(group.ip(), &Ipv4Addr::UNSPECIFIED)?;
        }
        SocketAddr::V6(group) if group.ip().is_multicast() => udp.join_multicast_v6(group.ip(), group.scope_id())?,
        _ => {}
    }
    udp.set_nonblocking(true)?;
    Ok(udp)
}

/// Waits until a datagram has come, and says whether one has.
fn wait(sockets: &[UdpSocket]) -> io::Result<bool> {
    let mut waiting: Vec<_> = sockets.iter().map(|socket| PollFd::new(socket, PollFlags::IN)).collect();
    match poll(&mut waiting, Some(&LOOK_EVERY)) {
        Ok(ready) => Ok(ready > 0),
        Err(rustix::io::Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn drain<E>(
    reader: &mut Reader,
    each: &mut impl FnMut(Payload) -> Result<ControlFlow<()>, E>,
) -> Result<ControlFlow<()>, E> {
    while let Some(payload) = reader.next_payload() {
        if each(payload)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    Ok(ControlFlow::Continue(()))
}
