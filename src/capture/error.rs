//! What can go wrong between opening a source and its last packet, in words for the person who named it.

use crate::dot11::LinkType;
use std::io;

/// Why a source cannot be opened or read on.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// The file cannot be opened.
    #[error("cannot open {name}: {source}")]
    Open {
        /// The file.
        name: String,
        /// What the system said.
        source: io::Error,
    },
    /// Reading failed.
    #[error("cannot read on in {name}: {source}")]
    Read {
        /// The file.
        name: String,
        /// What the system said.
        source: io::Error,
    },
    /// Nothing in it at all.
    #[error("{name} is empty: a capture file has at least a header")]
    Empty {
        /// The file.
        name: String,
    },
    /// Unknown magic number, or too short to have one.
    #[error(
        "{name} is not a capture: it begins with {found}, but pcap and pcapng (also in gzip, zstd, lz4 or xz) begin otherwise"
    )]
    NotACapture {
        /// The file.
        name: String,
        /// Its first octets in hexadecimal.
        found: String,
    },
    /// No capture, but something that is known.
    #[error("{name} is no capture: it is {what}; {advice}")]
    Foreign {
        /// The file.
        name: String,
        /// What it is.
        what: &'static str,
        /// How to get a capture out of it.
        advice: &'static str,
    },
    /// Not one octet of a capture comes out of compressed data.
    #[error(
        "{name} is cut or damaged in its compressed data ({compression}): not even the beginning of a capture can be read"
    )]
    Decompress {
        /// The file.
        name: String,
        /// The compression.
        compression: &'static str,
    },
    /// The decompressor would need more memory than it is given.
    #[error(
        "{name} cannot be decompressed: its compression ({compression}) needs more memory than the {mib} MiB that are \
         given to it; `{command} FILE | airtally inspect -` reads it"
    )]
    Memory {
        /// The file.
        name: String,
        /// The compression.
        compression: &'static str,
        /// What decompresses it.
        command: &'static str,
        /// Mebibytes that it may have.
        mib: u32,
    },
    /// The header of a classic capture is cut.
    #[error("{name} is not a whole capture: it ends within its header, before any packet")]
    CutHeader {
        /// The file.
        name: String,
    },
    /// Packets begin with something that is not read.
    #[error("{name} has link type {link}, which airtally does not read; it reads {}", LinkType::READ)]
    LinkType {
        /// The file or interface.
        name: String,
        /// The link type.
        link: LinkType,
    },
    /// A record claims a length that no capture program writes.
    #[error("{name} is damaged at octet {offset}: a record claims {claimed} octets, and more than {bound} is not read")]
    TooLarge {
        /// The file.
        name: String,
        /// Where the record begins, in the uncompressed capture.
        offset: u64,
        /// What it claims.
        claimed: u64,
        /// What would be read.
        bound: usize,
    },
    /// Not one packet has a time.
    #[error(
        "{name} has no times of capture, so that its packets are in no window: airtally inspect without --window counts them"
    )]
    NoTimes {
        /// The file.
        name: String,
    },
    /// This program was built without libpcap, which compiles filters.
    #[error(
        "this program was built without libpcap and knows no filters: leave --filter out, or use a build with the feature pcap"
    )]
    NoFilter,
    /// A filter expression that libpcap does not understand, or not for this link type.
    #[error("the filter '{expression}' cannot be used for packets of link type {link}: {message}; see pcap-filter(7)")]
    Filter {
        /// The expression.
        expression: String,
        /// Of the packets that it was to judge.
        link: LinkType,
        /// What libpcap said.
        message: String,
    },
    /// A block of a pcapng file contradicts itself.
    #[error("{name} is damaged at octet {offset}: {what}")]
    Damaged {
        /// The file.
        name: String,
        /// Where the block begins, in the uncompressed capture.
        offset: u64,
        /// What is wrong there.
        what: &'static str,
    },
    /// No interface of this name.
    #[error("there is no interface '{interface}': `ip link` lists those there are")]
    NoSuchInterface {
        /// The name.
        interface: String,
    },
    /// This user may not capture.
    #[error(
        "this user may not capture on '{interface}': it takes the capabilities CAP_NET_RAW and CAP_NET_ADMIN, which \
         the service unit grants, or `sudo setcap cap_net_raw,cap_net_admin+ep` on the program"
    )]
    Permission {
        /// The interface.
        interface: String,
    },
    /// The interface is down.
    #[error("interface '{interface}' is down: `sudo ip link set {interface} up` starts it")]
    Down {
        /// The interface.
        interface: String,
    },
    /// libpcap refuses for another reason.
    #[error("cannot capture on '{interface}': {message}")]
    Live {
        /// The interface.
        interface: String,
        /// What libpcap said.
        message: String,
    },
    /// libpcap and this program disagree about what a packet header looks like.
    #[error(
        "libpcap's packet headers are not laid out as this program was built to read them (one of them has 64-bit \
         times and the other has not): build airtally on this system, or use its 64-bit edition"
    )]
    Layout,
}

impl CaptureError {
    /// Whether it says that a file is no capture at all, which a file in a directory need not be.
    #[must_use]
    pub const fn is_no_capture(&self) -> bool {
        matches!(self, Self::NotACapture { .. } | Self::Foreign { .. } | Self::Empty { .. })
    }
}
