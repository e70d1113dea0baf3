//! docs/influxdb.md says what is so: its queries are asked of a real InfluxDB 1.6 and give the answers printed
//! there, and its tables list exactly the fields there are.
use crate::{filled::filled, records::neighbourhood};
use airtally::wire::{Address, Alerts, Record, TimeSource};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
};

fn page() -> (PathBuf, String) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/influxdb.md");
    let text = fs::read_to_string(&path).unwrap();
    (path, text)
}

/// Set AIRTALLY_BLESS to write the answers into the page instead of comparing them.
#[tokio::test]
async fn every_query_gives_the_answer_that_is_printed() {
    let server = filled(&neighbourhood()).await;
    let (path, text) = page();
    let (mut out, mut rest, mut count) = (String::new(), text.as_str(), 0);
    while let Some((before, query, answer, after)) = next_example(rest) {
        let mut url: reqwest::Url = format!("{}/query?db=airtally", server.url).parse().unwrap();
        url.query_pairs_mut().append_pair("q", query);
        let request = crate::databases::http().post(url).header("Accept", "application/csv");
        let found = request.send().await.unwrap().text().await.unwrap();
        let found = found.trim_end();
        assert!(!found.is_empty() && !found.starts_with("error"), "{query}: {found}");
        out.push_str(&format!("{before}```sql\n{query}\n```\n\n```csv\n{found}\n```"));
        if std::env::var_os("AIRTALLY_BLESS").is_none() {
            assert_eq!(found, answer.trim_end(), "{query}");
        }
        (rest, count) = (after, count + 1);
    }
    assert!(count >= 8, "{count}");
    if std::env::var_os("AIRTALLY_BLESS").is_some() {
        fs::write(path, out + rest).unwrap();
    }
}

/// What comes before an example, its query, its answer, what comes after.
fn next_example(text: &str) -> Option<(&str, &str, &str, &str)> {
    let (before_answer, after) = text.split_once("```\n\n```csv\n")?;
    let (before, query) = before_answer.rsplit_once("```sql\n")?;
    let (answer, after) = after.split_once("```")?;
    Some((before, query.trim_end(), answer, after))
}

#[tokio::test]
async fn the_tables_list_the_fields_there_are() {
    let mut records = neighbourhood();
    let Record::Batch(batch) = &mut records[0] else { panic!() };
    batch.stations[0].bssid = Some(Address::Pseudonym(1));
    batch.capture.as_mut().unwrap().mended_times = Some(1);
    batch.people = crate::records::people(15, batch.start, batch.end);
    let gap = records.iter_mut().find_map(|record| if let Record::Gap(gap) = record { Some(gap) } else { None });
    gap.unwrap().ingest = Some("ingest-1".into());
    let Record::Batch(batch) = &records[0] else { panic!() };
    let (window, changed) = ((batch.start, batch.end), crate::records::alerts(15, 1, batch.start));
    let alerts = Alerts::split(&batch.identity, window, TimeSource::System, false, changed, 1 << 20).remove(0);
    records.push(Record::Alerts(Box::new(Alerts { part: 1, parts: 2, ..alerts })));
    let server = filled(&records).await;

    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for series in server.series("airtally", "SHOW FIELD KEYS").await {
        let keys = series.rows.iter().map(|row| row["fieldKey"].as_str().unwrap().to_owned());
        found.insert(series.name.clone(), keys.collect());
    }
    let (_, text) = page();
    let mut described: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut measurement = String::new();
    for line in text.lines() {
        if let Some(title) = line.strip_prefix("### `wifi_") {
            measurement = format!("wifi_{}", title.split('`').next().unwrap());
        } else if line.starts_with('#') {
            measurement.clear();
        }
        if measurement.is_empty() {
            continue;
        }
        let fields = described.entry(measurement.clone()).or_default();
        if let Some(row) = line.strip_prefix("| `") {
            fields.insert(row.split('`').next().unwrap().to_owned());
        } else if let Some((_, list)) = line.split_once("Fields as in `wifi_station`: ") {
            fields.extend(list.split('`').skip(1).step_by(2).map(str::to_owned));
        }
    }
    assert_eq!(described, found);
}
