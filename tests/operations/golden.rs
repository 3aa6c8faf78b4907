//! Every fixture under `golden/operations/`: a deployment, a client's request, what AWS must be sent, what it answers, and
//! what the client must get; or the refusal.

use serde_json::{Value, json};
use switchyard::canonical::RawJson;
use switchyard::provider::Repairs;

use crate::entry::Entry;
use crate::fixtures::fixtures;
use crate::support::{Call, Deployment, Next, Reply, What, numbers, shown};

fn deployment(case: &Value) -> Deployment {
    let text = |name: &str| case[name].as_str().map(str::to_owned);
    let defaults = case["defaults"].as_object().into_iter().flatten();
    Deployment {
        entry: Entry {
            model: text("model").unwrap(),
            model_id: text("model_id"),
            base_model: text("base_model"),
            region: text("region"),
            defaults: defaults
                .map(|(name, value)| (name.clone(), RawJson::from_value(value)))
                .collect(),
            repairs: Repairs {
                drop_params: case["drop_params"] == true,
                ..Repairs::default()
            },
            ..Entry::default()
        },
        has_only_api_key: case["only_api_key"] == true,
    }
}

fn call(case: &Value) -> Result<Call, switchyard::error::Error> {
    let what = match case["operation"].as_str().unwrap() {
        "embed" => What::Embed,
        "generate" => What::Generate,
        "edit" => What::Edit,
        "rerank" => What::Rerank,
        other => panic!("{other}"),
    };
    deployment(case).call(what, &case["request"])
}

fn check_refusal(error: &switchyard::error::Error, expected: &Value) -> Result<(), String> {
    let status = u64::from(error.status().as_u16());
    let param = error.param().map_or(Value::Null, |param| json!(param));
    let says = expected["says"].as_str().unwrap_or_default();
    let kind = expected["kind"].as_str().unwrap_or(error.kind().name());
    if expected["status"] == status
        && expected["param"] == param
        && error.message().contains(says)
        && error.kind().name() == kind
    {
        return Ok(());
    }
    Err(format!("refused with {status} {param} {error:?}"))
}

fn check_sent(
    requests: &[switchyard::provider::WireRequest],
    expected: &Value,
) -> Result<(), String> {
    let sent: Vec<Value> = requests.iter().map(shown).collect();
    let expected = expected.as_array().unwrap();
    if sent.len() != expected.len() {
        return Err(format!("{} requests: {sent:?}", sent.len()));
    }
    for ((sent, expected), request) in sent.iter().zip(expected).zip(requests) {
        let shown = json!({"path": expected["path"], "body": numbers(&expected["body"])});
        if *sent != shown {
            return Err(format!("\n  sent  {sent}\n  shown {shown}"));
        }
        for (name, value) in expected["headers"].as_object().into_iter().flatten() {
            let found = request
                .headers
                .iter()
                .find(|(known, _)| known.as_str() == name);
            if found.is_none_or(|(_, found)| value != found.to_str().unwrap()) {
                return Err(format!("header {name} is {found:?}"));
            }
        }
    }
    Ok(())
}

fn replies(answers: &Value) -> Vec<Reply> {
    let answers = answers.as_array().unwrap().iter();
    answers
        .map(|answer| Reply::new(&answer["headers"], &answer["body"]))
        .collect()
}

fn check(case: &Value) -> Result<(), String> {
    let refused = &case["refused"];
    let mut call = match call(case) {
        Err(error) if !refused.is_null() => return check_refusal(&error, refused),
        Err(error) => return Err(format!("{error:?}")),
        Ok(_) if !refused.is_null() => return Err("was sent, but must be refused".to_owned()),
        Ok(call) => call,
    };
    check_sent(&call.requests, &case["sends"])?;
    if let Some(warning) = case["warns"].as_str()
        && !call.warnings.iter().any(|said| said.contains(warning))
    {
        return Err(format!("warns {:?}", call.warnings));
    }
    if case["answers"].is_null() {
        return Ok(());
    }
    let mut next = (call.read)(&replies(&case["answers"]));
    if let Some(page) = case.get("then") {
        match next {
            Ok(Next::Send(requests)) => check_sent(&requests, &page["sends"])?,
            other => return Err(format!("asked for no more: {other:?}")),
        }
        next = (call.read)(&replies(&page["answers"]));
    }
    match (next, case.get("fails")) {
        (Err(error), Some(expected)) => check_refusal(&error, expected),
        (Ok(Next::Give(given)), None) if numbers(&given) == numbers(&case["gives"]) => Ok(()),
        (Ok(Next::Give(given)), None) => {
            Err(format!("\n  given {given}\n  shown {}", case["gives"]))
        }
        (other, _) => Err(format!("{other:?}")),
    }
}

#[test]
fn every_operation_is_written_and_read_as_its_fixture_shows() {
    let fixtures = fixtures("operations", 81);
    let mut problems = Vec::new();
    for (name, case) in &fixtures {
        if let Err(problem) = check(case) {
            problems.push(format!("{name}: {problem}"));
        }
    }
    assert!(
        problems.is_empty(),
        "{} of {} differ:\n{}",
        problems.len(),
        fixtures.len(),
        problems.join("\n")
    );
}
