//! The task that owns the card, over a kernel of the test's own: what it does to the card, what it says of it, and that
//! everything is put back. Nothing of the room itself is replaced.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "radio_support/mod.rs"]
mod radio_support;

use airtally::{
    config::{Radio, RadioMode},
    radio::{
        baseline::Baseline,
        control::{InterfaceType, Refusal},
        keeper::{Condition, RadioError},
    },
};
use radio_support::{Air, Stage, wait};
use std::time::Duration;

/// Ten channels in two seconds.
fn radio() -> Radio {
    Radio {
        channels: "1-10".parse().unwrap(),
        dwell: Duration::from_millis(200),
        min_dwell: Duration::from_millis(120),
        baseline: Duration::from_secs(60),
        ..Radio::default()
    }
}

/// What a place with an access point on every channel gives.
fn busy() -> Baseline {
    let mut baseline = Baseline::new(Duration::from_secs(60));
    for number in 0..300 {
        baseline.learn(2412 + 5 * (number % 10), 4, Duration::from_millis(200));
    }
    baseline
}

const CYCLE: Duration = Duration::from_secs(2);

#[tokio::test]
async fn a_card_is_taken_hopped_and_given_back() {
    let stage = Stage::new();
    let before = stage.shown();
    let mut play = stage.play(radio()).await.unwrap();
    wait(CYCLE * 2, || play.condition() == Some(Condition::Good)).await;
    assert_eq!(stage.shown(), ["airtally0 monitor up", "wlan1 managed down"]);
    wait(CYCLE * 2, || stage.tuned().len() >= 10).await;
    assert!(stage.record().exists(), "written before the card was touched");
    play.stop().await;
    assert_eq!(stage.shown(), before);
    assert!(!stage.record().exists());
    assert!(stage.world(|world| world.p2p_started));
    assert_eq!(play.kinds(), ["radio_taken"]);
}

#[tokio::test]
async fn where_the_driver_allows_no_second_interface_it_is_converted() {
    let stage = Stage::new();
    stage.world(|world| world.refuse.push(("add", Refusal::Unsupported)));
    let before = stage.shown();
    let mut play = stage.play(radio()).await.unwrap();
    wait(CYCLE * 2, || stage.shown() == ["wlan1 monitor up"]).await;
    play.stop().await;
    assert_eq!(stage.shown(), before);
    let dedicated = Radio { mode: RadioMode::Dedicated, ..radio() };
    let mut play = stage.play(dedicated).await.unwrap();
    wait(CYCLE, || play.condition() == Some(Condition::Degraded("radio_failed"))).await;
    play.stop().await;
    assert_eq!(stage.shown(), before, "nothing is left half-configured");
}

#[tokio::test]
async fn what_a_killed_run_left_is_given_back_by_the_next() {
    let stage = Stage::new();
    let before = stage.shown();
    let mut play = stage.play(radio()).await.unwrap();
    wait(CYCLE, || stage.shown()[0] == "airtally0 monitor up").await;
    play.kill();
    assert_ne!(stage.shown(), before);
    let mut play = stage.play(radio()).await.unwrap();
    wait(CYCLE, || play.condition() == Some(Condition::Good)).await;
    play.stop().await;
    assert_eq!(stage.shown(), before);
}

#[tokio::test]
async fn a_radio_that_delivers_nothing_is_degraded_within_two_cycles_and_healed_by_steps() {
    let stage = Stage::new();
    busy().write(&stage.baseline()).unwrap();
    let mut play = stage.play(radio()).await.unwrap();
    wait(CYCLE * 2, || play.condition() == Some(Condition::Good) && stage.tuned().len() >= 10).await;
    stage.world(|world| world.air = Air::Nothing);
    // Two cycles, and the half second that frames may be on their way.
    wait(CYCLE * 2 + Duration::from_millis(700), || play.condition() == Some(Condition::Degraded("radio_deaf"))).await;
    wait(CYCLE * 8, || play.kinds().contains(&"radio_advise")).await;
    assert_eq!(play.kinds()[1..], ["radio_heal_retune", "radio_heal_bounce", "radio_heal_recreate", "radio_advise"]);
    assert!(play.messages().last().unwrap().contains("/sys/bus/usb/drivers/usb/unbind"), "{:?}", play.messages());
    stage.world(|world| world.air = Air::Frames);
    wait(CYCLE, || play.condition() == Some(Condition::Good)).await;
    play.stop().await;
}

#[tokio::test]
async fn a_radio_that_delivers_another_channels_frames_is_degraded_within_two_cycles() {
    let stage = Stage::new();
    let mut play = stage.play(radio()).await.unwrap();
    wait(CYCLE * 2, || play.condition() == Some(Condition::Good)).await;
    stage.world(|world| world.air = Air::Of(2472));
    wait(CYCLE * 2 + Duration::from_millis(700), || play.condition() == Some(Condition::Degraded("wrong_channel")))
        .await;
    wait(CYCLE, || play.messages().last().unwrap().contains("2472 MHz")).await;
    stage.world(|world| world.air = Air::Frames);
    wait(CYCLE * 2, || play.condition() == Some(Condition::Good)).await;
    play.stop().await;
}

#[tokio::test]
async fn without_a_baseline_silence_is_quiet_and_not_degraded() {
    let stage = Stage::new();
    stage.world(|world| world.air = Air::Nothing);
    let mut play = stage.play(radio()).await.unwrap();
    wait(CYCLE * 3, || play.condition() == Some(Condition::Noted("quiet"))).await;
    play.stop().await;
}

#[tokio::test]
async fn it_lives_through_what_happens_to_the_card() {
    let stage = Stage::new();
    stage.world(|world| world.phys.clear());
    let mut play = stage.play(radio()).await.unwrap();
    wait(CYCLE, || play.condition() == Some(Condition::Degraded("radio_absent"))).await;
    stage.plug("wlan7");
    let good = || play.condition() == Some(Condition::Good) && play.is_listening();
    wait(CYCLE * 3, good).await;
    // Unplugged, and plugged in again under another name.
    stage.world(|world| world.phys.clear());
    wait(CYCLE, || play.condition() == Some(Condition::Degraded("radio_absent"))).await;
    assert!(!play.is_listening());
    stage.plug("wlan3");
    wait(CYCLE * 4, good).await;
    // Taken down by somebody.
    stage.set("airtally0", |interface| interface.up = false);
    wait(CYCLE, || stage.shown()[0] == "airtally0 monitor up").await;
    // Its type changed under us.
    stage.set("airtally0", |interface| interface.kind = InterfaceType::MANAGED);
    wait(CYCLE, || play.condition() == Some(Condition::Degraded("radio_changed"))).await;
    wait(CYCLE * 3, || good() && stage.shown()[0] == "airtally0 monitor up").await;
    // Turned off, and on.
    stage.world(|world| world.block(true));
    wait(CYCLE, || play.condition() == Some(Condition::Degraded("rfkill"))).await;
    stage.world(|world| world.block(false));
    wait(CYCLE * 4, good).await;
    // Another program brings the other interface up, which then owns the channel.
    stage.set("wlan3", |interface| interface.up = true);
    wait(CYCLE, || stage.shown() == ["airtally0 monitor up", "wlan3 managed down"]).await;
    play.stop().await;
    assert_eq!(stage.shown(), ["wlan3 managed up"]);
}

#[tokio::test]
async fn a_card_whose_place_another_takes_is_given_back_too() {
    let stage = Stage::new();
    let named = Radio { interface: Some("wlan1".into()), ..radio() };
    let mut play = stage.play(named).await.unwrap();
    wait(CYCLE * 2, || play.condition() == Some(Condition::Good)).await;
    // Renamed, and another card comes under its name: ours is then of the wrong card.
    stage.set("wlan1", |interface| interface.name = "wlan9".into());
    stage.plug("wlan1");
    stage.set("airtally0", |interface| interface.kind = InterfaceType::MANAGED);
    wait(CYCLE * 4, || stage.shown().contains(&"wlan1 managed down".to_owned())).await;
    play.stop().await;
    assert_eq!(stage.shown(), ["wlan1 managed up", "wlan9 managed up"]);
}

#[tokio::test]
async fn a_channel_that_refuses_is_set_aside_and_the_others_are_heard() {
    let stage = Stage::new();
    stage.world(|world| world.refuse.push(("tune 2427", Refusal::Invalid)));
    let mut play = stage.play(radio()).await.unwrap();
    wait(CYCLE * 3, || play.kinds().contains(&"channel_refused") && stage.tuned().len() == 9).await;
    assert_eq!(play.condition(), Some(Condition::Good));
    play.stop().await;
    // Forbidden from the start, and named: a person should know.
    let stage = Stage::new();
    stage.world(|world| world.phys[0].channels[2].disabled = true);
    let mut play = stage.play(radio()).await.unwrap();
    wait(CYCLE * 3, || play.condition() == Some(Condition::Degraded("channels"))).await;
    assert!(play.messages().last().unwrap().contains("Of the channels asked for, 3 may not"), "{:?}", play.messages());
    play.stop().await;
}

#[tokio::test]
async fn what_only_a_person_can_mend_is_refused_at_the_start_and_nothing_is_touched() {
    let stage = Stage::new();
    let before = stage.shown();
    let refused = |radio: Radio| {
        let stage = &stage;
        async move { stage.play(radio).await.err().expect("a refusal").to_string() }
    };
    stage.world(|world| world.privileged = false);
    assert!(refused(radio()).await.contains("CAP_NET_ADMIN"));
    stage.world(|world| world.privileged = true);
    stage.set("wlan1", |interface| interface.default_route = true);
    let named = Radio { interface: Some("wlan1".into()), ..radio() };
    assert!(refused(named.clone()).await.contains("carries the default route"));
    stage.set("wlan1", |interface| interface.default_route = false);
    stage.world(|world| world.phys[0].kinds = vec![InterfaceType::MANAGED]);
    assert!(refused(named).await.contains("has no monitor mode"));
    stage.world(|world| world.phys[0].kinds = vec![InterfaceType::MANAGED, InterfaceType::MONITOR]);
    let elsewhere = Radio { channels: "36-48".parse().unwrap(), ..radio() };
    assert!(refused(elsewhere).await.contains("may listen to none of the channels"));
    let wired = Radio { interface: Some("lo".into()), ..radio() };
    assert!(refused(wired).await.contains("is not a wireless interface"));
    assert!(matches!(stage.play(Radio { interface: Some("lo".into()), ..radio() }).await, Err(RadioError::Select(_))));
    assert_eq!(stage.shown(), before);
}
