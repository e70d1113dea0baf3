//! What stands before a container's body: magic, flags, version, length. And the check sum that the format uses.

/// What each container begins with.
pub(super) const MAGIC: [u8; 4] = *b"NMSG";
/// Octets of a header of version 2.
pub(super) const HEADER: usize = 10;
/// The body is compressed.
pub(super) const ZLIB: u8 = 1;
/// The body is a fragment of a body.
pub(super) const FRAGMENT: u8 = 2;
/// The version that is written.
pub(super) const VERSION: u8 = 2;

/// Octets of a container in a file, header included.
pub const FILE_CONTAINER: usize = 1 << 20;
/// Octets of a datagram where nobody says otherwise: for networks with jumbo frames.
pub const DEFAULT_MTU: usize = 8192;
/// Octets that a datagram must be allowed to have.
pub const LEAST_MTU: usize = 512;

/// A container's header, as far as it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Header {
    /// Not all of it is there yet.
    Short,
    /// This is no NMSG.
    Foreign,
    /// NMSG of a version that is not known: where it ends is not known either.
    Version(u8),
    /// A container that is read.
    Known {
        /// Octets of the header.
        header: usize,
        /// [`ZLIB`] and [`FRAGMENT`]; others are not known.
        flags: u8,
        /// Octets of the body.
        body: usize,
    },
}

impl Header {
    pub(super) fn read(octets: &[u8]) -> Self {
        let seen = octets.len().min(MAGIC.len());
        if octets.get(..seen) != MAGIC.get(..seen) {
            return Self::Foreign;
        }
        match *octets {
            // Version 1 has a 16-bit version where flags and version are now, and a 16-bit length.
            [_, _, _, _, 0, 1, high, low, ..] => {
                Self::Known { header: 8, flags: 0, body: usize::from(u16::from_be_bytes([high, low])) }
            }
            [_, _, _, _, flags, VERSION, a, b, c, d, ..] => Self::Known {
                header: HEADER,
                flags,
                body: usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX),
            },
            [_, _, _, _, _, VERSION, ..] | [_, _, _, _, 0, 1, ..] => Self::Short,
            [_, _, _, _, _, version, ..] => Self::Version(version),
            _ => Self::Short,
        }
    }

    /// The header of a body of this length.
    pub(super) fn write(flags: u8, body: usize, out: &mut Vec<u8>) {
        out.extend(MAGIC);
        out.extend([flags, VERSION]);
        out.extend(u32::try_from(body).unwrap_or(u32::MAX).to_be_bytes());
    }
}

/// The format's check sum: CRC-32C with its octets in reverse order.
pub(super) fn check_sum(octets: &[u8]) -> u32 {
    crc32c::crc32c(octets).swap_bytes()
}
