//! `docs/openapi.json` is the document that ingest's server gives. After a change of the API write it anew:
//! `AIRTALLY_WRITE_DOCUMENTS=1 cargo test --features manual,synth --test cli openapi`.

use std::{fs, path::Path};

#[test]
fn the_openapi_document_in_the_source_is_the_servers() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/openapi.json");
    let is = serde_json::to_string_pretty(&airtally::web::api::document()).unwrap() + "\n";
    if std::env::var_os("AIRTALLY_WRITE_DOCUMENTS").is_some() {
        fs::write(&path, &is).unwrap();
    }
    let was = fs::read_to_string(&path).unwrap_or_default();
    let differs = is.lines().zip(was.lines()).position(|(is, was)| is != was);
    assert!(
        is == was,
        "docs/openapi.json is not what the server gives, from line {}: write it anew as this file says",
        differs.unwrap_or_else(|| is.lines().count().min(was.lines().count())) + 1
    );
}
