//! Every request under `golden/messages/`, read from a client and written for Bedrock: address, betas, body and warnings, or the
//! refusal, as snapshots.
//!
//! A fixture is a JSON file with a deployment's `model`, the client's `headers` and its `request`.

use std::fmt::Write as _;

use serde_json::Value;

use crate::fixtures::fixtures;
use crate::support::Case;

fn written(fixture: &Value) -> String {
    let mut case =
        Case::new(fixture["model"].as_str().unwrap()).body(&fixture["request"].to_string());
    for (name, value) in fixture["headers"].as_object().into_iter().flatten() {
        case = case.header(name, value.as_str().unwrap());
    }
    let mut out = String::new();
    match case.send() {
        Ok(sent) => {
            writeln!(out, "POST {}", sent.path()).unwrap();
            for warning in &sent.warnings {
                writeln!(out, "warning: {warning}").unwrap();
            }
            write!(out, "{}", serde_json::to_string_pretty(&sent.body).unwrap()).unwrap();
        }
        Err(error) => {
            write!(
                out,
                "{} {:?}: {}",
                error.status(),
                error.param(),
                error.message()
            )
            .unwrap();
        }
    }
    out
}

#[test]
fn every_request_is_written_as_its_snapshot_shows() {
    for (name, fixture) in fixtures("messages", 8) {
        insta::assert_snapshot!(name, written(&fixture));
    }
}
