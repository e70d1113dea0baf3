//! What a reader read, and what it had to refuse.

use std::{fmt, fmt::Write as _};

/// Numbers since the reader began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Containers read: whole ones, and those put together of fragments.
    pub containers: u64,
    /// Payloads handed out.
    pub payloads: u64,
    /// Octets that came, headers included.
    pub octets: u64,
    /// Datagrams, or places in a stream, that are no NMSG.
    pub not_nmsg: u64,
    /// Containers of a version that is not known.
    pub unknown_version: u64,
    /// Containers with flags that are not known.
    pub unknown_flags: u64,
    /// Containers that end before their length says, or go on after it.
    pub wrong_length: u64,
    /// Containers that are larger than the reader's limit, compressed or not.
    pub too_large: u64,
    /// Containers that cannot be decompressed, or have another length then than they say.
    pub bad_zlib: u64,
    /// Containers whose inside is no protobuf of the format.
    pub damaged: u64,
    /// Payloads that are no protobuf, or lack what the format requires.
    pub damaged_payloads: u64,
    /// Payloads whose check sum is wrong.
    pub bad_check_sums: u64,
    /// Fragments read.
    pub fragments: u64,
    /// Fragments that came once more.
    pub doubled_fragments: u64,
    /// Fragments that contradict themselves or their siblings.
    pub bad_fragments: u64,
    /// Containers put together of fragments whose check sum is wrong.
    pub bad_reassembled: u64,
    /// Containers of which fragments were missing when their time or their place was over.
    pub incomplete: u64,
    /// Containers that a gap in the sequence numbers says were lost.
    pub lost: u64,
    /// Containers that came after a later one; they are not lost.
    pub late: u64,
    /// Containers that came once more.
    pub doubled: u64,
}

impl Counts {
    /// What was refused or is missing, with what one and several of it are called: all but what is no trouble.
    fn troubles(&self) -> [(u64, &'static str, &'static str); 13] {
        [
            (self.not_nmsg, "that is not NMSG", "that are not NMSG"),
            (self.unknown_version, "container of an unknown version", "containers of unknown versions"),
            (self.unknown_flags, "container with unknown flags", "containers with unknown flags"),
            (self.wrong_length, "container of a wrong length", "containers of a wrong length"),
            (self.too_large, "container too large", "containers too large"),
            (self.bad_zlib, "container that does not decompress", "containers that do not decompress"),
            (self.damaged, "damaged container", "damaged containers"),
            (self.damaged_payloads, "damaged payload", "damaged payloads"),
            (self.bad_check_sums, "payload with a wrong check sum", "payloads with wrong check sums"),
            (self.bad_fragments, "fragment that contradicts others", "fragments that contradict others"),
            (
                self.bad_reassembled,
                "reassembled container with a wrong check sum",
                "reassembled containers with wrong check sums",
            ),
            (self.incomplete, "container with missing fragments", "containers with missing fragments"),
            (self.lost, "container lost by its sequence", "containers lost by their sequence"),
        ]
    }

    /// How much was refused or is missing, all together.
    #[must_use]
    pub fn trouble(&self) -> u64 {
        self.troubles().iter().fold(0, |sum, &(number, ..)| sum.saturating_add(number))
    }

    /// Whether everything that came was read, and nothing is missing.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.trouble() == 0
    }
}

impl fmt::Display for Counts {
    /// What was refused or is missing, as in `2 payloads with wrong check sums, 1 damaged container`; `nothing` if all is
    /// well.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut said = String::new();
        for (number, one, many) in self.troubles() {
            if number > 0 {
                let what = if number == 1 { one } else { many };
                let comma = if said.is_empty() { "" } else { ", " };
                write!(said, "{comma}{number} {what}")?;
            }
        }
        out.write_str(if said.is_empty() { "nothing" } else { &said })
    }
}
