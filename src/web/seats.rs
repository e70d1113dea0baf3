//! Who is connected: how many connections there are at a time, in all and for each address, and which one gives way to
//! a new one. Also whose work is next where work takes long. Knows no sockets.

use crate::pace::Seldom;
use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// Pieces of long work at a time, and of one address.
const LONG_WORK: usize = 4;
const LONG_WORK_OF_ONE: usize = 2;

/// What counts as one address: an IPv4 address, or the first 64 bits of an IPv6 address, which is what one household or
/// machine is given.
pub(super) fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() >> 64 << 64).into()),
        v4 => v4,
    }
}

/// All connections.
#[derive(Debug)]
pub(super) struct Seats {
    in_all: usize,
    of_one: usize,
    table: Mutex<Table>,
    long_work: Arc<Semaphore>,
}

#[derive(Debug, Default)]
struct Table {
    next: u64,
    taken: HashMap<u64, Taken>,
    addresses: HashMap<IpAddr, Address>,
    gave_way: Seldom,
}

#[derive(Debug)]
struct Taken {
    address: IpAddr,
    /// A request of it is being worked on.
    working: bool,
    /// Its answer is a stream that does not end by itself.
    streaming: bool,
    /// When it began, or was last answered.
    served: Instant,
    /// Dropped when it has to leave.
    _stay: oneshot::Sender<()>,
}

#[derive(Debug)]
struct Address {
    connections: usize,
    long_work: Arc<Semaphore>,
}

impl Seats {
    /// So many connections `in_all` and `of_one` address; at least one.
    pub(super) fn new(in_all: usize, of_one: usize) -> Arc<Self> {
        let (in_all, of_one) = (in_all.max(1), of_one.max(1));
        Arc::new(Self { in_all, of_one, table: Mutex::default(), long_work: Arc::new(Semaphore::new(LONG_WORK)) })
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A seat for a connection of `peer`. There always is one: where the address has as many as it may have, one of its
    /// own gives way; where all are taken, one of the address that has most. The receiver ends when this seat has to be
    /// given up.
    pub(super) fn take(self: &Arc<Self>, peer: IpAddr, now: Instant) -> (Seat, oneshot::Receiver<()>) {
        let address = network(peer);
        let mut table = self.lock();
        let table = &mut *table;
        let of_one = table.addresses.get(&address).map_or(0, |address| address.connections);
        let crowded = if of_one >= self.of_one {
            Some(address)
        } else if table.taken.len() >= self.in_all {
            table.greediest()
        } else {
            None
        };
        if let Some(leaves) = crowded.and_then(|address| table.longest_unserved(address)) {
            table.free(leaves);
            if let (Some(crowded), Some(closed)) = (crowded, table.gave_way.due(now)) {
                tracing::warn!(client = %crowded, closed, "too many connections: those served least lately are closed");
            }
        }
        let id = table.next;
        table.next += 1;
        let (stay, leave) = oneshot::channel();
        table.taken.insert(id, Taken { address, working: false, streaming: false, served: now, _stay: stay });
        let entry = table.addresses.entry(address);
        let entry =
            entry.or_insert_with(|| Address { connections: 0, long_work: Arc::new(Semaphore::new(LONG_WORK_OF_ONE)) });
        entry.connections += 1;
        let turns = Arc::clone(&entry.long_work);
        (Seat { id, turns, seats: Arc::clone(self) }, leave)
    }
}

impl Table {
    /// The address with the most connections; of several, the one that has been unserved longest.
    fn greediest(&self) -> Option<IpAddr> {
        let most = self.addresses.values().map(|address| address.connections).max()?;
        let has_most = |address: &IpAddr| self.addresses.get(address).is_some_and(|it| it.connections == most);
        let all = self.taken.values().filter(|taken| has_most(&taken.address));
        all.min_by_key(|taken| (taken.working, taken.served)).map(|taken| taken.address)
    }

    /// The connection of `address` that was served least lately; one that is being worked for only if all are.
    fn longest_unserved(&self, address: IpAddr) -> Option<u64> {
        let own = self.taken.iter().filter(|(_, taken)| taken.address == address && !taken.streaming);
        own.min_by_key(|(id, taken)| (taken.working, taken.served, **id)).map(|(id, _)| *id)
    }

    fn free(&mut self, id: u64) {
        let Some(taken) = self.taken.remove(&id) else { return };
        if !taken.streaming {
            self.uncount(taken.address);
        }
    }

    /// The address has one connection less that counts.
    fn uncount(&mut self, address: IpAddr) {
        if let Some(known) = self.addresses.get_mut(&address) {
            known.connections -= 1;
            if known.connections == 0 {
                self.addresses.remove(&address);
            }
        }
    }
}

/// A connection's place; free again when dropped.
#[derive(Debug)]
pub(super) struct Seat {
    id: u64,
    turns: Arc<Semaphore>,
    seats: Arc<Seats>,
}

/// The right to do long work, as long as it is kept.
#[derive(Debug)]
pub(super) struct Turn {
    _own: Option<OwnedSemaphorePermit>,
    _shared: Option<OwnedSemaphorePermit>,
}

impl Seat {
    /// A request is being worked on from here.
    pub(super) fn works(&self) {
        if let Some(taken) = self.seats.lock().taken.get_mut(&self.id) {
            taken.working = true;
        }
    }

    /// Its answer is a stream that does not end by itself. Whoever sends streams has bounds of their own for them: the
    /// connection counts for its address no more, and does not give way to others.
    pub(super) fn streams(&self) {
        let mut table = self.seats.lock();
        let address = table.taken.get_mut(&self.id).and_then(|taken| {
            let counted = !std::mem::replace(&mut taken.streaming, true);
            counted.then_some(taken.address)
        });
        if let Some(address) = address {
            table.uncount(address);
        }
    }

    /// It is answered.
    pub(super) fn served(&self, now: Instant) {
        if let Some(taken) = self.seats.lock().taken.get_mut(&self.id) {
            (taken.working, taken.served) = (false, now);
        }
    }

    /// Waits for this address's turn to do long work. One address waits for its own work before it stands in line with
    /// others, so that nobody waits behind all requests of another.
    pub(super) async fn turn(&self) -> Turn {
        // Neither is ever closed.
        let own = Arc::clone(&self.turns).acquire_owned().await.ok();
        let shared = Arc::clone(&self.seats.long_work).acquire_owned().await.ok();
        Turn { _own: own, _shared: shared }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.seats.lock().free(self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    fn left(leave: &mut oneshot::Receiver<()>) -> bool {
        leave.try_recv() == Err(oneshot::error::TryRecvError::Closed)
    }

    #[test]
    fn an_address_at_its_bound_gives_up_its_own_oldest() {
        let (seats, start) = (Seats::new(10, 3), Instant::now());
        let second = |n: u64| start + Duration::from_secs(n);
        let (greedy, modest) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let (_modest, mut modest_leaves) = seats.take(modest, second(0));
        let mut all: Vec<_> = (1..4).map(|n| seats.take(greedy, second(n))).collect();
        // The first was served since, and the second is being worked for.
        all[0].0.served(second(5));
        all[1].0.works();
        all.push(seats.take(greedy, second(6)));
        assert_eq!(all.iter_mut().map(|(_, leave)| left(leave)).collect::<Vec<_>>(), [false, false, true, false]);
        assert!(!left(&mut modest_leaves));
    }

    #[test]
    fn a_full_table_takes_from_whoever_has_most() {
        let (seats, now) = (Seats::new(4, 3), Instant::now());
        let address = |n: u8| IpAddr::from([10, 0, 0, n]);
        let mut all: Vec<_> = [1, 2, 2, 3].map(|n| seats.take(address(n), now)).into();
        all.push(seats.take(address(4), now));
        assert_eq!(
            all.iter_mut().map(|(_, leave)| left(leave)).collect::<Vec<_>>(),
            [false, true, false, false, false]
        );
    }

    #[test]
    fn ipv6_addresses_of_one_network_are_one() {
        let of = |text: &str| network(text.parse().unwrap_or(IpAddr::from([0, 0, 0, 0])));
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:0:0:2"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:10.0.0.1"), of("10.0.0.1"));
    }

    #[test]
    fn a_stream_counts_for_no_address_and_stays() {
        let (seats, now) = (Seats::new(10, 1), Instant::now());
        let peer = IpAddr::from([10, 0, 0, 1]);
        let (stream, mut stream_leaves) = seats.take(peer, now);
        stream.streams();
        stream.streams();
        let (_other, mut other_leaves) = seats.take(peer, now);
        assert!(!left(&mut stream_leaves) && !left(&mut other_leaves));
        let (_third, _) = seats.take(peer, now);
        assert!(!left(&mut stream_leaves) && left(&mut other_leaves));
        drop(stream);
        assert_eq!(seats.lock().taken.len(), 1);
    }

    proptest! {
        #[test]
        fn bounds_hold_and_the_newest_always_sits(takes in proptest::collection::vec((0u8..12, any::<bool>()), 1..300)) {
            let (seats, now) = (Seats::new(16, 5), Instant::now());
            let mut held = Vec::new();
            for (n, (peer, goes)) in takes.into_iter().enumerate() {
                let peer = IpAddr::from([10, 0, 0, peer]);
                let (seat, mut leave) = seats.take(peer, now + Duration::from_millis(n as u64));
                prop_assert!(!left(&mut leave));
                held.push((peer, seat, leave));
                if goes {
                    held.swap_remove(n * 7 % held.len());
                }
                held.retain_mut(|(_, _, leave)| !left(leave));
                prop_assert!(held.len() <= 16);
                for (peer, ..) in &held {
                    prop_assert!(held.iter().filter(|(other, ..)| other == peer).count() <= 5);
                }
                prop_assert_eq!(held.len(), seats.lock().taken.len());
            }
            drop(held);
            prop_assert!(seats.lock().addresses.is_empty());
        }
    }
}
