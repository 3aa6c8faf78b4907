use super::*;
use crate::simulator::misbehave::Directions;
use crate::simulator::state::Shared;
use crate::simulator::{Options, faults};

/// Reads frames back: type and payload, with every checksum verified.
fn read(mut bytes: &[u8]) -> Result<Vec<(String, Value)>, String> {
    let mut events = Vec::new();
    while !bytes.is_empty() {
        let number = |from: usize| u32::from_be_bytes(bytes[from..from + 4].try_into().unwrap());
        let (total, headers) = (number(0) as usize, number(4) as usize);
        if total > bytes.len() {
            return Err("cut".into());
        }
        assert_eq!(crc32fast::hash(&bytes[..8]), number(8));
        if crc32fast::hash(&bytes[..total - 4]) != number(total - 4) {
            return Err("checksum".into());
        }
        let head = String::from_utf8_lossy(&bytes[12..12 + headers]).into_owned();
        let start = head.find("-type\u{7}").unwrap() + 6;
        let length =
            usize::from(head.as_bytes()[start] << 4) * 16 + usize::from(head.as_bytes()[start + 1]);
        let payload = &bytes[12 + headers..total - 4];
        let payload = serde_json::from_slice(payload).unwrap_or(Value::Null);
        events.push((
            head.get(start + 2..start + 2 + length).unwrap().to_owned(),
            payload,
        ));
        bytes = &bytes[total..];
    }
    Ok(events)
}

fn answer(blocks: Vec<Content>) -> Answer {
    Answer {
        blocks,
        stop_reason: "end_turn".into(),
        usage: Usage::default(),
        fields: None,
        trace: None,
        echoed: Map::new(),
    }
}

fn four_words() -> Answer {
    answer(vec![Content::Text("one two three four".into())])
}

fn joined(steps: &[Step]) -> Vec<u8> {
    let sent = steps.iter().filter_map(|step| match step {
        Step::Send(bytes) => Some(bytes.to_vec()),
        _ => None,
    });
    sent.flatten().collect()
}

fn steps_with(fault: &str) -> Vec<Step> {
    let directions = Directions::from_prefix(fault).unwrap();
    let fault = directions.strike(&Shared::new(Options::default())).unwrap();
    script(
        Style::Frames,
        &write(&four_words()),
        fault.as_ref(),
        directions.at,
        Duration::ZERO,
    )
}

fn types(events: &[(String, Value)]) -> Vec<&str> {
    events.iter().map(|(name, _)| name.as_str()).collect()
}

#[test]
fn text_goes_word_by_word() {
    let events = read(&joined(&script(
        Style::Frames,
        &write(&four_words()),
        None,
        None,
        Duration::ZERO,
    )))
    .unwrap();
    let mut expected = vec!["messageStart"];
    expected.extend(["contentBlockDelta"; 4]);
    expected.extend(["contentBlockStop", "messageStop", "metadata"]);
    assert_eq!(types(&events), expected);
    let text: String = events
        .iter()
        .filter_map(|(_, payload)| payload["delta"]["text"].as_str())
        .collect();
    assert_eq!(text, "one two three four");
    assert!(events.iter().all(|(_, payload)| payload["p"].is_string()));
}

#[test]
fn tool_input_goes_in_pieces_after_a_start() {
    let input = json!({"city": "Köln", "days": [1, 2, 3]});
    let tool = Content::ToolUse {
        id: "i".into(),
        name: "f".into(),
        input: input.clone(),
    };
    let events = read(&joined(&script(
        Style::Frames,
        &write(&answer(vec![tool])),
        None,
        None,
        Duration::ZERO,
    )))
    .unwrap();
    assert_eq!(
        events[1].1["start"]["toolUse"],
        json!({"name": "f", "toolUseId": "i"})
    );
    let pieces: Vec<&str> = events
        .iter()
        .filter_map(|(_, payload)| payload["delta"]["toolUse"]["input"].as_str())
        .collect();
    assert_eq!(pieces[0], "");
    assert!(pieces.len() > 3);
    assert_eq!(
        serde_json::from_str::<Value>(&pieces.concat()).unwrap(),
        input
    );
}

#[test]
fn a_thought_ends_with_its_signature() {
    let thought = Content::Thought {
        text: "a b".into(),
        signature: Some("s".into()),
    };
    let events = read(&joined(&script(
        Style::Frames,
        &write(&answer(vec![thought])),
        None,
        None,
        Duration::ZERO,
    )))
    .unwrap();
    let deltas: Vec<&Value> = events
        .iter()
        .map(|(_, payload)| &payload["delta"]["reasoningContent"])
        .collect();
    assert_eq!(
        deltas[1..4],
        [
            &json!({"text": "a "}),
            &json!({"text": "b"}),
            &json!({"signature": "s"})
        ]
    );
}

#[test]
fn a_delay_stands_before_each_delta() {
    let steps = script(
        Style::Frames,
        &write(&four_words()),
        None,
        None,
        Duration::from_millis(5),
    );
    assert_eq!(
        steps
            .iter()
            .filter(|step| matches!(step, Step::Pause(_)))
            .count(),
        4
    );
    assert!(matches!(steps[1], Step::Pause(_)));
}

#[test]
fn faults_break_the_stream_where_they_say() {
    let start_and_two = ["messageStart", "contentBlockDelta", "contentBlockDelta"];

    let stalled = steps_with("stall-mid");
    assert!(matches!(stalled.last(), Some(Step::Stall)));
    assert_eq!(types(&read(&joined(&stalled)).unwrap()), start_and_two);

    let cut = steps_with("cut");
    assert!(matches!(cut.last(), Some(Step::Cut)));
    assert_eq!(read(&joined(&cut)), Err("cut".into()));

    let reset = steps_with("reset,at=1");
    assert!(matches!(reset.last(), Some(Step::Reset)));

    let ended = read(&joined(&steps_with("cut-end"))).unwrap();
    assert_eq!(types(&ended).last(), Some(&"contentBlockStop"));

    assert_eq!(
        read(&joined(&steps_with("corrupt"))),
        Err("checksum".into())
    );
    assert_eq!(read(&joined(&steps_with("cut-first"))), Err("cut".into()));
    assert!(steps_with("empty-stream").is_empty());
    assert_eq!(
        read(&joined(&steps_with("not-json"))).unwrap()[1].1,
        Value::Null
    );
}

#[test]
fn exceptions_come_first_after_the_start_or_in_the_middle() {
    let first = read(&joined(&steps_with("exception-first"))).unwrap();
    assert_eq!(types(&first), ["throttlingException"]);
    let start = read(&joined(&steps_with(
        "exception-start=internalServerException",
    )))
    .unwrap();
    assert_eq!(types(&start), ["messageStart", "internalServerException"]);
    let middle = read(&joined(&steps_with("exception-mid,at=3"))).unwrap();
    assert_eq!(types(&middle).last(), Some(&"modelStreamErrorException"));
    assert_eq!(middle.len(), 5);
    assert_eq!(middle[4].1["originalStatusCode"], 500);
}

#[test]
fn a_fault_in_the_middle_needs_no_long_answer() {
    let one_word = write(&answer(vec![Content::Text("one".into())]));
    let directions = Directions::from_prefix("exception-mid").unwrap();
    let fault = directions.strike(&Shared::new(Options::default())).unwrap();
    assert_eq!(
        fault.as_ref().map(|fault| fault.kind),
        Some(faults::FaultKind::ExceptionMid)
    );
    let events = read(&joined(&script(
        Style::Frames,
        &one_word,
        fault.as_ref(),
        None,
        Duration::ZERO,
    )))
    .unwrap();
    assert_eq!(
        types(&events),
        [
            "messageStart",
            "contentBlockDelta",
            "contentBlockStop",
            "modelStreamErrorException"
        ]
    );
}
