//! The estimate of people, as a part of the history: a band from the least to the most, and the estimate in it.

use crate::{
    UnixNanos,
    people::INTERVAL,
    sink::history::{HistoryError, Order, Paging, Range, query::PeopleRow},
    web::page::{
        asking::Asking,
        chart::{Chart, Kind, Step},
        place::Place,
        span::Span,
        table::{Cell, Column, Row, Table},
        text,
        view::{Drawing, Legend, Section, Text},
    },
};
use std::{collections::BTreeSet, time::Duration};

/// Rows asked for: those of one sensor in a year.
const MOST: usize = 110_000;
/// Intervals drawn one by one, at most; of a longer time the means of its steps are.
const ONE_BY_ONE: usize = 600;

/// The chart and its table, where a sensor of the scope estimates people; of several, whom to choose.
pub(super) fn sections(
    asking: &Asking<'_>,
    (range, step): (Range, Duration),
    span: &Span,
) -> Result<Vec<Section>, HistoryError> {
    let (Some(history), Ok(scope)) = (&asking.history, asking.scope()) else { return Ok(Vec::new()) };
    let rows = history.people(range, &scope, Order::Ascending, &Paging { limit: MOST, cursor: None })?.items;
    let sensors: BTreeSet<(&str, &str)> = rows.iter().map(|row| (row.site.as_str(), row.sensor.as_str())).collect();
    if sensors.is_empty() {
        return Ok(Vec::new());
    }
    if sensors.len() > 1 {
        let names: Vec<String> =
            sensors.iter().map(|(site, sensor)| text::foreign(&format!("{site}/{sensor}"))).collect();
        let lines = vec![format!(
            "Several sensors estimate how many people are near each of them, and these do not add up: choose one of them above: {}.",
            names.join(", ")
        )];
        return Ok(vec![Section::Text(Text { heading: "Estimate of people".to_owned(), lines, ..Text::default() })]);
    }
    let length = if rows.len() > ONE_BY_ONE { step.max(INTERVAL) } else { INTERVAL };
    let steps = steps(&rows, length, (span.from, span.to));
    Ok(vec![Section::Chart(drawing(&steps, span)), Section::Table(table(&asking.place, &steps))])
}

/// What is drawn of `rows`, means over `length`; times of which nothing is known are [`Kind::Missing`].
fn steps(rows: &[PeopleRow], length: Duration, (from, to): (UnixNanos, UnixNanos)) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let missing = |start, end| Step { start, end, kind: Kind::Missing, ..Step::default() };
    let mut rest = rows;
    let mut at = from;
    while let Some(first) = rest.first() {
        let start = if length > INTERVAL { first.start.align_down(length) } else { first.start };
        let end = if length > INTERVAL { start.saturating_add(length) } else { first.end };
        let (of_step, after) = rest.split_at(rest.iter().take_while(|row| row.start < end).count().max(1));
        rest = after;
        if start > at {
            steps.push(missing(at, start));
        }
        at = end;
        let told: Vec<[f64; 3]> = of_step.iter().filter_map(numbers).collect();
        let listened: Vec<u64> = of_step.iter().filter_map(|row| row.listened_ms).collect();
        let ours = text::real(u64::try_from(length.as_millis()).unwrap_or(u64::MAX));
        let listened = (!listened.is_empty()).then(|| text::real(listened.iter().sum()) / ours);
        let count = text::real(told.len() as u64);
        let mean = |number: usize| told.iter().filter_map(|told| told.get(number)).sum::<f64>() / count;
        let kind = match of_step.iter().any(|row| row.reason.as_deref() == Some("deaf")) {
            _ if !told.is_empty() => Kind::Heard,
            true => Kind::Deaf,
            false => Kind::Missing,
        };
        let values = if told.is_empty() { Vec::new() } else { vec![mean(0), mean(1), mean(2)] };
        steps.push(Step { start, end, values, listened, kind, has_lost: false });
    }
    if at < to {
        steps.push(missing(at, to));
    }
    steps
}

fn numbers(row: &PeopleRow) -> Option<[f64; 3]> {
    Some([text::real(row.low?), text::real(row.estimate?), text::real(row.high?)])
}

fn drawing(steps: &[Step], span: &Span) -> Drawing {
    let title = "Estimate of people";
    let count = |kind| steps.iter().filter(|step| step.kind == kind).count();
    let description = format!(
        "An estimate, and no count: {} steps with a band from the least to the most and the estimate in it. {} stretches of time in \
         which nobody can tell are not zero. The table below has the same figures.",
        count(Kind::Heard),
        count(Kind::Missing) + count(Kind::Deaf),
    );
    let chart = Chart {
        id: "people",
        title,
        description: &description,
        unit: "people, by an estimate",
        series: 3,
        is_interval: true,
        from: steps.first().map_or(span.from, |step| step.start),
        to: steps.last().map_or(span.to, |step| step.end),
        steps,
    };
    let entries = [
        ("between", "from low to high: nine of ten are in it", true),
        ("estimate", "the estimate: no count", true),
        ("heard", "part of the time listened", steps.iter().any(|step| step.listened.is_some())),
        (
            "unknown",
            "a capture: how long was listened is not known",
            steps.iter().any(|step| step.kind == Kind::Heard && step.listened.is_none()),
        ),
        ("gap", "nobody can tell", count(Kind::Missing) > 0),
        ("deaf", "radio off, or nothing heard", count(Kind::Deaf) > 0),
    ];
    let legend = entries.into_iter().filter(|(.., has)| *has);
    let legend = legend.map(|(class, label, _)| Legend { class, label: label.to_owned() }).collect();
    Drawing { title: title.to_owned(), svg: chart.svg(), legend, table: "people" }
}

fn table(place: &Place, steps: &[Step]) -> Table {
    let columns = vec![
        Column::text("From", "from"),
        Column::number("At least", "low"),
        Column::number("Estimate", "estimate"),
        Column::number("At most", "high"),
        Column::text("Note", "note"),
    ];
    let mut table = Table::new("people", "The estimates in figures (UTC borders)", place, columns);
    table.is_folded = true;
    for (number, step) in steps.iter().enumerate().rev() {
        let mut cells = vec![Cell::time(step.start)];
        let of = |at: usize| step.values.get(at).copied();
        cells.extend([0, 1, 2].map(|at| of(at).map_or_else(Cell::unknown, |value| Cell::rate(Some(value)))));
        cells.push(Cell::text(match step.kind {
            Kind::Heard => "",
            Kind::Deaf => "radio off, or nothing heard",
            Kind::Missing => "nobody can tell",
        }));
        table.rows.push(Row { cells, step: Some(number), is_faint: step.kind != Kind::Heard });
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(start: i64, estimate: Option<u64>) -> PeopleRow {
        PeopleRow {
            site: "home".into(),
            sensor: "attic".into(),
            start: UnixNanos::new(start, 0),
            end: UnixNanos::new(start + 300, 0),
            low: estimate.map(|estimate| estimate / 2),
            estimate,
            high: estimate.map(|estimate| estimate * 2),
            reason: if estimate.is_none() { Some("deaf".into()) } else { None },
            listened_ms: Some(300_000),
        }
    }

    #[test]
    fn what_nobody_knows_is_no_zero_and_long_times_are_means() {
        let rows = [row(300, Some(4)), row(600, Some(8)), row(900, None), row(1_800, Some(0))];
        let span = (UnixNanos(0), UnixNanos::new(2_400, 0));
        let kinds = |length| {
            let steps = steps(&rows, Duration::from_secs(length), span);
            steps
                .iter()
                .map(|step| (step.start.0 / 1_000_000_000, step.kind, step.values.get(1).copied()))
                .collect::<Vec<_>>()
        };
        use Kind::{Deaf, Heard, Missing};
        assert_eq!(
            kinds(300),
            [
                (0, Missing, None),
                (300, Heard, Some(4.0)),
                (600, Heard, Some(8.0)),
                (900, Deaf, None),
                (1_200, Missing, None),
                (1_800, Heard, Some(0.0)),
                (2_100, Missing, None),
            ]
        );
        assert_eq!(kinds(1_200), [(0, Heard, Some(6.0)), (1_200, Heard, Some(0.0))]);
    }
}
