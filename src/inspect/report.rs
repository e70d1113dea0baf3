//! What was counted in one or more captures. Reads no file, knows no vendor.

use super::groups::Groups;
use crate::{
    Mac, UnixNanos,
    capture::{CaptureError, Packet},
    dot11::{self, Facts, LinkType, Outcome, Reading, Verdict},
    tally::{MergeError, Observed, Station, Tally},
    units::noun,
};
use std::collections::HashSet;

/// Packets parsed before they are counted, where there are many stations.
const BLOCK: usize = 32;

/// One capture of a report.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct FileCount {
    /// Its path, or `standard input`.
    pub name: String,
    /// Packets counted in it.
    pub frames: u64,
}

/// What was counted.
pub struct Report {
    pub(super) tally: Tally,
    pub(super) groups: Groups,
    first: i64,
    last: i64,
    /// What the first packets of the capture that is being read have shown.
    pub(super) verdict: Verdict,
    /// Link types of the packets, in the order met.
    pub link_types: Vec<LinkType>,
    /// The captures that could be opened.
    pub files: Vec<FileCount>,
    /// What is not right with captures that could be read.
    pub warnings: Vec<String>,
    /// Captures that could not be read, or not to their end; what came before is counted.
    pub failures: Vec<CaptureError>,
}

impl Report {
    /// Nothing counted yet.
    #[must_use]
    pub fn new(max_stations: usize) -> Self {
        Self::of(Tally::new(max_stations))
    }

    /// Nothing counted yet, in one of the `parts` parts of a capture: see [`Tally::part_of`].
    pub(super) fn part_of(max_stations: usize, parts: usize) -> Self {
        Self::of(Tally::part_of(max_stations, parts))
    }

    fn of(tally: Tally) -> Self {
        Self {
            tally,
            groups: Groups::default(),
            first: i64::MAX,
            last: i64::MIN,
            verdict: Verdict::default(),
            link_types: Vec::new(),
            files: Vec::new(),
            warnings: Vec::new(),
            failures: Vec::new(),
        }
    }

    /// Whether merging it is refused already: see [`Tally::is_beyond_merging`].
    pub(super) fn is_beyond_merging(&self) -> bool {
        self.tally.is_beyond_merging()
    }

    /// See [`Tally::becomes_whole`].
    pub(super) fn becomes_whole(&mut self) {
        self.tally.becomes_whole();
    }

    /// Counts packets in their order.
    #[inline]
    pub fn add_all(&mut self, packets: &[Packet<'_>]) {
        // Parsed frames are large: kept for a while only where that repays.
        if !self.tally.is_large() {
            return packets.iter().for_each(|packet| self.add(packet));
        }
        let nothing = Observed { time: UnixNanos(0), facts: Facts::only(Outcome::Malformed), original_len: 0 };
        let mut block = [nothing; BLOCK];
        for packets in packets.chunks(BLOCK) {
            for (place, packet) in block.iter_mut().zip(packets) {
                place.time = packet.time;
                self.parse(packet, &mut place.facts);
                place.original_len = packet.original_len;
            }
            self.tally.add_all(block.get(..packets.len()).unwrap_or_default());
        }
    }

    /// Counts a packet.
    #[inline]
    pub fn add(&mut self, packet: &Packet<'_>) {
        let mut facts = Facts::only(Outcome::Malformed);
        self.parse(packet, &mut facts);
        self.tally.add(packet.time, &facts, packet.original_len);
    }

    /// Parses a packet into `facts`, and counts what the tally does not.
    #[inline(always)]
    fn parse<'a>(&mut self, packet: &Packet<'a>, facts: &mut Facts<'a>) {
        let reading = Reading { told: packet.told, checks: self.verdict.checks };
        dot11::parse_into(packet.link, packet.data, packet.original_len, reading, facts);
        if packet.time != UnixNanos::NONE {
            self.first = self.first.min(packet.time.0);
            self.last = self.last.max(packet.time.0);
        }
        if let Some(ra) = facts.ra
            && ra.is_group()
            && !matches!(facts.outcome, Outcome::BadFcs | Outcome::Malformed)
        {
            self.groups.add(ra);
        }
    }

    /// Adds what was counted after this; the result is what counting both in a row would have given.
    ///
    /// # Errors
    /// As [`Tally::merge`]: then neither is of use.
    pub fn merge(&mut self, later: Self) -> Result<(), MergeError> {
        if self.tally.is_empty() {
            self.tally = later.tally;
        } else {
            self.tally.merge(later.tally)?;
        }
        self.groups.merge(&later.groups)?;
        self.first = self.first.min(later.first);
        self.last = self.last.max(later.last);
        self.add_links(&later.link_types);
        self.files.extend(later.files);
        self.warnings.extend(later.warnings);
        self.failures.extend(later.failures);
        Ok(())
    }

    pub(super) fn add_links(&mut self, links: &[LinkType]) {
        let mut met: HashSet<u16> = self.link_types.iter().map(|link| link.0).collect();
        self.link_types.extend(links.iter().filter(|link| met.insert(link.0)));
    }

    /// The counts.
    #[must_use]
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Packets counted.
    #[must_use]
    pub fn frames(&self) -> u64 {
        self.tally.capture().frames
    }

    /// Earliest and latest time of a packet; `None` if none has a time.
    #[must_use]
    pub fn span(&self) -> Option<(UnixNanos, UnixNanos)> {
        (self.first <= self.last).then_some((UnixNanos(self.first), UnixNanos(self.last)))
    }

    /// Stations by address.
    pub fn stations(&self) -> impl Iterator<Item = Station<'_>> {
        self.tally.stations()
    }

    /// Stations in the order in which their addresses were met: cheaper.
    pub fn stations_unsorted(&self) -> impl Iterator<Item = Station<'_>> + Clone {
        self.tally.stations_unsorted()
    }

    /// Frames to group addresses, most frames first.
    #[must_use]
    pub fn groups(&self) -> Vec<(Mac, u64)> {
        self.groups.rows()
    }

    /// What the numbers lack: where a bound was reached, and where they say nothing at all.
    #[must_use]
    pub fn bounds_reached(&self) -> Vec<String> {
        let (overflow, stations) = (self.tally.capture().overflow_frames, self.tally.transmitters());
        let mut reached = Vec::new();
        let capture = self.tally.capture();
        let (frames, bad) = (capture.frames, capture.bad_fcs + capture.malformed);
        if frames > 0 && bad == frames {
            reached.push(format!(
                "no frame can be attributed to a station: of {frames}, {} have a bad frame check sequence and {} are \
                 malformed",
                capture.bad_fcs, capture.malformed
            ));
        }
        if overflow > 0 {
            reached.push(format!(
                "{overflow} {} of stations past the first {stations}: raise --max-stations to see them",
                noun(overflow, "frame is", "frames are")
            ));
        }
        if self.tally.receiver_overflow() > 0 {
            let frames = self.tally.receiver_overflow();
            let what = noun(frames, "frame is", "frames are");
            reached.push(format!("{frames} {what} missing in 'received': raise --max-stations"));
        }
        if self.tally.channel_overflow() > 0 {
            let frames = self.tally.channel_overflow();
            let what = noun(frames, "frame is", "frames are");
            reached.push(format!("{frames} {what} on frequencies past the first 128"));
        }
        if self.groups.is_cut() {
            reached.push("there are more multicast addresses than are counted".into());
        }
        reached
    }
}
