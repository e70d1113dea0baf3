//! A kernel, a card and a counting thread for the keeper's tests.

use airtally::{
    Mac,
    config::Radio,
    dot11::channels::Tuning,
    radio::{
        airtime::{Airtime, Witness},
        control::{CardControl, ControlError, Interface, InterfaceType, Phy, PhyChannel, Refusal, Rfkill},
        keeper::{BootClock, Condition, Files, Keeper, News, Observer, RadioError, Timer as _},
    },
};
use std::{
    collections::BTreeSet,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use tokio::{sync::watch, task::JoinHandle};

/// Waits until something holds; fails when it does not in time. Looks often.
pub async fn wait(patience: Duration, holds: impl Fn() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < patience, "in vain for {patience:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// What a card delivers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Air {
    /// Frames of the channel it is tuned to.
    Frames,
    /// Nothing, whatever it is told.
    Nothing,
    /// Frames of this channel, whatever it is told.
    Of(u16),
}

/// The kernel.
pub struct World {
    pub phys: Vec<Phy>,
    pub air: Air,
    /// Orders that are refused: how they begin, and why.
    pub refuse: Vec<(&'static str, Refusal)>,
    pub privileged: bool,
    /// Whether wpa_supplicant's P2P device is started.
    pub p2p_started: bool,
    tuned: BTreeSet<u16>,
    next: u32,
}

impl World {
    fn interfaces(&mut self) -> impl Iterator<Item = &mut Interface> {
        self.phys.iter_mut().flat_map(|phy| &mut phy.interfaces)
    }

    /// Turns the radio off, which takes its interfaces down, or on.
    pub fn block(&mut self, blocked: bool) {
        for phy in &mut self.phys {
            phy.rfkill.soft = blocked;
            phy.interfaces.iter_mut().filter(|_| blocked).for_each(|interface| interface.up = false);
        }
    }
}

/// The kernel as the keeper sees it.
pub struct Fake(Arc<Mutex<World>>);

impl Fake {
    fn order<T>(
        &self,
        what: &str,
        index: u32,
        act: impl FnOnce(&mut World, usize) -> Result<T, Refusal>,
    ) -> Result<T, ControlError> {
        let mut world = self.0.lock().unwrap();
        let refused = world.refuse.iter().find(|(order, _)| what == *order).map(|(_, refusal)| *refusal);
        let phy = world.phys.iter().position(|phy| {
            phy.interfaces.iter().any(|interface| interface.index == index) || (what == "add" && phy.index == index)
        });
        let result = match (refused, phy) {
            (Some(refusal), _) => Err(refusal),
            (None, None) => Err(Refusal::Gone),
            (None, Some(phy)) => act(&mut world, phy),
        };
        result.map_err(|refusal| ControlError { what: what.to_owned(), refusal })
    }
}

fn interface_of(phy: &mut Phy, index: u32) -> Result<&mut Interface, Refusal> {
    phy.interfaces.iter_mut().find(|interface| interface.index == index).ok_or(Refusal::Gone)
}

impl CardControl for Fake {
    fn is_privileged(&self) -> bool {
        self.0.lock().unwrap().privileged
    }

    fn knows(&self, name: &str) -> bool {
        name == "lo" || self.0.lock().unwrap().interfaces().any(|interface| interface.name == name)
    }

    async fn phys(&mut self) -> Result<Vec<Phy>, ControlError> {
        Ok(self.0.lock().unwrap().phys.clone())
    }

    async fn interface(&mut self, index: u32) -> Result<Option<Interface>, ControlError> {
        Ok(self.0.lock().unwrap().interfaces().find(|interface| interface.index == index).cloned())
    }

    async fn add_monitor(&mut self, phy: u32, name: &str) -> Result<u32, ControlError> {
        self.order("add", phy, |world, place| {
            world.next += 1;
            let interface = interface(world.next, name, phy, InterfaceType::MONITOR);
            world.phys[place].interfaces.push(interface);
            Ok(world.next)
        })
    }

    async fn delete(&mut self, index: u32) -> Result<(), ControlError> {
        self.order("delete", index, |world, place| {
            world.phys[place].interfaces.retain(|interface| interface.index != index);
            Ok(())
        })
    }

    async fn set_kind(&mut self, index: u32, kind: InterfaceType) -> Result<(), ControlError> {
        self.order("kind", index, |world, place| {
            let interface = interface_of(&mut world.phys[place], index)?;
            if interface.up {
                return Err(Refusal::Busy);
            }
            interface.kind = kind;
            Ok(())
        })
    }

    async fn set_up(&mut self, index: u32, up: bool) -> Result<(), ControlError> {
        self.order("up", index, |world, place| {
            if up && world.phys[place].rfkill.is_blocked() {
                return Err(Refusal::Rfkill);
            }
            interface_of(&mut world.phys[place], index)?.up = up;
            Ok(())
        })
    }

    async fn set_p2p(&mut self, device: u64, started: bool) -> Result<(), ControlError> {
        assert_eq!(device, 77);
        self.0.lock().unwrap().p2p_started = started;
        Ok(())
    }

    async fn tune(&mut self, index: u32, tuning: Tuning) -> Result<(), ControlError> {
        self.order(&format!("tune {}", tuning.freq_mhz), index, |world, place| {
            // As mac80211 has it: a managed interface that is up owns the channel.
            let phy = &mut world.phys[place];
            if phy.interfaces.iter().any(|interface| interface.up && interface.kind != InterfaceType::MONITOR) {
                return Err(Refusal::Busy);
            }
            let interface = interface_of(phy, index)?;
            // As mac80211 has that, too: success, and no effect.
            if !world.p2p_started {
                interface.freq_mhz = Some(tuning.freq_mhz);
            }
            world.tuned.insert(tuning.freq_mhz);
            Ok(())
        })
    }
}

fn interface(index: u32, name: &str, phy: u32, kind: InterfaceType) -> Interface {
    Interface {
        index,
        name: name.into(),
        phy,
        kind,
        mac: Some(MAC),
        up: false,
        freq_mhz: None,
        default_route: false,
        managed: None,
    }
}

const MAC: Mac = Mac([2, 0, 0, 0, 0, 9]);

/// A kernel with one card, `wlan1`, managed and up.
pub struct Stage {
    world: Arc<Mutex<World>>,
    directory: tempfile::TempDir,
}

impl Stage {
    pub fn new() -> Self {
        let world = World {
            phys: Vec::new(),
            air: Air::Frames,
            refuse: Vec::new(),
            privileged: true,
            p2p_started: true,
            tuned: BTreeSet::new(),
            next: 0,
        };
        let stage = Self { world: Arc::new(Mutex::new(world)), directory: tempfile::tempdir().unwrap() };
        stage.plug("wlan1");
        stage
    }

    pub fn world<T>(&self, act: impl FnOnce(&mut World) -> T) -> T {
        act(&mut self.world.lock().unwrap())
    }

    /// Plugs the card in; its interface has this name.
    pub fn plug(&self, name: &str) {
        self.world(|world| {
            world.next += 2;
            let channels = (0..13).map(|n| PhyChannel { freq_mhz: 2412 + 5 * n, ..PhyChannel::default() });
            let (phy, index) = (world.next - 1, world.next);
            let mut interface = interface(index, name, phy, InterfaceType::MANAGED);
            interface.up = true;
            world.phys.push(Phy {
                index: phy,
                name: format!("phy{phy}"),
                mac: Some(MAC),
                driver: Some("fake".into()),
                bus: Some("1-1.4".into()),
                kinds: vec![InterfaceType::MANAGED, InterfaceType::MONITOR],
                channels: channels.collect(),
                rfkill: Rfkill::default(),
                interfaces: vec![interface],
                p2p: vec![77],
            });
        });
    }

    /// What somebody else does to an interface.
    pub fn set(&self, name: &str, act: impl FnOnce(&mut Interface)) {
        self.world(|world| act(world.interfaces().find(|interface| interface.name == name).expect(name)));
    }

    /// What `iw dev` and `ip link` would show, by name.
    pub fn shown(&self) -> Vec<String> {
        self.world(|world| {
            let mut shown: Vec<String> = world
                .interfaces()
                .map(|interface| {
                    let up = if interface.up { "up" } else { "down" };
                    format!("{} {} {up}", interface.name, interface.kind)
                })
                .collect();
            shown.sort();
            if shown.is_empty() { vec!["nothing".into()] } else { shown }
        })
    }

    pub fn tuned(&self) -> BTreeSet<u16> {
        self.world(|world| world.tuned.clone())
    }

    pub fn record(&self) -> PathBuf {
        self.directory.path().join("radio.json")
    }

    pub fn baseline(&self) -> PathBuf {
        self.directory.path().join("radio-baseline.json")
    }

    /// Starts a keeper, and somebody who counts what the card delivers.
    pub async fn play(&self, radio: Radio) -> Result<Play, RadioError> {
        let airtime = Airtime::default();
        let told = Arc::new(Mutex::new(Told::default()));
        let files = Files::new(self.directory.path(), self.directory.path());
        let link = Fake(Arc::clone(&self.world));
        let mut keeper = Keeper::new(link, BootClock, Ear(Arc::clone(&told)), radio, &airtime, files);
        keeper.check().await?;
        let (stop, stopped) = watch::channel(false);
        let keeping = tokio::spawn(keeper.run(stopped));
        let counting = tokio::spawn(count(Arc::clone(&self.world), airtime.clone()));
        Ok(Play { told, stop, keeping, counting, airtime })
    }
}

/// Delivers twenty frames a second as the card would, every 50 ms.
async fn count(world: Arc<Mutex<World>>, airtime: Airtime) {
    let mut witness = Witness::new(&airtime);
    loop {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let Some(name) = airtime.tap().interface else { continue };
        let now = BootClock.boot_nanos();
        {
            let mut world = world.lock().unwrap();
            let air = world.air;
            let Some(card) = world.interfaces().find(|interface| interface.name == name && interface.up) else {
                continue;
            };
            let heard = match air {
                Air::Frames => card.freq_mhz,
                Air::Nothing => None,
                Air::Of(freq_mhz) => Some(freq_mhz),
            };
            if card.kind == InterfaceType::MONITOR && heard.is_some() {
                witness.frame(now, heard);
            }
        }
        witness.counted(now);
    }
}

#[derive(Default)]
struct Told {
    condition: Option<Condition>,
    news: Vec<News>,
}

struct Ear(Arc<Mutex<Told>>);

impl Observer for Ear {
    fn condition(&mut self, condition: Condition) {
        self.0.lock().unwrap().condition = Some(condition);
    }

    fn news(&mut self, news: News) {
        self.0.lock().unwrap().news.push(news);
    }
}

/// A keeper at work.
pub struct Play {
    told: Arc<Mutex<Told>>,
    stop: watch::Sender<bool>,
    keeping: JoinHandle<()>,
    counting: JoinHandle<()>,
    airtime: Airtime,
}

impl Play {
    pub fn condition(&self) -> Option<Condition> {
        self.told.lock().unwrap().condition
    }

    pub fn is_listening(&self) -> bool {
        self.airtime.tap().interface.is_some()
    }

    pub fn kinds(&self) -> Vec<&'static str> {
        self.told.lock().unwrap().news.iter().map(|news| news.kind).collect()
    }

    pub fn messages(&self) -> Vec<String> {
        self.told.lock().unwrap().news.iter().map(|news| news.message.clone()).collect()
    }

    /// Stops it in order.
    pub async fn stop(&mut self) {
        self.stop.send(true).unwrap();
        (&mut self.keeping).await.unwrap();
        self.counting.abort();
    }

    /// As `kill -9`.
    pub fn kill(&mut self) {
        self.keeping.abort();
        self.counting.abort();
    }
}
