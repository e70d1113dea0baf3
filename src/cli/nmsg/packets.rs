//! Packets of a capture as messages: `base:packet`.

use super::Outlets;
use crate::{
    capture::{Packet as Captured, Polled, Source, Stdin},
    cli::{format::tell, halt::heed_signals},
    dot11::Reading,
    flow::{Fate, Inner, Proto, each_inner, packet::parse_ip},
    nmsg::Packet,
    nmsg_io::interface_number,
    units::noun,
};
use std::{
    net::SocketAddr,
    ops::ControlFlow,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// Octets of each packet that are listened for: more than any link carries.
#[cfg(feature = "pcap")]
const SNAPLEN: u32 = 256 << 10;
/// What libpcap calls all interfaces together (pcap_open_live(3)).
const ALL_INTERFACES: &str = "any";
/// The kernel's buffer.
#[cfg(feature = "pcap")]
const KERNEL_BUFFER: u32 = 8 << 20;

/// Packets that became no message.
#[derive(Clone, Copy, Debug, Default)]
struct LeftOut {
    not_ip: u64,
    cut: u64,
    protected: u64,
    damaged: u64,
    timeless: u64,
    /// Sent to the very socket that the messages go to: each of them would make another one, without end.
    echoes: u64,
}

impl LeftOut {
    fn add(&mut self, fate: Fate) {
        *match fate {
            Fate::NotIp => &mut self.not_ip,
            Fate::Protected => &mut self.protected,
            Fate::BadFcs | Fate::Malformed => &mut self.damaged,
            Fate::Cut | Fate::Fragment => &mut self.cut,
        } += 1;
    }

    fn tell(self, name: &str) {
        let parts = [
            (self.not_ip, "not IP"),
            (self.cut, "cut"),
            (self.protected, "encrypted"),
            (self.damaged, "damaged"),
            (self.timeless, "without a time"),
            (self.echoes, "sent to where the messages go"),
        ];
        let sum: u64 = parts.iter().map(|&(number, _)| number).sum();
        if sum > 0 {
            let parts: Vec<_> = parts
                .iter()
                .filter(|&&(number, _)| number > 0)
                .map(|(number, what)| format!("{number} {what}"))
                .collect();
            tell(format!("{name}: {sum} {} left out: {}", noun(sum, "packet", "packets"), parts.join(", ")));
        }
    }
}

/// Reads a capture file, standard input or an interface until its end, or until it is told to stop.
pub(super) fn read(from: &Path, mut outlets: Outlets) -> anyhow::Result<()> {
    let stopped = Arc::new(AtomicBool::new(false));
    let is_stdin = from.as_os_str() == "-";
    let name = if is_stdin { "standard input".to_owned() } else { from.display().to_string() };
    let (mut source, is_live) = open(from, &name, &stopped)?;
    #[cfg(feature = "pcap")]
    {
        let waker = source.waker();
        heed_signals(&stopped, move || waker.iter().for_each(crate::capture::Waker::wake))?;
    }
    #[cfg(not(feature = "pcap"))]
    heed_signals(&stopped, || {})?;
    let mut left_out = LeftOut::default();
    let mut result = Ok(ControlFlow::Continue(()));
    while matches!(result, Ok(ControlFlow::Continue(()))) && !stopped.load(Ordering::Relaxed) {
        let polled = source.poll(&mut |packet| {
            if matches!(result, Ok(ControlFlow::Continue(()))) {
                result = take(&packet, is_live, &mut outlets, &mut left_out);
            }
            if stopped.load(Ordering::Relaxed) && !is_stdin && matches!(result, Ok(ControlFlow::Continue(()))) {
                result = Ok(ControlFlow::Break(()));
            }
        });
        match polled {
            Ok(Polled::End) => break,
            Ok(polled) if is_live || is_stdin => {
                // A pipe gives no sign before it has nothing more: what it gave goes out.
                if let Err(error) = outlets.rest(is_stdin || polled == Polled::Idle) {
                    result = Err(error);
                }
            }
            Ok(_) => {}
            Err(error) => result = result.and(Err(error.into())),
        }
    }
    let result = result.and(outlets.finish());
    source.warnings().iter().for_each(tell);
    #[cfg(feature = "pcap")]
    if let Some(drops) = source.drops().filter(|drops| drops.kernel + drops.interface > 0) {
        let dropped = drops.kernel + drops.interface;
        tell(format!(
            "{name}: {dropped} {} lost before they could be read",
            noun(dropped, "packet was", "packets were")
        ));
    }
    left_out.tell(&name);
    outlets.conclude(&name);
    result
}

/// The capture, and whether it is an interface.
fn open(from: &Path, name: &str, stopped: &Arc<AtomicBool>) -> anyhow::Result<(Source, bool)> {
    if from.as_os_str() == "-" {
        let stopped = Arc::clone(stopped);
        let stdin = Stdin::new(move || stopped.load(Ordering::Relaxed));
        return Ok((Source::from_reader(Box::new(stdin), name)?, false));
    }
    // A file of the name goes before an interface of it; an interface's name has no '/'.
    let is_named = || name == ALL_INTERFACES || interface_number(name).is_some();
    let is_interface = !from.exists() && !name.contains('/') && is_named();
    if !is_interface {
        return Ok((Source::open_file(from)?, false));
    }
    #[cfg(feature = "pcap")]
    {
        let interface = name.to_owned();
        let options = crate::capture::LiveOptions { interface, snaplen: SNAPLEN, buffer_bytes: KERNEL_BUFFER };
        Ok((Source::open_live(&options)?, true))
    }
    #[cfg(not(feature = "pcap"))]
    Err(anyhow::anyhow!("this program was built without libpcap: it cannot listen to the interface '{name}'"))
}

fn take(
    captured: &Captured<'_>,
    is_live: bool,
    outlets: &mut Outlets,
    left_out: &mut LeftOut,
) -> anyhow::Result<ControlFlow<()>> {
    let Some(time) = captured.time.known() else {
        left_out.timeless += 1;
        return Ok(ControlFlow::Continue(()));
    };
    let (seconds, nanos) = (time.0.div_euclid(1_000_000_000), time.0.rem_euclid(1_000_000_000));
    let nanos = u32::try_from(nanos).unwrap_or_default();
    let reading = Reading { told: captured.told, ..Reading::default() };
    // As the reference tool has it, what a wired link puts behind a short packet stays. Of 802.11 it would be a check sequence.
    let has_rest = captured.link.is_wireless();
    let to = outlets.sends_to().filter(|_| is_live);
    let mut result = Ok(ControlFlow::Continue(()));
    each_inner(captured.link, captured.data, captured.original_len, reading, &mut |inner, _| {
        if !matches!(result, Ok(ControlFlow::Continue(()))) {
            return;
        }
        let whole = match inner {
            Inner::Ip(octets) => whole(octets).map(|packet| if has_rest { packet } else { octets }),
            Inner::Other(fate) => Err(fate),
        };
        match whole {
            Ok(octets) if to.is_some_and(|to| is_for(to, octets)) => left_out.echoes += 1,
            Ok(octets) => {
                let packet = Packet { octets: octets.to_vec() };
                result = outlets.take(packet.into_payload(seconds, nanos));
            }
            Err(fate) => left_out.add(fate),
        }
    });
    result
}

/// Whether a packet is a datagram to this socket, or a later fragment of what may be one.
fn is_for(to: SocketAddr, octets: &[u8]) -> bool {
    parse_ip(octets).is_ok_and(|packet| {
        let tuple = packet.tuple;
        let has_port = tuple.dport == to.port() || packet.is_later_fragment();
        tuple.proto == Proto::UDP && tuple.dst == to.ip() && has_port
    })
}

/// The packet alone, without what a link puts behind it. One whose length says nothing (0: a jumbogram, or what an interface
/// cut into segments later) is all there is.
fn whole(octets: &[u8]) -> Result<&[u8], Fate> {
    let len = match *octets {
        [first, _, high, low, ..] if first >> 4 == 4 => match usize::from(u16::from_be_bytes([high, low])) {
            0 => octets.len(),
            1..20 => return Err(Fate::Malformed),
            len => len,
        },
        [first, _, _, _, high, low, ..] if first >> 4 == 6 => match usize::from(u16::from_be_bytes([high, low])) {
            0 => octets.len(),
            len => 40 + len,
        },
        [] => return Err(Fate::Cut),
        [first, ..] if matches!(first >> 4, 4 | 6) => return Err(Fate::Cut),
        _ => return Err(Fate::Malformed),
    };
    octets.get(..len).ok_or(Fate::Cut)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_goes_and_cut_packets_are_none() {
        let mut packet = vec![0x45, 0, 0, 24];
        packet.resize(24, 7);
        let padded = [packet.as_slice(), &[0; 22]].concat();
        assert_eq!(whole(&padded), Ok(packet.as_slice()));
        assert_eq!(whole(&packet[..23]), Err(Fate::Cut));
        let long = [&[0x45, 0, 0, 0][..], &[1; 70_000]].concat();
        assert_eq!(whole(&long), Ok(long.as_slice()));
        let six = [&[0x60, 0, 0, 0, 0, 2][..], &[1; 50]].concat();
        assert_eq!(whole(&six).map(<[u8]>::len), Ok(42));
        for (octets, fate) in [
            (&[][..], Fate::Cut),
            (&[0x45, 0, 0], Fate::Cut),
            (&[0x60, 0, 0, 0], Fate::Cut),
            (&[0x50, 0, 0, 0, 0, 0], Fate::Malformed),
            (&[0x45, 0, 0, 19, 0, 0], Fate::Malformed),
        ] {
            assert_eq!(whole(octets), Err(fate), "{octets:?}");
        }
    }
}
