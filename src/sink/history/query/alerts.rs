//! Alerts: each as it is now, and what several sensors of a site saw of the same as one.

use crate::{
    UnixNanos,
    sink::history::{
        History,
        range::{HistoryError, Key, Order, Page, Paging, Place, Range, Scope, Tier, page},
        raw::{count, maybe, parameters},
    },
};
use rusqlite::{Connection, OptionalExtension as _, params, types::Value};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, time::Duration};

/// Alerts of single sensors that one answer looks at, at most: the newest.
const MOST_ROWS: usize = 20_000;
/// Clocks of two sensors, and the rhythm in which they look, differ by less.
const NEAR: Duration = Duration::from_secs(10);
/// The subject where privacy withholds it: of two nobody knows whether they are about the same.
const WITHHELD: &str = "withheld";

/// Whether an alert goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum AlertState {
    /// A sensor still sees it.
    #[default]
    Open,
    /// It is over.
    Ended,
    /// Its sensor began anew without a word of its end.
    Lost,
}

/// What one sensor saw of an alert.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "web", derive(utoipa::ToSchema))]
pub struct AlertSeen {
    /// The sensor.
    pub sensor: String,
    /// Whether it goes on there.
    pub state: AlertState,
    /// The first frame of its evidence.
    pub start: UnixNanos,
    /// The latest, once it is over.
    pub end: Option<UnixNanos>,
    /// Until when its sensor has told of it.
    pub told: UnixNanos,
    /// Frames of its evidence.
    pub frames: u64,
    /// How long its channel was listened to since it began, where that is known.
    pub listened_ms: Option<u64>,
    /// How long since it began nobody watched its channel.
    pub not_watched_ms: u64,
    /// What was seen, by name.
    #[cfg_attr(feature = "web", schema(value_type = Object))]
    pub evidence: serde_json::Value,
}

/// One alert, whichever sensors of its site saw it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "web", derive(utoipa::ToSchema))]
pub struct AlertRow {
    /// The place.
    pub site: String,
    /// Which rule.
    pub kind: String,
    /// `air` or `mine`.
    pub class: String,
    /// How much it matters: `high`, `low`, `info`.
    pub severity: String,
    /// Who or what it is about.
    pub subject: String,
    /// Whether it goes on.
    pub state: AlertState,
    /// The first frame of its evidence that any sensor heard.
    pub start: UnixNanos,
    /// The latest, once it is over.
    pub end: Option<UnixNanos>,
    /// Frames of its evidence that the sensor heard that heard most of them.
    pub frames: u64,
    /// What each sensor saw, that of most frames first.
    pub sensors: Vec<AlertSeen>,
}

/// Which alerts are wanted: what is absent is not asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AlertFilter {
    /// The kind.
    pub kind: Option<String>,
    /// The subject, as it is printed.
    pub subject: Option<String>,
    /// Whether it goes on.
    pub state: Option<AlertState>,
}

/// What of one sensor belongs to the same thing.
#[derive(Clone, Debug)]
struct Single {
    site: String,
    kind: String,
    class: String,
    severity: String,
    subject: String,
    seen: AlertSeen,
}

impl History {
    /// The alerts that touch the range, the newest first or last.
    ///
    /// # Errors
    /// When the file cannot be read, or the cursor is not of this list.
    pub fn alerts(
        &self,
        range: Range,
        scope: &Scope,
        filter: &AlertFilter,
        order: Order,
        paging: &Paging,
    ) -> Result<Page<AlertRow>, HistoryError> {
        let moment = self.moment()?;
        let (singles, truncated) = singles(&moment, range, scope, filter)?;
        let rows = joined(singles).into_iter().filter(|row| filter.state.is_none_or(|state| state == row.state));
        let rows = rows.map(|row| {
            let name = format!("{} {} {}", row.site, row.kind, row.subject);
            (Place(Key::Number(row.start.0), name), row)
        });
        let (items, next) = page(rows.collect(), order, paging)?;
        Ok(Page { tier: Tier::Windows, items, next, truncated })
    }
}

fn singles(
    moment: &Connection,
    range: Range,
    scope: &Scope,
    filter: &AlertFilter,
) -> Result<(Vec<Single>, bool), HistoryError> {
    let text = |wanted: &Option<String>| wanted.clone().map_or(Value::Null, Value::Text);
    let sql = "SELECT site, sensor, kind, class, severity, subject, start_ns, end_ns, told_ns, frames, listened_ms, \
         not_watched_ms, evidence, run FROM alerts WHERE start_ns < ?2 AND (coalesce(end_ns, told_ns) >= ?1) \
         AND (?3 IS NULL OR site = ?3) AND (?4 IS NULL OR sensor = ?4) AND (?5 IS NULL OR kind = ?5) \
         AND (?6 IS NULL OR subject = ?6) ORDER BY start_ns DESC LIMIT ?7";
    let most = i64::try_from(MOST_ROWS).unwrap_or(i64::MAX).saturating_add(1);
    let asked =
        parameters(range, scope).into_iter().chain([text(&filter.kind), text(&filter.subject), Value::Integer(most)]);
    let mut statement = moment.prepare_cached(sql)?;
    let mut found = statement.query(rusqlite::params_from_iter(asked))?;
    let mut singles = Vec::new();
    while let Some(row) = found.next()? {
        let (end, told): (Option<i64>, i64) = (row.get(7)?, row.get(8)?);
        let (site, sensor): (String, String) = (row.get(0)?, row.get(1)?);
        let state = match end {
            Some(_) => AlertState::Ended,
            None if has_begun_anew(moment, &site, &sensor, &row.get::<_, String>(13)?, told)? => AlertState::Lost,
            None => AlertState::Open,
        };
        let evidence: String = row.get(12)?;
        singles.push(Single {
            site,
            kind: row.get(2)?,
            class: row.get(3)?,
            severity: row.get(4)?,
            subject: row.get(5)?,
            seen: AlertSeen {
                sensor,
                state,
                start: UnixNanos(row.get(6)?),
                end: end.map(UnixNanos),
                told: UnixNanos(told),
                frames: count(row, 9)?,
                listened_ms: maybe(row, 10)?,
                not_watched_ms: count(row, 11)?,
                evidence: serde_json::from_str(&evidence).unwrap_or_default(),
            },
        });
    }
    let truncated = singles.len() > MOST_ROWS;
    singles.truncate(MOST_ROWS);
    Ok((singles, truncated))
}

/// Whether a sensor had another run after it told of an open alert last: then nobody will say that it is over.
fn has_begun_anew(moment: &Connection, site: &str, sensor: &str, run: &str, told: i64) -> rusqlite::Result<bool> {
    let sql = "SELECT 1 FROM windows WHERE site = ?1 AND sensor = ?2 AND run <> ?3 AND start_ns >= ?4 LIMIT 1";
    let found = moment.prepare_cached(sql)?.query_row(params![site, sensor, run, told], |_| Ok(())).optional()?;
    Ok(found.is_some())
}

/// Joins what sensors of one site say of one kind and subject, where it overlaps in time.
fn joined(singles: Vec<Single>) -> Vec<AlertRow> {
    let mut same: BTreeMap<(String, String, String), Vec<Single>> = BTreeMap::new();
    let mut rows = Vec::new();
    for single in singles {
        if single.subject == WITHHELD {
            rows.extend(row(vec![single]));
            continue;
        }
        let key = (single.site.clone(), single.kind.clone(), single.subject.clone());
        same.entry(key).or_default().push(single);
    }
    for (_, mut singles) in same {
        singles.sort_by_key(|single| single.seen.start);
        let (mut group, mut until): (Vec<Single>, _) = (Vec::new(), UnixNanos(i64::MIN));
        for single in singles {
            if single.seen.start > until {
                rows.extend(row(std::mem::take(&mut group)));
            }
            until = until.max(last(&single.seen).saturating_add(NEAR));
            group.push(single);
        }
        rows.extend(row(group));
    }
    rows
}

/// Until when an alert is known to have gone on.
fn last(seen: &AlertSeen) -> UnixNanos {
    seen.end.unwrap_or(seen.told)
}

fn row(mut group: Vec<Single>) -> Option<AlertRow> {
    group.sort_by(|one, other| {
        (other.seen.frames, &one.seen.sensor, one.seen.start).cmp(&(
            one.seen.frames,
            &other.seen.sensor,
            other.seen.start,
        ))
    });
    let first = group.first()?.clone();
    let states = || group.iter().map(|single| single.seen.state);
    let state = match states().any(|state| state == AlertState::Open) {
        true => AlertState::Open,
        false if states().any(|state| state == AlertState::Lost) => AlertState::Lost,
        false => AlertState::Ended,
    };
    Some(AlertRow {
        site: first.site,
        kind: first.kind,
        class: first.class,
        severity: first.severity,
        subject: first.subject,
        state,
        start: group.iter().map(|single| single.seen.start).min()?,
        end: if state == AlertState::Ended { group.iter().filter_map(|single| single.seen.end).max() } else { None },
        frames: first.seen.frames,
        sensors: group.into_iter().map(|single| single.seen).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn single(sensor: &str, subject: &str, (start, end): (i64, Option<i64>), frames: u64) -> Single {
        let time = |seconds| UnixNanos::new(seconds, 0);
        Single {
            site: "home".into(),
            kind: "deauth_flood".into(),
            class: "air".into(),
            severity: "high".into(),
            subject: subject.into(),
            seen: AlertSeen {
                sensor: sensor.into(),
                state: if end.is_some() { AlertState::Ended } else { AlertState::Open },
                start: time(start),
                end: end.map(time),
                told: time(end.unwrap_or(start) + 60),
                frames,
                listened_ms: None,
                not_watched_ms: 0,
                evidence: serde_json::Value::Null,
            },
        }
    }

    #[test]
    fn what_overlaps_is_one_alert_and_nothing_else_is() {
        let rows = joined(vec![
            single("attic", "a", (100, Some(200)), 5),
            single("cellar", "a", (150, Some(260)), 9),
            single("attic", "a", (265, None), 3),
            single("attic", "a", (500, Some(510)), 1),
            single("attic", "b", (100, Some(200)), 5),
            single("attic", WITHHELD, (100, Some(200)), 5),
            single("cellar", WITHHELD, (100, Some(200)), 5),
        ]);
        let told = |row: &AlertRow| {
            let sensors: Vec<&str> = row.sensors.iter().map(|seen| seen.sensor.as_str()).collect();
            (row.subject.clone(), row.start.0 / 1_000_000_000, row.state, row.frames, sensors.join(" "))
        };
        let (open, ended) = (AlertState::Open, AlertState::Ended);
        assert_eq!(
            rows.iter().map(told).collect::<Vec<_>>(),
            [
                (WITHHELD.into(), 100, ended, 5, "attic".into()),
                (WITHHELD.into(), 100, ended, 5, "cellar".into()),
                ("a".into(), 100, open, 9, "cellar attic attic".into()),
                ("a".into(), 500, ended, 1, "attic".into()),
                ("b".into(), 100, ended, 5, "attic".into()),
            ]
        );
    }
}
