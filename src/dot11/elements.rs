//! Information elements (IEEE 802.11-2020, 9.4.2): identifier, length, body, again and again. Reads no frame.

/// Element ID of the SSID (9.4.2.2).
pub const SSID: u8 = 0;
/// Element ID of the Multiple BSSID element (9.4.2.45).
pub const MULTIPLE_BSSID: u8 = 71;
/// Subelement ID of a nontransmitted BSSID's profile in it (9.4.2.45, table 9-187).
const PROFILE: u8 = 0;
/// Element ID of the supported rates (9.4.2.3).
pub const SUPPORTED_RATES: u8 = 1;
/// Element ID of the DSSS parameter set (9.4.2.4).
pub const DSSS_PARAMETER_SET: u8 = 3;
/// Element ID of the traffic indication map (9.4.2.5).
pub const TIM: u8 = 5;
/// Element ID of the country (9.4.2.8).
pub const COUNTRY: u8 = 7;
/// Element ID of the BSS load (9.4.2.27).
pub const BSS_LOAD: u8 = 11;
/// Element ID of the Channel Switch Announcement (9.4.2.18).
pub const CHANNEL_SWITCH: u8 = 37;
/// Element ID of the Extended Channel Switch Announcement (9.4.2.52).
pub const EXTENDED_CHANNEL_SWITCH: u8 = 60;
/// Element ID of the RSN element (9.4.2.24).
pub const RSN: u8 = 48;
/// Element ID of the WAPI parameter set (GB 15629.11), and of BSS AC Access Delay (9.4.2.43).
pub const WAPI: u8 = 68;
/// Element ID of HT capabilities (9.4.2.55).
pub const HT_CAPABILITIES: u8 = 45;
/// Element ID of VHT capabilities (9.4.2.157).
pub const VHT_CAPABILITIES: u8 = 191;
/// Element ID extension of HE capabilities (IEEE 802.11ax-2021, 9.4.2.248).
pub const HE_CAPABILITIES: u8 = 35;
/// Element ID extension of EHT capabilities (IEEE 802.11be-2024, 9.4.2.323).
pub const EHT_CAPABILITIES: u8 = 108;
/// Element ID of VHT operation (9.4.2.158).
pub const VHT_OPERATION: u8 = 192;
/// Element ID extension of HE operation (IEEE 802.11ax-2021, 9.4.2.249).
pub const HE_OPERATION: u8 = 36;
/// Element ID extension of EHT operation (IEEE 802.11be-2024, 9.4.2.321).
pub const EHT_OPERATION: u8 = 106;
/// Element ID of the extended supported rates (9.4.2.12).
pub const EXTENDED_RATES: u8 = 50;
/// Element ID of HT operation (9.4.2.56).
pub const HT_OPERATION: u8 = 61;
/// Element ID of vendor specific elements (9.4.2.25).
pub const VENDOR: u8 = 221;
/// Element ID that says: the first octet of the body is the identifier's extension (9.4.2.1).
pub const EXTENDED: u8 = 255;

/// One element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Element<'a> {
    /// Element ID.
    pub id: u8,
    /// Element ID extension, of elements with ID 255.
    pub extension: Option<u8>,
    /// What follows length and extension.
    pub body: &'a [u8],
}

impl<'a> Element<'a> {
    /// Of a vendor specific element: the organisation's identifier, the type octet that vendors put after it by
    /// custom, and the rest.
    #[must_use]
    pub fn vendor(&self) -> Option<([u8; 3], u8, &'a [u8])> {
        match (self.id, self.body.split_first_chunk()) {
            (VENDOR, Some((&[a, b, c, kind], rest))) => Some(([a, b, c], kind, rest)),
            _ => None,
        }
    }
}

/// The elements in `bytes`, up to the first that is cut.
#[must_use]
pub const fn iter(bytes: &[u8]) -> Elements<'_> {
    Elements { rest: bytes }
}

/// The bodies of the SSID elements of the networks whose profiles a Multiple BSSID element carries (9.4.2.45): its body
/// is the number of BSSIDs as a power of two, then subelements; a profile is one that holds elements in turn.
pub fn profile_ssids(multiple_bssid: &[u8]) -> impl Iterator<Item = &[u8]> {
    let subelements = iter(multiple_bssid.get(1..).unwrap_or_default());
    subelements
        .filter(|subelement| subelement.id == PROFILE)
        .filter_map(|profile| iter(profile.body).find(|element| element.id == SSID).map(|element| element.body))
}

/// Iterator over elements; see [`iter`].
#[derive(Clone, Debug)]
pub struct Elements<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Elements<'a> {
    type Item = Element<'a>;

    #[inline]
    fn next(&mut self) -> Option<Element<'a>> {
        let (&[id, len], rest) = self.rest.split_first_chunk()?;
        let (body, rest) = rest.split_at_checked(usize::from(len))?;
        self.rest = rest;
        match (id, body.split_first()) {
            (EXTENDED, Some((&extension, body))) => Some(Element { id, extension: Some(extension), body }),
            _ => Some(Element { id, extension: None, body }),
        }
    }
}
