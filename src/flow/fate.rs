//! Where a packet is counted: in a flow, or in exactly one of these.

/// Why a packet is in no flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// ARP, management frames, anything else that is no IP.
    NotIp,
    /// A data frame of 802.11 whose body is encrypted.
    Protected,
    /// Its check sequence is wrong: no address in it is to be trusted.
    BadFcs,
    /// Its lengths or versions contradict each other.
    Malformed,
    /// It ends before its addresses and ports.
    Cut,
    /// A later fragment of a packet (or of an 802.11 MSDU) whose first was not seen, or too long ago.
    Fragment,
}

/// Packets, and their octets: the original length of each as captured on the wire, link and capture header included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// How many.
    pub packets: u64,
    /// Their octets.
    pub bytes: u64,
}

impl Sum {
    /// One more.
    #[inline]
    pub fn add(&mut self, bytes: u32) {
        self.packets += 1;
        self.bytes += u64::from(bytes);
    }
}

impl std::ops::AddAssign for Sum {
    fn add_assign(&mut self, other: Self) {
        self.packets += other.packets;
        self.bytes += other.bytes;
    }
}

/// What became of all packets. `captured` and `aggregated` together are what all others add up to, and the octets of
/// `captured` are theirs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Packets captured.
    pub captured: Sum,
    /// Packets that were found in A-MSDUs beside the first of each.
    pub aggregated: u64,
    /// In flows.
    pub flows: Sum,
    /// See [`Fate::NotIp`].
    pub not_ip: Sum,
    /// See [`Fate::Protected`].
    pub protected: Sum,
    /// See [`Fate::BadFcs`].
    pub bad_fcs: Sum,
    /// See [`Fate::Malformed`].
    pub malformed: Sum,
    /// See [`Fate::Cut`].
    pub cut: Sum,
    /// See [`Fate::Fragment`].
    pub fragments: Sum,
}

impl Totals {
    /// Counts a packet that is in no flow.
    #[inline]
    pub(super) fn lost(&mut self, fate: Fate, bytes: u32) {
        match fate {
            Fate::NotIp => &mut self.not_ip,
            Fate::Protected => &mut self.protected,
            Fate::BadFcs => &mut self.bad_fcs,
            Fate::Malformed => &mut self.malformed,
            Fate::Cut => &mut self.cut,
            Fate::Fragment => &mut self.fragments,
        }
        .add(bytes);
    }

    /// Each class with its name, flows first.
    #[must_use]
    pub fn classes(&self) -> [(&'static str, Sum); 7] {
        [
            ("flows", self.flows),
            ("not_ip", self.not_ip),
            ("protected", self.protected),
            ("bad_fcs", self.bad_fcs),
            ("malformed", self.malformed),
            ("cut", self.cut),
            ("fragments", self.fragments),
        ]
    }

    /// Whether each packet and each octet is in exactly one class.
    #[must_use]
    pub fn add_up(&self) -> bool {
        let mut all = Sum::default();
        self.classes().into_iter().for_each(|(_, sum)| all += sum);
        all == Sum { packets: self.captured.packets + self.aggregated, ..self.captured }
    }
}
