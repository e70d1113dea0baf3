//! One packet of any link type: it has facts, and they claim nothing that its octets do not bear.
#![no_main]

use airtally::dot11::{self, LinkType, Outcome};
use libfuzzer_sys::fuzz_target;

const LINKS: [u16; 18] = [127, 105, 192, 119, 163, 1, 113, 276, 101, 12, 14, 228, 229, 0, 9, 50, 104, 108];

fuzz_target!(|input: &[u8]| {
    let [choice, rest @ ..] = input else { return };
    let link = LinkType(LINKS[usize::from(*choice) % LINKS.len()]);
    // Every other packet was cut when it was captured.
    let cut = u32::from(*choice) / LINKS.len() as u32 % 2;
    let facts = dot11::parse(link, rest, rest.len() as u32 + cut);
    if let Outcome::Sent(ta) = facts.outcome {
        assert!(!ta.is_group());
        assert!(rest.windows(5).any(|octets| octets == &ta.0[1..]));
    }
    assert!(facts.body().elements.len() <= rest.len());
    let _ = (facts.body().ssid(), facts.body().channel(), facts.ends());
    if let Some(network) = facts.body().network() {
        let suites = network.suites;
        let _ = format!("{}{}{}{:?}{:?}", suites.pairwise, suites.group, suites.akms, suites.pmf, suites.wps);
        assert!(network.rates.basic_kbps().all(|basic| network.rates.kbps().any(|rate| rate == basic)));
        assert!(network.top_kbps.is_none_or(|top| (1..=46_200_000).contains(&top)));
    }
    let _ = (facts.body().channel(), facts.body().security().map(|security| security.to_string()));
});
