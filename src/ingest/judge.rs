//! What a declared loss is to this ingest. A sensor declares what it no longer has when anybody asks for it, and all hear
//! of it: of that, only what never came here is lost here. Pure: the ledger's word comes in as an argument.

use crate::{UnixNanos, wire::Gap};

/// The losses to record, given the `missing` windows: ranges from 0 to the gap's last window, ascending, that neither
/// arrived here nor were declared lost before. The gap itself where all of it is missing, and where nobody knows how far
/// it goes. Else a gap for each range: with a share of the time, as if windows were of one length, and without a number of
/// frames, for nobody counted them apart.
pub fn lost_here(gap: Gap, missing: &[(u64, u64)]) -> Vec<Gap> {
    let Some(last_seq) = gap.last_seq else { return vec![gap] };
    let within = |&(first, last): &(u64, u64)| (first.max(gap.first_seq), last.min(last_seq));
    let pieces: Vec<(u64, u64)> = missing.iter().map(within).filter(|(first, last)| first <= last).collect();
    if pieces == [(gap.first_seq, last_seq)] {
        return vec![gap];
    }
    let windows = i128::from(last_seq - gap.first_seq) + 1;
    let span = i128::from(gap.end.0) - i128::from(gap.start.0);
    let before = |seq: u64| {
        let time = i128::from(gap.start.0) + span * i128::from(seq - gap.first_seq) / windows;
        UnixNanos(i64::try_from(time).unwrap_or(gap.end.0))
    };
    let piece = |(first, last): (u64, u64)| Gap {
        first_seq: first,
        last_seq: Some(last),
        start: before(first),
        end: before(last + 1),
        frames: None,
        ..gap.clone()
    };
    pieces.into_iter().map(piece).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{GAP_SCHEMA, GapReason};
    use uuid::Uuid;

    fn gap(first_seq: u64, last_seq: Option<u64>) -> Gap {
        Gap {
            schema: GAP_SCHEMA.to_owned(),
            site: "home".to_owned(),
            sensor: "attic".to_owned(),
            run: Uuid::from_u128(1),
            reason: GapReason::Unavailable,
            first_seq,
            last_seq,
            start: UnixNanos(1_000),
            end: UnixNanos(2_000),
            frames: Some(70),
            detail: None,
            stamping: None,
            ingest: None,
            withdrawn: false,
        }
    }

    #[test]
    fn what_is_all_missing_stays_as_it_was_declared() {
        assert_eq!(lost_here(gap(5, Some(9)), &[(5, 9)]), [gap(5, Some(9))]);
        assert_eq!(lost_here(gap(5, Some(9)), &[(0, 1), (3, 9)]), [gap(5, Some(9))]);
        assert_eq!(lost_here(gap(0, Some(0)), &[(0, 0)]), [gap(0, Some(0))]);
        assert_eq!(lost_here(gap(5, None), &[]), [gap(5, None)]);
    }

    #[test]
    fn what_came_here_is_not_lost_here() {
        assert_eq!(lost_here(gap(5, Some(9)), &[]), []);
        assert_eq!(lost_here(gap(5, Some(9)), &[(0, 4)]), []);
        let piece = |first, last, start, end| Gap {
            start: UnixNanos(start),
            end: UnixNanos(end),
            frames: None,
            ..gap(first, Some(last))
        };
        assert_eq!(
            lost_here(gap(10, Some(19)), &[(3, 10), (15, 19)]),
            [piece(10, 10, 1_000, 1_100), piece(15, 19, 1_500, 2_000)]
        );
    }
}
