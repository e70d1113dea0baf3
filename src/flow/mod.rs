//! Packets to flows: who spoke with whom, by which protocol, how much, and from when to when. Does no I/O and reads no
//! clock: the time comes in with the packets.
//!
//! [`packet`] reads one IP packet: its 5-tuple.

pub mod packet;
