//! The kernel's side of [`CardControl`]: nl80211 for radios, rtnetlink for interfaces and routes, and sysfs for what neither
//! tells. The only file that uses the crates `wl-nl80211` and `rtnetlink`.

use super::control::{CardControl, ControlError, Interface, InterfaceType, Phy, PhyChannel, Refusal, Rfkill};
use crate::{
    Mac,
    dot11::channels::{Tuning, Width},
};
use futures_util::{StreamExt as _, TryStreamExt as _};
use rtnetlink::{
    LinkUnspec, RouteMessageBuilder,
    packet_route::{link::LinkFlags, route::RouteAttribute},
};
use std::{
    collections::BTreeSet,
    fs, io,
    net::{Ipv4Addr, Ipv6Addr},
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::task::AbortHandle;
use wl_nl80211::{
    Nl80211Attr, Nl80211BandInfo, Nl80211BandType, Nl80211ChannelWidth, Nl80211Command, Nl80211FrequencyInfo,
    Nl80211Handle, Nl80211HtWiphyChannelType, Nl80211InterfaceType, Nl80211Message,
    packet_core::{NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload},
    packet_generic::GenlMessage,
};

/// Longer than the kernel ever takes; a driver that hangs must not hang the sensor.
const PATIENCE: Duration = Duration::from_secs(10);

/// The running kernel.
pub struct Kernel {
    radios: Nl80211Handle,
    routes: rtnetlink::Handle,
    /// The tasks that read the two sockets.
    readers: [AbortHandle; 2],
}

impl Drop for Kernel {
    fn drop(&mut self) {
        self.readers.iter().for_each(AbortHandle::abort);
    }
}

fn failed(what: impl Into<String>, refusal: Refusal) -> ControlError {
    ControlError { what: what.into(), refusal }
}

/// Names for the kernel's error numbers (errno-base.h, errno.h).
fn refusal(errno: i32) -> Refusal {
    use rustix::io::Errno;
    match Errno::from_raw_os_error(errno.abs()) {
        Errno::NODEV | Errno::NOENT | Errno::NXIO => Refusal::Gone,
        Errno::BUSY => Refusal::Busy,
        Errno::PERM | Errno::ACCESS => Refusal::Permission,
        Errno::NETDOWN => Refusal::Down,
        Errno::RFKILL => Refusal::Rfkill,
        Errno::OPNOTSUPP => Refusal::Unsupported,
        Errno::INVAL | Errno::RANGE => Refusal::Invalid,
        other => Refusal::Other(other.raw_os_error()),
    }
}

impl Kernel {
    /// Opens the two netlink sockets. Must be called within a Tokio runtime.
    ///
    /// # Errors
    /// When the system gives no socket.
    pub fn open() -> Result<Self, ControlError> {
        let refused =
            |error: io::Error| failed("open a netlink socket", refusal(error.raw_os_error().unwrap_or_default()));
        let (radio_reader, radios, _) = wl_nl80211::new_connection().map_err(refused)?;
        let (route_reader, routes, _) = rtnetlink::new_connection().map_err(refused)?;
        let readers = [tokio::spawn(radio_reader).abort_handle(), tokio::spawn(route_reader).abort_handle()];
        Ok(Self { radios, routes, readers })
    }

    /// One nl80211 request; the attributes of each answer. Answers that the crate cannot decode are left out: a new
    /// kernel's or an odd driver's attribute must not make a card invisible.
    async fn ask(
        &mut self,
        what: &str,
        cmd: Nl80211Command,
        flags: u16,
        attributes: Vec<Nl80211Attr>,
    ) -> Result<Vec<Vec<Nl80211Attr>>, ControlError> {
        let mut message = NetlinkMessage::from(GenlMessage::from_payload(Nl80211Message { cmd, attributes }));
        message.header.flags = NLM_F_REQUEST | flags;
        let answers = async {
            // Without any wireless driver the kernel has no nl80211 at all.
            let mut stream = Box::pin(self.radios.request(message).await.map_err(|_| failed(what, Refusal::Gone))?);
            let mut answers = Vec::new();
            while let Some(answer) = stream.next().await {
                match answer.map(|message| message.payload) {
                    Ok(NetlinkPayload::InnerMessage(message)) => answers.push(message.payload.attributes),
                    Ok(NetlinkPayload::Error(error)) => {
                        return match error.code {
                            Some(code) => Err(failed(what, refusal(code.get()))),
                            None => Ok(answers),
                        };
                    }
                    Ok(_) => {}
                    Err(error) => tracing::debug!(%error, "an nl80211 answer was left out"),
                }
            }
            Ok(answers)
        };
        match tokio::time::timeout(PATIENCE, answers).await {
            Ok(answers) => answers,
            Err(_) => Err(failed(what, Refusal::Other(rustix::io::Errno::TIMEDOUT.raw_os_error()))),
        }
    }

    /// The indices of interfaces that carry a default route.
    async fn default_routes(&self) -> BTreeSet<u32> {
        let mut indices = BTreeSet::new();
        let four = RouteMessageBuilder::<Ipv4Addr>::new().build();
        let six = RouteMessageBuilder::<Ipv6Addr>::new().build();
        for message in [four, six] {
            let mut routes = Box::pin(self.routes.route().get(message).execute());
            while let Some(Ok(route)) = routes.next().await {
                if route.header.destination_prefix_length != 0 {
                    continue;
                }
                for attribute in &route.attributes {
                    match attribute {
                        RouteAttribute::Oif(index) => {
                            indices.insert(*index);
                        }
                        RouteAttribute::MultiPath(hops) => {
                            indices.extend(hops.iter().map(|hop| hop.interface_index));
                        }
                        _ => {}
                    }
                }
            }
        }
        indices
    }

    /// The indices of interfaces that are up.
    async fn up(&self, index: Option<u32>) -> BTreeSet<u32> {
        let request = self.routes.link().get();
        let request = match index {
            Some(index) => request.match_index(index),
            None => request,
        };
        let links: Vec<_> = request.execute().try_collect().await.unwrap_or_default();
        let up = links.into_iter().filter(|link| link.header.flags.contains(LinkFlags::Up));
        up.map(|link| link.header.index).collect()
    }
}

impl CardControl for Kernel {
    fn is_privileged(&self) -> bool {
        // Capabilities 12 and 13 (linux/capability.h).
        const NEEDED: u64 = 1 << 12 | 1 << 13;
        let status = text(Path::new("/proc/self/status")).unwrap_or_default();
        let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
        effective
            .and_then(|digits| u64::from_str_radix(digits.trim(), 16).ok())
            .is_some_and(|capabilities| capabilities & NEEDED == NEEDED)
    }

    fn knows(&self, name: &str) -> bool {
        !name.contains('/') && Path::new("/sys/class/net").join(name).exists()
    }

    async fn phys(&mut self) -> Result<Vec<Phy>, ControlError> {
        let mut phys: Vec<Phy> = Vec::new();
        let answers = self.ask(
            "list the wireless cards",
            Nl80211Command::GetWiphy,
            NLM_F_DUMP,
            vec![Nl80211Attr::SplitWiphyDump],
        );
        match answers.await {
            Ok(answers) => answers.iter().for_each(|attributes| add_to(&mut phys, attributes)),
            Err(ControlError { refusal: Refusal::Gone, .. }) => return Ok(phys),
            Err(error) => return Err(error),
        }
        let answers =
            self.ask("list the wireless interfaces", Nl80211Command::GetInterface, NLM_F_DUMP, Vec::new()).await?;
        let (routes, up) = (self.default_routes().await, self.up(None).await);
        for mut interface in answers.iter().filter_map(|attributes| interface(attributes)) {
            interface.default_route = routes.contains(&interface.index);
            interface.up = up.contains(&interface.index);
            interface.managed = network_manager(interface.index);
            if let Some(phy) = phys.iter_mut().find(|phy| phy.index == interface.phy) {
                phy.interfaces.push(interface);
            }
        }
        for (owner, device) in answers.iter().filter_map(|attributes| p2p_device(attributes)) {
            phys.iter_mut().filter(|phy| phy.index == owner).for_each(|phy| phy.p2p.push(device));
        }
        for phy in &mut phys {
            phy.channels.sort_unstable_by_key(|channel| channel.freq_mhz);
            phy.interfaces.sort_unstable_by_key(|interface| interface.index);
            let directory = Path::new("/sys/class/ieee80211").join(&phy.name);
            phy.mac = text(&directory.join("macaddress")).and_then(|text| text.parse().ok());
            phy.driver = name_of(&directory.join("device/driver"));
            phy.bus = name_of(&bus_device(&directory.join("device")));
            phy.rfkill = rfkill(&directory);
        }
        phys.sort_unstable_by_key(|phy| phy.index);
        Ok(phys)
    }

    async fn interface(&mut self, index: u32) -> Result<Option<Interface>, ControlError> {
        let asked =
            self.ask("read the interface", Nl80211Command::GetInterface, 0, vec![Nl80211Attr::IfIndex(index)]).await;
        match asked {
            Ok(answers) => {
                let mut interface = answers.iter().find_map(|attributes| interface(attributes));
                if let Some(interface) = &mut interface {
                    interface.up = self.up(Some(index)).await.contains(&index);
                }
                Ok(interface)
            }
            Err(ControlError { refusal: Refusal::Gone, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn add_monitor(&mut self, phy: u32, name: &str) -> Result<u32, ControlError> {
        let what = format!("create the monitor interface '{name}'");
        let answers = self
            .ask(
                &what,
                Nl80211Command::NewInterface,
                0,
                vec![
                    Nl80211Attr::Wiphy(phy),
                    Nl80211Attr::IfName(name.to_owned()),
                    Nl80211Attr::IfType(Nl80211InterfaceType::Monitor),
                ],
            )
            .await?;
        let created = answers.iter().find_map(|attributes| interface(attributes));
        created.map(|interface| interface.index).ok_or_else(|| failed(what, Refusal::Unsupported))
    }

    async fn delete(&mut self, index: u32) -> Result<(), ControlError> {
        let attributes = vec![Nl80211Attr::IfIndex(index)];
        self.ask("remove the interface", Nl80211Command::DelInterface, NLM_F_ACK, attributes).await.map(|_| ())
    }

    async fn set_kind(&mut self, index: u32, kind: InterfaceType) -> Result<(), ControlError> {
        let what = format!("set the interface to type {kind}");
        let attributes = vec![Nl80211Attr::IfIndex(index), Nl80211Attr::IfType(kind.0.into())];
        self.ask(&what, Nl80211Command::SetInterface, NLM_F_ACK, attributes).await.map(|_| ())
    }

    async fn set_up(&mut self, index: u32, up: bool) -> Result<(), ControlError> {
        let link = LinkUnspec::new_with_index(index);
        let message = if up { link.up() } else { link.down() }.build();
        let what = if up { "bring the interface up" } else { "take the interface down" };
        match tokio::time::timeout(PATIENCE, self.routes.link().change(message).execute()).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(rtnetlink::Error::NetlinkError(error))) => {
                Err(failed(what, refusal(error.code.map_or(0, std::num::NonZeroI32::get))))
            }
            Ok(Err(error)) => {
                tracing::debug!(%error, "rtnetlink");
                Err(failed(what, Refusal::Other(rustix::io::Errno::IO.raw_os_error())))
            }
            Err(_) => Err(failed(what, Refusal::Other(rustix::io::Errno::TIMEDOUT.raw_os_error()))),
        }
    }

    async fn set_p2p(&mut self, device: u64, started: bool) -> Result<(), ControlError> {
        let (what, cmd) = match started {
            true => ("start the P2P device", Nl80211Command::StartP2PDevice),
            false => ("stop the P2P device", Nl80211Command::StopP2PDevice),
        };
        self.ask(what, cmd, NLM_F_ACK, vec![Nl80211Attr::Wdev(device)]).await.map(|_| ())
    }

    async fn tune(&mut self, index: u32, tuning: Tuning) -> Result<(), ControlError> {
        let what = format!("tune to channel {tuning} ({} MHz)", tuning.freq_mhz);
        let mut attributes = vec![Nl80211Attr::IfIndex(index), Nl80211Attr::WiphyFreq(tuning.freq_mhz.into())];
        match tuning.width {
            // As the oldest drivers know it, too.
            Width::Mhz20 => attributes.push(Nl80211Attr::WiphyChannelType(Nl80211HtWiphyChannelType::NoHt)),
            width => {
                let centre = tuning.centre_mhz().ok_or_else(|| failed(&what, Refusal::Invalid))?;
                attributes.push(Nl80211Attr::ChannelWidth(Nl80211ChannelWidth::Mhz(width.mhz().into())));
                attributes.push(Nl80211Attr::CenterFreq1(centre.into()));
            }
        }
        self.ask(&what, Nl80211Command::SetWiphy, NLM_F_ACK, attributes).await.map(|_| ())
    }
}

/// Adds what one message of a split dump says: the kernel sends each card in many pieces.
fn add_to(phys: &mut Vec<Phy>, attributes: &[Nl80211Attr]) {
    let Some(index) = attributes.iter().find_map(|attribute| match attribute {
        Nl80211Attr::Wiphy(index) => Some(*index),
        _ => None,
    }) else {
        return;
    };
    if phys.iter().all(|phy| phy.index != index) {
        phys.push(Phy {
            index,
            name: String::new(),
            mac: None,
            driver: None,
            bus: None,
            kinds: Vec::new(),
            channels: Vec::new(),
            rfkill: Rfkill::default(),
            interfaces: Vec::new(),
            p2p: Vec::new(),
        });
    }
    let Some(phy) = phys.iter_mut().find(|phy| phy.index == index) else { return };
    for attribute in attributes {
        match attribute {
            Nl80211Attr::WiphyName(name) => phy.name.clone_from(name),
            Nl80211Attr::SupportedIftypes(modes) => {
                phy.kinds = modes.iter().map(|&mode| InterfaceType(u16::from(mode).into())).collect();
            }
            Nl80211Attr::WiphyBands(bands) => {
                // Frames of the other bands (below 1 GHz, 60 GHz) are laid out otherwise.
                let ours = [Nl80211BandType::Band2GHz, Nl80211BandType::Band5GHz, Nl80211BandType::Band6GHz];
                for info in bands.iter().filter(|band| ours.contains(&band.kind)).flat_map(|band| &band.info) {
                    if let Nl80211BandInfo::Freqs(frequencies) = info {
                        phy.channels.extend(frequencies.iter().filter_map(|frequency| channel(&frequency.info)));
                    }
                }
            }
            _ => {}
        }
    }
}

fn channel(infos: &[Nl80211FrequencyInfo]) -> Option<PhyChannel> {
    let mut channel = PhyChannel::default();
    for info in infos {
        match info {
            Nl80211FrequencyInfo::Freq(mhz) => channel.freq_mhz = u16::try_from(*mhz).ok()?,
            Nl80211FrequencyInfo::Disabled => channel.disabled = true,
            Nl80211FrequencyInfo::NoIr => channel.no_ir = true,
            Nl80211FrequencyInfo::Radar => channel.radar = true,
            _ => {}
        }
    }
    (channel.freq_mhz > 0).then_some(channel)
}

/// The interface of one answer; `None` for devices without one (P2P).
fn interface(attributes: &[Nl80211Attr]) -> Option<Interface> {
    let (mut index, mut name, mut phy) = (None, None, None);
    let (mut kind, mut mac, mut freq_mhz) = (InterfaceType(0), None, None);
    for attribute in attributes {
        match attribute {
            Nl80211Attr::IfIndex(value) => index = Some(*value),
            Nl80211Attr::IfName(value) => name = Some(value.clone()),
            Nl80211Attr::Wiphy(value) => phy = Some(*value),
            Nl80211Attr::IfType(value) => kind = InterfaceType((*value).into()),
            Nl80211Attr::Mac(value) => mac = Some(Mac(*value)),
            Nl80211Attr::WiphyFreq(value) => freq_mhz = u16::try_from(*value).ok(),
            _ => {}
        }
    }
    Some(Interface {
        index: index?,
        name: name?,
        phy: phy?,
        kind,
        mac,
        up: false,
        freq_mhz,
        default_route: false,
        managed: None,
    })
}

/// The card and the number of a P2P device, if the answer is of one.
fn p2p_device(attributes: &[Nl80211Attr]) -> Option<(u32, u64)> {
    let (mut phy, mut device, mut is_p2p) = (None, None, false);
    for attribute in attributes {
        match attribute {
            Nl80211Attr::Wiphy(value) => phy = Some(*value),
            Nl80211Attr::Wdev(value) => device = Some(*value),
            Nl80211Attr::IfType(value) => is_p2p = *value == Nl80211InterfaceType::P2pDevice,
            _ => {}
        }
    }
    is_p2p.then_some(())?;
    Some((phy?, device?))
}

fn text(path: &Path) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

/// The last part of where a symbolic link leads.
fn name_of(path: &Path) -> Option<String> {
    fs::canonicalize(path).ok()?.file_name()?.to_str().map(str::to_owned)
}

/// Of a USB device the kernel's `device` is an interface of it, like `1-1.4:1.0`; its parent is the stick.
fn bus_device(device: &Path) -> PathBuf {
    let real = fs::canonicalize(device).unwrap_or_else(|_| device.to_owned());
    let is_usb_interface = real
        .file_name()
        .and_then(|name| name.to_str())
        .is_some_and(|name| name.starts_with(|c: char| c.is_ascii_digit()) && name.contains('-') && name.contains(':'));
    match real.parent() {
        Some(parent) if is_usb_interface => parent.to_owned(),
        _ => real,
    }
}

fn rfkill(phy: &Path) -> Rfkill {
    let mut blocked = Rfkill::default();
    for entry in fs::read_dir(phy).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with("rfkill") {
            let is_set = |name: &str| text(&entry.path().join(name)).as_deref() == Some("1");
            blocked.soft |= is_set("soft");
            blocked.hard |= is_set("hard");
        }
    }
    blocked
}

/// What NetworkManager keeps of each device it knows: `[device]`, `managed=true`.
fn network_manager(index: u32) -> Option<bool> {
    let devices = Path::new("/run/NetworkManager/devices");
    if !devices.is_dir() {
        return None;
    }
    let state = text(&devices.join(index.to_string())).unwrap_or_default();
    Some(state.lines().any(|line| line.trim() == "managed=true"))
}
