//! Live capture on a pair of virtual Ethernet interfaces, in a network namespace of the test's own. Needs Linux
//! with user namespaces (or root), and the programs `unshare`, `ip` and `setpriv`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[allow(dead_code)]
#[path = "support/behind.rs"]
mod behind;

use airtally::{
    Mac, UnixNanos,
    capture::{CaptureError, LiveOptions, Polled, Source},
    dot11::{self, LinkType, Outcome},
};
use behind::{ip, run_behind, with_a_network_of_its_own};
use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

fn open(interface: &str) -> Result<Source, CaptureError> {
    Source::open_live(&LiveOptions { interface: interface.into(), snaplen: 128, buffer_bytes: 1 << 20 })
}

#[test]
fn frames_arrive_and_waits_end() {
    with_a_network_of_its_own("frames_arrive_and_waits_end", in_a_network_of_its_own);
}

#[test]
fn without_capabilities_the_refusal_names_them() {
    run_behind(
        &["unshare", "--map-root-user", "--net", "setpriv", "--bounding-set", "-all", "--inh-caps", "-all"],
        "without_capabilities_the_refusal_names_them",
        without_capabilities,
    );
}

fn without_capabilities() {
    let error = open("lo").err().unwrap();
    assert!(matches!(error, CaptureError::Permission { .. }), "{error:?}");
    assert!(error.to_string().contains("CAP_NET_RAW and CAP_NET_ADMIN"));
}

fn in_a_network_of_its_own() {
    ip("link add here0 type veth peer name there0");
    ip("link set there0 up");
    assert!(matches!(open("absent0"), Err(CaptureError::NoSuchInterface { .. })), "{:?}", open("absent0").err());
    match open("here0").map(|mut source| source.poll(&mut |_| {})) {
        Err(CaptureError::Down { .. }) | Ok(Err(CaptureError::Down { .. })) => {}
        other => panic!("{:?}", other.map(|_| ())),
    }
    ip("link set here0 up");

    // Frames of a sender that nobody else has, longer than what is kept of them.
    let sender = Mac([0x02, 0, 0, 0, 0, 0x17]);
    let mut frame = [&[0xff; 6][..], &sender.0, &[0x88, 0xb5]].concat();
    frame.resize(300, 0);
    let mut source = open("here0").unwrap();
    assert_eq!(source.link_types(), [LinkType::ETHERNET]);
    let waker = source.waker().unwrap();
    let before = UnixNanos(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as i64);
    let mut out = pcap::Capture::from_device("there0").unwrap().open().unwrap();
    for _ in 0..500 {
        out.sendpacket(&frame[..]).unwrap();
    }
    let (mut seen, mut last, deadline) = (0, before, Instant::now() + Duration::from_secs(10));
    while seen < 500 && Instant::now() < deadline {
        source
            .poll(&mut |packet| {
                let facts = dot11::parse(packet.link, packet.data, packet.original_len);
                if facts.outcome == Outcome::Sent(sender) {
                    seen += 1;
                    assert_eq!((packet.data.len(), packet.original_len), (128, 300));
                    assert!(packet.time >= last && packet.time.saturating_since(before) < Duration::from_secs(10));
                    last = packet.time;
                }
            })
            .unwrap();
    }
    assert_eq!(seen, 500);
    assert_eq!(source.drops().map(|drops| drops.kernel), Some(0));

    // A wait on a quiet interface ends when somebody asks.
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(300));
            stop.store(true, Ordering::SeqCst);
            waker.wake();
        });
        let started = Instant::now();
        while !stop.load(Ordering::SeqCst) {
            assert_ne!(source.poll(&mut |_| {}).unwrap(), Polled::End);
        }
        assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    });

    // An interface that goes away is an error, not an endless loop.
    ip("link del here0");
    let deadline = Instant::now() + Duration::from_secs(5);
    let error = loop {
        match source.poll(&mut |_| {}) {
            Err(error) => break error,
            Ok(_) => assert!(Instant::now() < deadline, "a deleted interface still delivers"),
        }
    };
    assert!(error.to_string().contains("'here0'"), "{error}");
}
