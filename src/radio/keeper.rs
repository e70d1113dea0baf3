//! The task that owns the card: finds it, makes it listen, hops, heals, lives through whatever happens to it, and gives
//! it back. Says how it is and what happened to an [`Observer`]; where the radio was goes to [`Airtime`].

use super::{
    airtime::Airtime,
    baseline::Baseline,
    before::CardBefore,
    card::{self, Card},
    control::{CardControl, ControlError, Phy, Refusal},
    exposure::Doing,
    health::Health,
    plan::Activity,
    select::{SelectError, Wanted, choose},
};
use crate::{Mac, config::Radio, pace::Backoff, watchdog::Beat};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};

/// Between two attempts to get the card: the first pause, and the longest.
const SOON: Duration = Duration::from_millis(200);
const LATER: Duration = Duration::from_secs(3);
/// A card that listened for so long starts the pauses again.
const STEADY: Duration = Duration::from_secs(30);
/// News of one kind come at most this often; the next says how many were left out.
const NEWS_EVERY: Duration = Duration::from_secs(10);

/// How the radio is, for the sensor's status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// All is well.
    Good,
    /// Nothing is wrong, yet a reader should know.
    Noted(&'static str),
    /// It needs a person, or something to pass.
    Degraded(&'static str),
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub struct News {
    /// In one word.
    pub kind: &'static str,
    /// In a sentence.
    pub message: String,
    /// Whether a person may have to look at it.
    pub warning: bool,
    /// What belongs to it.
    pub data: Vec<(&'static str, Value)>,
}

/// Who hears how the radio is.
pub trait Observer: Send {
    /// It is so from now on.
    fn condition(&mut self, condition: Condition);
    /// This happened.
    fn news(&mut self, news: News);
}

/// A clock for exposure.
pub trait Timer: Send {
    /// Nanoseconds of CLOCK_BOOTTIME.
    fn boot_nanos(&self) -> i64;
}

/// The system's.
#[derive(Clone, Copy, Debug)]
pub struct BootClock;

impl Timer for BootClock {
    fn boot_nanos(&self) -> i64 {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        now.tv_sec.saturating_mul(1_000_000_000).saturating_add(now.tv_nsec)
    }
}

/// Why a sensor cannot start with this card and configuration; waiting would not help.
#[derive(Debug, thiserror::Error)]
pub enum RadioError {
    /// The card.
    #[error(transparent)]
    Select(#[from] SelectError),
    /// The kernel.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// The privileges.
    #[error(
        "this user may not set up a radio: it takes the capabilities CAP_NET_ADMIN and CAP_NET_RAW, which the service \
         unit grants, or root"
    )]
    Permission,
    /// The channels.
    #[error(
        "{card} may listen to none of the channels of radio.channels = \"{channels}\": `airtally radio list` \
             shows which it may here"
    )]
    Channels {
        /// The card.
        card: String,
        /// The configuration's text.
        channels: String,
    },
}

/// Where the keeper keeps what outlives it.
#[derive(Clone, Debug)]
pub struct Files {
    /// What the card was like before; lost with the system's start, as what it describes is.
    pub record: PathBuf,
    /// What the place usually gives.
    pub baseline: PathBuf,
}

impl Files {
    /// In the sensor's two directories.
    #[must_use]
    pub fn new(runtime_dir: &Path, state_dir: &Path) -> Self {
        Self { record: runtime_dir.join("radio.json"), baseline: state_dir.join("radio-baseline.json") }
    }
}

/// Why the card does not listen (any more).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    /// For the status.
    pub reason: &'static str,
    /// For people.
    pub message: String,
}

impl From<ControlError> for Trouble {
    fn from(error: ControlError) -> Self {
        let reason = match error.refusal {
            Refusal::Gone => "radio_absent",
            Refusal::Busy => "radio_busy",
            Refusal::Rfkill => "rfkill",
            _ => "radio_failed",
        };
        Self { reason, message: error.to_string() }
    }
}

impl From<SelectError> for Trouble {
    fn from(error: SelectError) -> Self {
        let reason = if error.may_pass() { "radio_absent" } else { "radio_unusable" };
        Self { reason, message: error.to_string() }
    }
}

/// The task.
pub struct Keeper<L, C, O> {
    pub(super) link: L,
    pub(super) clock: C,
    observer: O,
    pub(super) radio: Radio,
    pub(super) airtime: Airtime,
    files: Files,
    /// The card as it was, while it is in our hands.
    record: Option<CardBefore>,
    /// The address of the card that was taken last.
    remembered: Option<Mac>,
    pub(super) health: Health,
    pub(super) activity: Activity,
    /// Channels that refused, until when, and for how long.
    pub(super) aside: BTreeMap<u16, (Instant, Backoff)>,
    pub(super) began: Instant,
    condition: Option<Condition>,
    /// When there were news of each kind, and how many were left out since.
    told: BTreeMap<&'static str, (Instant, u64)>,
    pub(super) beat: Beat,
}

impl<L: CardControl, C: Timer, O: Observer> Keeper<L, C, O> {
    /// A keeper without a card yet.
    #[must_use]
    pub fn new(link: L, clock: C, observer: O, radio: Radio, airtime: &Airtime, files: Files) -> Self {
        let baseline = Baseline::read(&files.baseline, radio.baseline);
        Self {
            link,
            clock,
            observer,
            radio,
            airtime: airtime.clone(),
            files,
            record: None,
            remembered: None,
            health: Health::new(baseline),
            activity: Activity::new(),
            aside: BTreeMap::new(),
            began: Instant::now(),
            condition: None,
            told: BTreeMap::new(),
            beat: Beat::default(),
        }
    }

    /// The keeper as a stage of a daemon, which marks this beat.
    #[must_use]
    pub fn with_beat(self, beat: Beat) -> Self {
        Self { beat, ..self }
    }

    /// Before anything runs: gives back what a crashed run left taken, and refuses what only a person can mend.
    ///
    /// # Errors
    /// One sentence that says what. A card that is merely absent is no error: it may be plugged in.
    pub async fn check(&mut self) -> Result<(), RadioError> {
        if !self.link.is_privileged() {
            return Err(RadioError::Permission);
        }
        if let Some(record) = CardBefore::read(&self.files.record) {
            self.remembered = record.mac();
            record.restore(&mut self.link).await?;
            tracing::info!("gave back the card that an earlier run was cut off with");
        }
        CardBefore::remove(&self.files.record);
        let phys = self.link.phys().await?;
        match self.choose(&phys) {
            Ok(phy) => {
                if self
                    .radio
                    .channels
                    .tunings(|freq_mhz| phy.may_listen(freq_mhz))
                    .iter()
                    .all(|tuning| !phy.may_listen(tuning.freq_mhz))
                {
                    let (card, channels) = (super::select::title(phy), self.radio.channels.to_string());
                    return Err(RadioError::Channels { card, channels });
                }
                Ok(())
            }
            Err(error) if error.may_pass() => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    pub(super) fn choose<'a>(&self, phys: &'a [Phy]) -> Result<&'a Phy, SelectError> {
        let interface = self.radio.interface.as_deref();
        let wanted = Wanted { interface, allow_uplink: self.radio.allow_uplink, remembered: self.remembered };
        choose(phys, wanted).map_err(|error| match (error, interface) {
            (SelectError::Absent { .. }, Some(name)) if self.link.knows(name) => SelectError::NotWireless(name.into()),
            (error, _) => error,
        })
    }

    /// Keeps the card listening until it is told to stop, then gives it back.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) {
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => {}
            () = self.keep() => {}
        }
        self.away();
        self.give_back().await;
        self.save();
        self.beat.done();
    }

    /// For ever: get the card, listen, and when that ends, again.
    async fn keep(&mut self) {
        let mut backoff = Backoff::new(SOON, LATER);
        loop {
            let began = Instant::now();
            let trouble = match self.take().await {
                Ok(card) => self.listen(card).await,
                Err(trouble) => trouble,
            };
            self.away();
            self.health.forget();
            let condition = Condition::Degraded(trouble.reason);
            if self.is_reported(condition) {
                // A card may be away for months.
                tracing::debug!(reason = trouble.reason, "{}", trouble.message);
            } else {
                self.report(condition);
                self.tell("radio_lost", true, trouble.message, vec![("reason", trouble.reason.into())]);
            }
            if began.elapsed() >= STEADY {
                backoff.reset();
            }
            self.beat.while_waiting(sleep(backoff.pause())).await;
        }
    }

    /// Finds the card and makes it listen.
    async fn take(&mut self) -> Result<Card, Trouble> {
        let phys = self.link.phys().await?;
        let phy = self.choose(&phys)?.clone();
        if phy.rfkill.is_blocked() {
            let by =
                if phy.rfkill.hard { "a switch on the device" } else { "software (`rfkill unblock wifi` undoes it)" };
            let message = format!("{} is turned off by {by}", phy.name);
            return Err(Trouble { reason: "rfkill", message });
        }
        // Of another card, which may still be here: its record is about to give way to this one's.
        if let Some(other) = self.record.take_if(|record| !record.is_of(&phy))
            && let Err(error) = other.restore(&mut self.link).await
        {
            tracing::error!(%error, "the card before this one could not be given back as it was");
        }
        let record = match self.record.take() {
            Some(record) => {
                // It was changed under us: from what it was before, once more.
                self.record = Some(record.clone());
                record.restore(&mut self.link).await?;
                record
            }
            None => {
                let record = CardBefore::of(&phy, Some(card::free_name(&self.link)));
                let written = record.write(&self.files.record);
                written.map_err(|error| self.unwritten(&error))?;
                record
            }
        };
        let mac = phy.mac;
        let wanted = self.radio.interface.clone();
        // As it is after a restoration.
        let phys = self.link.phys().await?;
        let phy = phys.into_iter().find(|other| other.index == phy.index).unwrap_or(phy);
        // From here on there is something to give back, even if a stop comes in the middle.
        self.record = Some(record.clone());
        let made = card::make(&mut self.link, &phy, self.radio.mode, wanted.as_deref(), &record).await;
        let card = match made {
            Ok(card) => card,
            Err(error) => {
                self.give_back().await;
                return Err(error.into());
            }
        };
        self.remembered = mac;
        let how = if card.dedicated { "by an interface of its own" } else { "converted" };
        let message = format!("Listening with {}, {} ({how}).", card.phy.name, card.name);
        let data = vec![
            ("card", card.phy.name.clone().into()),
            ("interface", card.name.clone().into()),
            ("driver", card.phy.driver.clone().into()),
        ];
        self.tell("radio_taken", false, message, data);
        Ok(card)
    }

    fn unwritten(&self, error: &io::Error) -> Trouble {
        let message = format!(
            "cannot write {}: {error}; without it the card could not be given back after a crash",
            self.files.record.display()
        );
        Trouble { reason: "radio_failed", message }
    }

    /// The radio is off, and there is nothing to listen on.
    pub(super) fn away(&mut self) {
        self.airtime.leave(self.clock.boot_nanos(), Doing::Off);
        self.airtime.set_tap(None);
        self.airtime.forget();
    }

    /// Puts the card back as it was.
    async fn give_back(&mut self) {
        let Some(record) = self.record.take() else { return };
        match record.restore(&mut self.link).await {
            Ok(()) => {
                tracing::info!("the card is as it was before");
                CardBefore::remove(&self.files.record);
            }
            Err(error) => tracing::error!("the card could not be given back as it was: {error}"),
        }
    }

    /// Keeps what the place gives, if that is known better than before.
    pub(super) fn save(&mut self) {
        if self.health.baseline().has_changed()
            && let Err(error) = self.health.baseline().write(&self.files.baseline)
        {
            tracing::warn!(path = %self.files.baseline.display(), %error, "cannot keep what this place usually gives");
        }
    }

    pub(super) fn is_reported(&self, condition: Condition) -> bool {
        self.condition == Some(condition)
    }

    pub(super) fn report(&mut self, condition: Condition) {
        if self.condition != Some(condition) {
            self.condition = Some(condition);
            self.observer.condition(condition);
        }
    }

    pub(super) fn tell(
        &mut self,
        kind: &'static str,
        warning: bool,
        message: String,
        mut data: Vec<(&'static str, Value)>,
    ) {
        let now = Instant::now();
        if let Some((last, left_out)) = self.told.get_mut(kind) {
            if now.duration_since(*last) < NEWS_EVERY {
                *left_out += 1;
                tracing::debug!(kind, message, "left out: there were such news just now");
                return;
            }
            if *left_out > 0 {
                data.push(("left_out", (*left_out).into()));
            }
        }
        self.told.insert(kind, (now, 0));
        self.observer.news(News { kind, message, warning, data });
    }
}
