//! Containers out of a writer: into a file, to standard output, to a socket.

use super::TransferError;
use crate::nmsg::Writer;
use std::{
    fs::File,
    io::{self, ErrorKind, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    path::Path,
    thread,
    time::{Duration, Instant},
};

/// Where NMSG goes.
pub struct Output {
    kind: Kind,
    /// Containers that went out.
    sent: u64,
    /// Datagrams that this machine says nobody took.
    refused: u64,
}

enum Kind {
    Stream { name: String, out: Box<dyn Write + Send> },
    Socket { to: SocketAddr, socket: UdpSocket },
}

impl Output {
    /// A file, made anew.
    ///
    /// # Errors
    ///
    /// It cannot be made.
    pub fn file(path: &Path) -> Result<Self, TransferError> {
        let name = path.display().to_string();
        match File::create(path) {
            Ok(file) => Ok(Self::of(Kind::Stream { name, out: Box::new(file) })),
            Err(source) => Err(TransferError::Create { name, source }),
        }
    }

    /// Standard output.
    #[must_use]
    pub fn stdout() -> Self {
        Self::of(Kind::Stream { name: "standard output".into(), out: Box::new(io::stdout()) })
    }

    /// Datagrams to a socket.
    ///
    /// # Errors
    ///
    /// There is no way there.
    pub fn socket(to: SocketAddr) -> Result<Self, TransferError> {
        let open = || {
            let any = match to.ip() {
                IpAddr::V4(_) => IpAddr::from(Ipv4Addr::UNSPECIFIED),
                IpAddr::V6(_) => IpAddr::from(Ipv6Addr::UNSPECIFIED),
            };
            let socket = UdpSocket::bind((any, 0))?;
            socket.set_broadcast(to.is_ipv4())?;
            socket.connect(to)?;
            Ok(socket)
        };
        match open() {
            Ok(socket) => Ok(Self::of(Kind::Socket { to, socket })),
            Err(source) => Err(TransferError::Send { socket: to, source }),
        }
    }

    const fn of(kind: Kind) -> Self {
        Self { kind, sent: 0, refused: 0 }
    }

    /// The socket that datagrams go to.
    #[must_use]
    pub const fn to(&self) -> Option<SocketAddr> {
        match self.kind {
            Kind::Socket { to, .. } => Some(to),
            Kind::Stream { .. } => None,
        }
    }

    /// Containers that went out.
    #[must_use]
    pub const fn sent(&self) -> u64 {
        self.sent
    }

    /// Datagrams that nobody took, as far as this machine was told.
    #[must_use]
    pub const fn refused(&self) -> u64 {
        self.refused
    }

    /// Sends the containers that are ready.
    ///
    /// # Errors
    ///
    /// Writing fails. That nobody listens at a socket is no error.
    pub fn send(&mut self, writer: &mut Writer) -> Result<(), TransferError> {
        let mut any = false;
        while let Some(container) = writer.pop() {
            any = true;
            self.sent += 1;
            match &mut self.kind {
                Kind::Stream { name, out } => {
                    out.write_all(&container).map_err(|source| TransferError::Write { name: name.clone(), source })?
                }
                Kind::Socket { to, socket } => {
                    if let Err(source) = send(socket, &container, &mut self.refused) {
                        return Err(TransferError::Send { socket: *to, source });
                    }
                }
            }
        }
        match &mut self.kind {
            Kind::Stream { name, out } if any => {
                out.flush().map_err(|source| TransferError::Write { name: name.clone(), source })
            }
            _ => Ok(()),
        }
    }
}

/// Sends a datagram. The answer to one that nobody took comes with the next one, which must then be sent again.
fn send(socket: &UdpSocket, datagram: &[u8], refused: &mut u64) -> io::Result<()> {
    loop {
        match socket.send(datagram) {
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => *refused += 1,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Holds messages back so that no more than a number of them go out in a second.
#[derive(Debug)]
pub struct Pace {
    each: Duration,
    next: Instant,
}

/// How far a pace that was held up may catch up.
const CATCH_UP: Duration = Duration::from_millis(10);

impl Pace {
    /// `rate` messages a second.
    #[must_use]
    pub fn new(rate: u32) -> Self {
        Self { each: Duration::from_secs(1) / rate.max(1), next: Instant::now() }
    }

    /// Waits for the next message's turn.
    pub fn wait(&mut self) {
        let now = Instant::now();
        if let Some(ahead) = self.next.checked_duration_since(now).filter(|ahead| *ahead > CATCH_UP / 2) {
            thread::sleep(ahead);
        }
        self.next = self.next.max(now.checked_sub(CATCH_UP).unwrap_or(now)) + self.each;
    }
}
