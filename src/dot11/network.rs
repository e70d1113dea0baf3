//! What a beacon or probe response announces of its network: protection, primary channel, width, rates. Knows no capture header.

use super::{
    Generation, Rates, Security, Suites,
    elements::{self, Element},
    rates::Capabilities,
    security::PRIVACY,
};

/// What a network announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// How it protects itself.
    pub security: Security,
    /// The number of its primary channel in its band: by the DSSS Parameter Set (IEEE 802.11-2020, 9.4.2.4), else HT
    /// Operation (9.4.2.56), else the 6 GHz Operation Information of HE Operation (IEEE 802.11ax-2021, 9.4.2.249).
    pub channel: Option<u8>,
    /// How wide it is, in MHz; an 80+80 MHz channel is 160. Known of whole frames only: the element that says most comes
    /// last.
    pub width_mhz: Option<u16>,
    /// With what it protects itself.
    pub suites: Suites,
    /// The rates that stations without HT use.
    pub rates: Rates,
    /// The newest of the standards that it announces. Known of whole frames only.
    pub generation: Option<Generation>,
    /// The fastest that its access point receives in a channel of [`Network::width_mhz`], in kbit/s: by the newest of the
    /// standards that it announces. Known of whole frames only.
    pub top_kbps: Option<u32>,
    /// All elements were there. What a cut frame does not say, the network may say all the same.
    pub whole: bool,
}

impl Network {
    /// Reads capability information and elements; `cut` if there were more than these.
    pub(super) fn read(capability: u16, bytes: &[u8], cut: bool) -> Self {
        let operation = Operation::read(bytes);
        let whole = !cut && operation.len == bytes.len();
        let security = Security::read(capability, bytes, !whole);
        let channel = operation.channel();
        let width_mhz = channel.filter(|_| whole).and_then(|_| operation.width_mhz());
        let suites = Suites::read(capability & PRIVACY != 0, bytes);
        let rates = Rates::read(bytes);
        let capabilities = Capabilities::read(bytes);
        let generation = if whole { capabilities.generation(rates, channel) } else { None };
        let top_kbps = generation.and_then(|generation| {
            capabilities.top_kbps(generation, width_mhz.unwrap_or(20)).or_else(|| rates.top_kbps())
        });
        Self { security, channel, width_mhz, suites, rates, generation, top_kbps, whole }
    }

    /// What is known after this and then `later` were announced: the first whole frame stands; until there is one, what
    /// the cut ones say together. It does not matter which of several are joined first.
    #[must_use]
    pub fn and_then(self, later: Self) -> Self {
        match (self.whole, later.whole) {
            (true, _) => self,
            (false, true) => later,
            (false, false) => Self {
                security: self.security.and_of_a_cut_frame(later.security),
                channel: self.channel.or(later.channel),
                width_mhz: None,
                suites: self.suites.and(later.suites),
                rates: self.rates.and(later.rates),
                generation: None,
                top_kbps: None,
                whole: false,
            },
        }
    }
}

/// The elements that say where a network is.
#[derive(Default)]
struct Operation {
    /// Octets of the elements that are whole.
    len: usize,
    /// DSSS Parameter Set: the channel.
    dsss: Option<u8>,
    /// HT Operation: primary channel, first octet of its information.
    ht: Option<[u8; 2]>,
    /// VHT Operation Information: width, and two centres.
    vht: Option<[u8; 3]>,
    /// 6 GHz Operation Information: primary channel, control.
    six: Option<[u8; 2]>,
    /// EHT Operation Information: control.
    eht: Option<u8>,
}

impl Operation {
    fn read(bytes: &[u8]) -> Self {
        let mut found = Self::default();
        for element in elements::iter(bytes) {
            found.len += 2 + usize::from(element.extension.is_some()) + element.body.len();
            found.element(&element);
        }
        found
    }

    fn element(&mut self, element: &Element<'_>) {
        match (element.id, element.extension, element.body) {
            (elements::DSSS_PARAMETER_SET, _, &[channel @ 1..=u8::MAX]) => self.dsss = self.dsss.or(Some(channel)),
            // 22 octets: primary channel, information, MCS set.
            (elements::HT_OPERATION, _, &[channel @ 1..=u8::MAX, information, ..]) if element.body.len() >= 22 => {
                self.ht = self.ht.or(Some([channel, information]));
            }
            (elements::VHT_OPERATION, _, &[width, first, second, _, _]) => self.vht = Some([width, first, second]),
            (elements::EXTENDED, Some(elements::HE_OPERATION), body) => self.he(body),
            // Parameters, of which bit 0 says that the information follows, and five octets of MCS (IEEE 802.11be-2024,
            // 9.4.2.321).
            (elements::EXTENDED, Some(elements::EHT_OPERATION), &[parameters, _, _, _, _, control, ..])
                if parameters & 1 != 0 =>
            {
                self.eht = Some(control);
            }
            _ => {}
        }
    }

    /// HE Operation (IEEE 802.11ax-2021, 9.4.2.249): parameters (3 octets, of which bits 14, 15 and 17 say what comes at
    /// the end), BSS colour, MCS (2 octets); then VHT Operation Information, the number of co-hosted BSSIDs, and 6 GHz
    /// Operation Information.
    fn he(&mut self, body: &[u8]) {
        let Some((&[low, middle, high, _, _, _], mut rest)) = body.split_first_chunk() else { return };
        let parameters = u32::from_le_bytes([low, middle, high, 0]);
        if parameters & 1 << 14 != 0 {
            let Some((&vht, after)) = rest.split_first_chunk() else { return };
            self.vht = self.vht.or(Some(vht));
            rest = after;
        }
        if parameters & 1 << 15 != 0 {
            rest = rest.get(1..).unwrap_or_default();
        }
        if parameters & 1 << 17 != 0
            && let Some(&[channel @ 1..=u8::MAX, control, _, _, _]) = rest.first_chunk()
        {
            self.six = Some([channel, control]);
        }
    }

    fn channel(&self) -> Option<u8> {
        let of_ht = self.ht.map(|[channel, _]| channel);
        self.dsss.or(of_ht).or(self.six.map(|[channel, _]| channel))
    }

    /// What the newest of the standards that it names says; 20 MHz where none says more.
    fn width_mhz(&self) -> Option<u16> {
        if let Some(control) = self.eht {
            return match control & 0x07 {
                width @ 0..=4 => Some(20 << width),
                _ => None,
            };
        }
        if let Some([_, control]) = self.six {
            return Some(20 << (control & 0x03));
        }
        match self.vht {
            // Width 1: which of 80, 160 and 80+80 MHz it is, the distance of the centres says (table 11-23).
            Some([1, first, second]) => match (second, first.abs_diff(second)) {
                (1..=u8::MAX, 8 | 17..=u8::MAX) => Some(160),
                _ => Some(80),
            },
            Some([2 | 3, _, _]) => Some(160),
            _ => match self.ht {
                // Any width is allowed (bit 2), and there is a secondary channel above or below (bits 0 and 1).
                Some([_, information]) if information & 0x04 != 0 && matches!(information & 0x03, 1 | 3) => Some(40),
                _ => Some(20),
            },
        }
    }
}
