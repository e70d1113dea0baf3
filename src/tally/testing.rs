//! Arbitrary frames for the tests of this room.
