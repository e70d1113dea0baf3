//! Listening: the plan executed on a card, its stays measured and judged, and what is mended on the way.

use super::{
    airtime::Stay,
    card::{Card, quell},
    control::{CardControl, ControlError, Interface, InterfaceType, Phy, Refusal},
    exposure::Doing,
    health::{Hearing, Observed, Step},
    keeper::{Condition, Keeper, Observer, Timer, Trouble},
    plan::{Visit, cycle, plan},
};
use crate::{dot11::channels::Tuning, pace::Backoff};
use std::{collections::VecDeque, time::Duration};
use tokio::time::{Instant, sleep, sleep_until};

/// A channel that refused is tried again after this; the pause doubles up to the longest.
const ASIDE: Duration = Duration::from_secs(10);
const LONG_ASIDE: Duration = Duration::from_secs(600);
/// How often the card's channels and its other interfaces are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// An interface that goes down more often than this, in this time, is left down for a while.
const RAISES: u32 = 5;
const RAISES_IN: Duration = Duration::from_secs(10);
/// One channel alone is listened to in stays of this length.
const ALONE: Duration = Duration::from_secs(1);
/// How much the newest stay counts in a channel's activity.
const NEWEST: f64 = 0.3;

/// What is known while a card listens.
struct Round {
    card: Card,
    tunings: Vec<Tuning>,
    /// Where the driver was last told to be, if it took it.
    tuned: Option<Tuning>,
    /// Stays during which the driver named another frequency, by when they began.
    elsewhere: VecDeque<i64>,
    looked: Instant,
    /// How often the interface was brought up again since when.
    raised: (u32, Instant),
    /// How many stays and how much time the plan's cycle takes.
    cycle: (usize, Duration),
}

impl<L: CardControl, C: Timer, O: Observer> Keeper<L, C, O> {
    /// Hops until something is wrong that takes getting the card anew.
    pub(super) async fn listen(&mut self, card: Card) -> Trouble {
        let mut round = Round {
            tunings: self.tunings(&card),
            card,
            tuned: None,
            elsewhere: VecDeque::new(),
            looked: Instant::now(),
            raised: (0, Instant::now()),
            cycle: (1, ALONE),
        };
        self.airtime.set_tap(Some(&round.card.name));
        loop {
            let now = Instant::now();
            let open = |tuning: &&Tuning| self.aside.get(&tuning.freq_mhz).is_none_or(|(until, _)| *until <= now);
            let tunings: Vec<Tuning> = round.tunings.iter().filter(open).copied().collect();
            if tunings.is_empty() {
                return self.nothing_to_listen_to(&round);
            }
            let mut visits = plan(&self.radio, &tunings, &self.activity);
            if let [only] = &mut visits[..] {
                only.dwell = only.dwell.max(ALONE);
            }
            round.cycle = (visits.len(), cycle(&visits));
            for visit in visits {
                if let Err(trouble) = self.visit(&mut round, visit).await {
                    return trouble;
                }
            }
        }
    }

    /// Everything that was asked for and that the card may listen to.
    fn tunings(&self, card: &Card) -> Vec<Tuning> {
        let may = |freq_mhz| card.phy.may_listen(freq_mhz);
        self.radio.channels.tunings(may).into_iter().filter(|tuning| may(tuning.freq_mhz)).collect()
    }

    /// Channels named in the configuration that the card may not listen to, as people write them.
    fn forbidden(&self, card: &Card) -> Vec<String> {
        let named = self.radio.channels.named().into_iter();
        named.filter(|tuning| !card.phy.may_listen(tuning.freq_mhz)).map(|tuning| tuning.to_string()).collect()
    }

    fn nothing_to_listen_to(&self, round: &Round) -> Trouble {
        let message = if round.tunings.is_empty() {
            format!(
                "{} may listen to none of the channels {} here: `airtally radio list` shows which it may",
                round.card.phy.name, self.radio.channels
            )
        } else {
            format!("{} refuses every channel of {}", round.card.phy.name, self.radio.channels)
        };
        Trouble { reason: "channels", message }
    }

    /// One stay on a channel, and what there is to do meanwhile.
    async fn visit(&mut self, round: &mut Round, visit: Visit) -> Result<(), Trouble> {
        self.beat.turn().await;
        if round.tuned != Some(visit.tuning) {
            self.airtime.leave(self.clock.boot_nanos(), Doing::Switching);
            round.tuned = None;
            if let Err(error) = self.tune(round, visit.tuning).await {
                return self.refused(round, visit.tuning, error).await;
            }
            round.tuned = Some(visit.tuning);
            if self.aside.remove(&visit.tuning.freq_mhz).is_some() {
                let message = format!("Channel {} is listened to again.", visit.tuning);
                self.tell("channel_back", false, message, vec![("freq_mhz", visit.tuning.freq_mhz.into())]);
            }
        }
        let from = self.clock.boot_nanos();
        let until = Instant::now() + visit.dwell;
        self.airtime.arrive(from, visit.tuning);
        // What follows takes little of the dwell, during which the radio listens.
        self.watch(round, visit.tuning, from).await?;
        self.judge(round).await?;
        self.beat.while_waiting(sleep_until(until)).await;
        Ok(())
    }

    async fn tune(&mut self, round: &Round, tuning: Tuning) -> Result<(), ControlError> {
        match self.link.tune(round.card.index, tuning).await {
            Err(ControlError { refusal: Refusal::Busy, .. }) => {
                // Somebody has brought another interface of the card up.
                let phys = self.link.phys().await?;
                if let Some(phy) = phys.iter().find(|phy| phy.index == round.card.phy.index) {
                    self.quell(round, phy).await?;
                }
                self.link.tune(round.card.index, tuning).await
            }
            result => result,
        }
    }

    /// Takes down what others have brought up on the card.
    async fn quell(&mut self, round: &Round, phy: &Phy) -> Result<(), ControlError> {
        let quelled = quell(&mut self.link, phy, Some(round.card.index)).await?;
        if !quelled.is_empty() {
            let message = format!(
                "{} was brought up by another program, which would hold the card's channel: it is down again. Tell \
                 that program to leave the card alone.",
                quelled.join(", ")
            );
            self.tell("radio_shared", true, message, vec![("interfaces", quelled.into())]);
        }
        Ok(())
    }

    /// A channel could not be tuned to: it, or the whole card?
    async fn refused(&mut self, round: &mut Round, tuning: Tuning, error: ControlError) -> Result<(), Trouble> {
        if !self.interface(round).await?.up {
            return self.raise(round).await;
        }
        match error.refusal {
            Refusal::Gone | Refusal::Permission | Refusal::Busy => Err(error.into()),
            Refusal::Down | Refusal::Rfkill => self.raise(round).await,
            Refusal::Unsupported | Refusal::Invalid | Refusal::Other(_) => {
                let fresh = || (Instant::now(), Backoff::new(ASIDE, LONG_ASIDE));
                let (until, backoff) = self.aside.entry(tuning.freq_mhz).or_insert_with(fresh);
                let wait = backoff.pause();
                *until = Instant::now() + wait;
                let message = format!("Channel {tuning} is set aside for {} s: {error}.", wait.as_secs());
                self.tell("channel_refused", true, message, vec![("freq_mhz", tuning.freq_mhz.into())]);
                // However fast the refusals come.
                sleep(Duration::from_millis(20)).await;
                Ok(())
            }
        }
    }

    /// Brings the interface up again.
    async fn raise(&mut self, round: &mut Round) -> Result<(), Trouble> {
        self.airtime.leave(self.clock.boot_nanos(), Doing::Off);
        round.tuned = None;
        if round.raised.1.elapsed() >= RAISES_IN {
            round.raised = (0, Instant::now());
        }
        round.raised.0 += 1;
        if round.raised.0 > RAISES {
            let message = format!("{} is taken down again and again by another program", round.card.name);
            return Err(Trouble { reason: "radio_busy", message });
        }
        self.tell("radio_down", true, format!("{} is down: bringing it up again.", round.card.name), Vec::new());
        self.link.set_up(round.card.index, true).await?;
        self.reopen(round);
        sleep(Duration::from_millis(20)).await;
        Ok(())
    }

    /// The counting thread opens the interface anew, and what was heard before is no measure any more.
    fn reopen(&mut self, round: &Round) {
        self.airtime.set_tap(Some(&round.card.name));
        self.airtime.forget();
        self.health.forget();
    }

    /// The interface as it is now, if it is still there and still listens.
    async fn interface(&mut self, round: &Round) -> Result<Interface, Trouble> {
        let gone = || Trouble { reason: "radio_absent", message: format!("{} is gone", round.card.name) };
        let now = self.link.interface(round.card.index).await?.ok_or_else(gone)?;
        if now.kind != InterfaceType::MONITOR {
            let message = format!("{} was changed to type {} by another program", round.card.name, now.kind);
            return Err(Trouble { reason: "radio_changed", message });
        }
        Ok(now)
    }

    /// Looks at the interface: is it still there, ours, up, and where it was told to be?
    async fn watch(&mut self, round: &mut Round, tuning: Tuning, from: i64) -> Result<(), Trouble> {
        let now = self.interface(round).await?;
        if now.name != round.card.name {
            round.card.name = now.name;
            self.reopen(round);
        }
        if !now.up {
            return self.raise(round).await;
        }
        if now.freq_mhz.is_some_and(|freq_mhz| freq_mhz != tuning.freq_mhz) {
            round.elsewhere.push_back(from);
            round.tuned = None;
        }
        if round.looked.elapsed() >= LOOK_EVERY {
            self.look(round).await?;
        }
        Ok(())
    }

    /// The regulatory domain may have changed, and another program may have got hold of the card.
    async fn look(&mut self, round: &mut Round) -> Result<(), Trouble> {
        round.looked = Instant::now();
        let phys = self.link.phys().await?;
        let Some(phy) = phys.into_iter().find(|phy| phy.index == round.card.phy.index) else { return Ok(()) };
        self.quell(round, &phy).await?;
        if phy.channels != round.card.phy.channels {
            round.card.phy = phy;
            round.tunings = self.tunings(&round.card);
            self.aside.clear();
            let message = format!("The channels that {} may listen to have changed.", round.card.phy.name);
            self.tell("regulatory", false, message, vec![("channels", round.tunings.len().into())]);
        }
        Ok(())
    }

    /// Takes up what was heard, judges it, and does what the judgement asks for.
    async fn judge(&mut self, round: &mut Round) -> Result<(), Trouble> {
        let stays = self.airtime.finished();
        let mut observed = Vec::with_capacity(stays.len());
        for stay in stays {
            self.learn(&stay);
            while round.elsewhere.front().is_some_and(|from| *from < stay.from) {
                round.elsewhere.pop_front();
            }
            observed.push(Observed { stay, elsewhere: round.elsewhere.front() == Some(&stay.from) });
        }
        if self.airtime.trouble().is_some() {
            // Nobody listens: silence says nothing of the radio.
            self.health.forget();
            self.report(Condition::Degraded("capture"));
            return Ok(());
        }
        let verdict = self.health.judge(self.began.elapsed(), round.cycle, &observed);
        self.save();
        let forbidden = self.forbidden(&round.card);
        let condition = match verdict.hearing {
            Hearing::Deaf => Condition::Degraded("radio_deaf"),
            Hearing::WrongChannel => Condition::Degraded("wrong_channel"),
            _ if !forbidden.is_empty() => Condition::Degraded("channels"),
            Hearing::Quiet => Condition::Noted("quiet"),
            Hearing::Good => Condition::Good,
        };
        if condition == Condition::Degraded("channels") && !self.is_reported(condition) {
            let message = format!(
                "Of the channels asked for, {} may not be listened to here: `airtally radio list` shows which may.",
                forbidden.join(", ")
            );
            self.tell("channels", true, message, vec![("channels", forbidden.into())]);
        }
        self.report(condition);
        match verdict.step {
            Some(step) => self.heal(round, step, verdict.hearing, &observed).await,
            None => Ok(()),
        }
    }

    fn learn(&mut self, stay: &Stay) {
        #[expect(clippy::cast_precision_loss, reason = "a rate needs no more precision")]
        let rate = match stay.nanos() {
            nanos if nanos > 0 => stay.matched as f64 * 1e9 / nanos as f64,
            _ => return,
        };
        let known = self.activity.entry(stay.tuning.freq_mhz).or_insert(rate);
        *known += NEWEST * (rate - *known);
    }

    /// One step of healing.
    async fn heal(
        &mut self,
        round: &mut Round,
        step: Step,
        hearing: Hearing,
        observed: &[Observed],
    ) -> Result<(), Trouble> {
        let what = match hearing {
            Hearing::WrongChannel => {
                let stray = observed.iter().rev().find_map(|observed| observed.stay.foreign_mhz);
                stray.map_or("The radio is not where it was told to be".into(), |mhz| {
                    format!("The radio hears {mhz} MHz where it was told to be elsewhere")
                })
            }
            _ => "The radio hears nothing".to_owned(),
        };
        let (kind, remedy) = match step {
            Step::Retune => ("radio_heal_retune", "tuning it again".to_owned()),
            Step::Bounce => ("radio_heal_bounce", "taking its interface down and up".to_owned()),
            Step::Recreate => ("radio_heal_recreate", "creating its interface anew".to_owned()),
            Step::Advise => {
                ("radio_advise", format!("nothing helped. This binds the device anew: {}", round.card.rebind()))
            }
        };
        self.tell(kind, step == Step::Advise, format!("{what}: {remedy}."), Vec::new());
        if step == Step::Advise {
            return Ok(());
        }
        round.tuned = None;
        if step == Step::Retune {
            return Ok(());
        }
        self.airtime.leave(self.clock.boot_nanos(), Doing::Off);
        if step == Step::Bounce {
            round.card.bounce(&mut self.link).await?;
        } else {
            round.card.remake(&mut self.link).await?;
        }
        self.reopen(round);
        Ok(())
    }
}
