//! LiveCapture capture from an interface through libpcap (crate `pcap`, which does not leave this file).

use super::{CaptureError, Packet, Polled};
use crate::{
    UnixNanos,
    dot11::{LinkType, Told},
};
use pcap::{Active, BreakLoop, Capture, Error, Precision, Stat};

/// How long libpcap gathers packets before it hands them over, in milliseconds.
const GATHER_MS: i32 = 200;

/// What to listen to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveOptions {
    /// The interface's name.
    pub interface: String,
    /// Octets kept of each frame.
    pub snaplen: u32,
    /// The kernel's buffer.
    pub buffer_bytes: u32,
}

/// Frames lost before they could be counted, since they were last asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drops {
    /// For want of room in the kernel's buffer.
    pub kernel: u64,
    /// By the interface or its driver.
    pub interface: u64,
}

impl Drops {
    /// These and others.
    #[must_use]
    pub const fn and(self, others: Self) -> Self {
        let kernel = self.kernel.saturating_add(others.kernel);
        Self { kernel, interface: self.interface.saturating_add(others.interface) }
    }
}

/// Ends a wait for packets from another thread. The wait then looks like any that nothing came in: whoever wakes a
/// source sets a flag first that its caller looks at.
pub struct Waker(BreakLoop);

impl Waker {
    /// Makes the poll that is under way, or else the next one, return.
    pub fn wake(&self) {
        self.0.breakloop();
    }
}

/// An interface being listened to.
pub(super) struct LiveCapture {
    capture: Capture<Active>,
    interface: String,
    link: LinkType,
    snaplen: u32,
    last: Option<Stat>,
}

impl LiveCapture {
    pub(super) fn open(options: &LiveOptions) -> Result<Self, CaptureError> {
        let refused = |error| refused(&options.interface, error);
        let capture = Capture::from_device(options.interface.as_str())
            .map_err(refused)?
            .snaplen(i32::try_from(options.snaplen).unwrap_or(i32::MAX))
            .buffer_size(i32::try_from(options.buffer_bytes).unwrap_or(i32::MAX))
            .promisc(true)
            .immediate_mode(false)
            .timeout(GATHER_MS)
            .precision(Precision::Nano)
            .open()
            .map_err(refused)?;
        let link = u16::try_from(capture.get_datalink().0).map_or(LinkType(u16::MAX), LinkType);
        if !link.is_supported() {
            return Err(CaptureError::LinkType { name: options.interface.clone(), link });
        }
        Ok(Self { capture, interface: options.interface.clone(), link, snaplen: options.snaplen, last: None })
    }

    /// See [`super::Source::poll`].
    pub(super) fn poll<F: FnMut(Packet<'_>)>(&mut self, each: &mut F) -> Result<Polled, CaptureError> {
        let (link, snaplen) = (self.link, self.snaplen);
        let mut laid_out_wrongly = false;
        let polled = self.capture.dispatch(None, |packet| {
            let header = packet.header;
            // Where libpcap has 64-bit times and this program's C library 32-bit ones, the lengths are read from
            // the middle of the time, and the data cannot be touched.
            if header.caplen > snaplen || header.len < header.caplen {
                laid_out_wrongly = true;
                return;
            }
            #[allow(clippy::useless_conversion, reason = "these are 32 bits wide on some systems")]
            let (seconds, nanos) = (i64::from(header.ts.tv_sec), i64::from(header.ts.tv_usec));
            let time = UnixNanos(seconds.saturating_mul(1_000_000_000).saturating_add(nanos));
            each(Packet {
                time,
                link,
                data: packet.data,
                original_len: header.len,
                told: Told::default(),
                mended: false,
            });
        });
        match polled {
            _ if laid_out_wrongly => Err(CaptureError::Layout),
            Ok(0) | Err(Error::TimeoutExpired) => Ok(Polled::Idle),
            Ok(_) => Ok(Polled::More),
            // What a woken wait ends with.
            Err(Error::PcapError(message)) if message.is_empty() => Ok(Polled::Idle),
            Err(error) => Err(refused(&self.interface, error)),
        }
    }

    pub(super) fn drops(&mut self) -> Option<Drops> {
        let now = self.capture.stats().ok()?;
        let (dropped, if_dropped) = self.last.map_or((0, 0), |last| (last.dropped, last.if_dropped));
        self.last = Some(now);
        // The counters are 32 bits wide and begin again.
        Some(Drops {
            kernel: u64::from(now.dropped.wrapping_sub(dropped)),
            interface: u64::from(now.if_dropped.wrapping_sub(if_dropped)),
        })
    }

    pub(super) fn waker(&mut self) -> Waker {
        Waker(self.capture.breakloop_handle())
    }

    pub(super) fn link(&self) -> LinkType {
        self.link
    }
}

/// libpcap's answers are texts; the common ones get a sentence that says what to do.
fn refused(interface: &str, error: Error) -> CaptureError {
    let interface = interface.to_owned();
    let message = match error {
        Error::PcapError(message) => message,
        other => other.to_string(),
    };
    let says = |texts: &[&str]| texts.iter().any(|text| message.to_lowercase().contains(text));
    if says(&["permission", "not permitted"]) {
        CaptureError::Permission { interface }
    } else if says(&["no such device"]) {
        CaptureError::NoSuchInterface { interface }
    } else if says(&["is not up", "network is down", "went down"]) {
        CaptureError::Down { interface }
    } else {
        CaptureError::Live { interface, message }
    }
}
