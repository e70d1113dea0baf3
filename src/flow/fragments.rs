//! To which flow a later fragment belongs: that of the first, which alone has ports. Bounded in number and in time.

use super::packet::{Fragment, Proto, Tuple};
use crate::UnixNanos;
use core::net::IpAddr;
use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

/// First fragments that are remembered, at most; the oldest give way.
const MOST: usize = 4_096;
/// How long fragments of one packet are apart at most (RFC 8200, 4.5); an identification is used again after that.
const TOGETHER: Duration = Duration::from_secs(60);

/// What all fragments of a packet share.
type Key = (IpAddr, IpAddr, Proto, u32);

/// The first fragments seen lately.
#[derive(Debug, Default)]
pub(super) struct Fragments {
    firsts: HashMap<Key, (UnixNanos, Tuple)>,
    order: VecDeque<Key>,
}

impl Fragments {
    /// The protocol of a later fragment may be an extension header of the first in IPv6: the identification alone tells
    /// packets of the same two ends apart there.
    fn key(tuple: &Tuple, fragment: Fragment) -> Key {
        let proto = if tuple.src.is_ipv6() { Proto(0) } else { tuple.proto };
        (tuple.src, tuple.dst, proto, fragment.id)
    }

    /// The tuple of this fragment's packet; `None` if its first was not seen.
    pub(super) fn tuple(&mut self, tuple: Tuple, fragment: Fragment, time: UnixNanos) -> Option<Tuple> {
        let key = Self::key(&tuple, fragment);
        if fragment.offset == 0 {
            if self.firsts.insert(key, (time, tuple)).is_none() {
                self.order.push_back(key);
                if self.order.len() > MOST
                    && let Some(oldest) = self.order.pop_front()
                {
                    self.firsts.remove(&oldest);
                }
            }
            return Some(tuple);
        }
        let (first, tuple) = self.firsts.get(&key)?;
        (time.saturating_since(*first) <= TOGETHER).then_some(*tuple)
    }

    /// How many first fragments are remembered.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.firsts.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tuple(sport: u16) -> Tuple {
        let address = |last| IpAddr::from([10, 0, 0, last]);
        Tuple { proto: Proto::UDP, src: address(1), sport, dst: address(2), dport: 0 }
    }

    #[test]
    fn later_ones_are_of_the_first_for_a_minute() {
        let mut fragments = Fragments::default();
        let at = |offset, id| Fragment { id, offset, more: true };
        assert_eq!(fragments.tuple(tuple(0), at(8, 1), UnixNanos::new(0, 0)), None);
        assert_eq!(fragments.tuple(tuple(7), at(0, 1), UnixNanos::new(0, 0)), Some(tuple(7)));
        assert_eq!(fragments.tuple(tuple(0), at(8, 1), UnixNanos::new(60, 0)), Some(tuple(7)));
        assert_eq!(fragments.tuple(tuple(0), at(8, 2), UnixNanos::new(0, 0)), None);
        assert_eq!(fragments.tuple(tuple(0), at(8, 1), UnixNanos::new(61, 0)), None);
    }

    #[test]
    fn a_flood_of_first_ones_is_bounded() {
        let mut fragments = Fragments::default();
        for id in 0..20_000 {
            fragments.tuple(tuple(7), Fragment { id, offset: 0, more: true }, UnixNanos::new(0, 0));
        }
        assert_eq!(fragments.len(), MOST);
        let last = Fragment { id: 19_999, offset: 8, more: false };
        assert_eq!(fragments.tuple(tuple(0), last, UnixNanos::new(0, 0)), Some(tuple(7)));
    }
}
