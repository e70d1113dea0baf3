//! Readings of [`Facts`] that `dot11` offers as methods; to be replaced by them.

use crate::dot11::{Class, Facts};

/// Stand-in for `dot11::Security`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Security(u16);

pub(super) fn class(facts: &Facts<'_>) -> Option<Class> {
    facts.kind.map(|kind| match kind.0 {
        0x00..=0x0f => Class::Management,
        0x20..=0x2f => Class::Data,
        0x30..=0x3f => Class::Extension,
        _ => Class::Control,
    })
}

pub(super) fn ssid<'a>(facts: &Facts<'a>) -> Option<&'a [u8]> {
    let mut rest = facts.elements;
    while let [id, len, tail @ ..] = rest {
        let (body, next) = tail.split_at_checked(usize::from(*len))?;
        if *id == 0 {
            return Some(body);
        }
        rest = next;
    }
    None
}

pub(super) fn security(facts: &Facts<'_>) -> Option<Security> {
    facts.capability.map(|capability| Security(capability & 0x10))
}
