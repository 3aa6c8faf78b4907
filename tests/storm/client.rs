//! Clients of the storm: they read strictly, and count how calls end.

use std::time::Duration;

use serde_json::{Value, json};

use crate::ratio;
use crate::stage::Stage;
use crate::weather::{GROUPS, Wish};

/// How a call ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// With a whole answer, or all of a stream; so often it was sent to AWS until its first content.
    Well(usize),
    /// With one error event after some content.
    Broken(usize),
    /// With one JSON error.
    Refused(u16, String, usize),
    /// The client hung up.
    Left,
    /// Not at all.
    Hung,
    /// Against the rules.
    Wrong(String),
}

/// Makes a call and reads all of its answer.
pub(crate) async fn call(stage: &Stage, wish: &Wish) -> Ended {
    let body = json!({
        "model": GROUPS[wish.group], "stream": wish.stream, "messages": [{"role": "user", "content": wish.text}],
    });
    let request = stage
        .client
        .post(format!("{}/v1/chat/completions", stage.url));
    let request = request.header("content-type", "application/json");
    if wish.leaves_after == Some(0) {
        // It has gone before there is an answer.
        let asking = request.body(body.to_string()).send();
        let _gone = tokio::time::timeout(Duration::from_millis(5), asking).await;
        return Ended::Left;
    }
    let mut response = match request.body(body.to_string()).send().await {
        Ok(response) => response,
        Err(error) => return Ended::Wrong(format!("{}: {error:?}", wish.text)),
    };
    let status = response.status().as_u16();
    let sends = response.headers().get("x-switchyard-total-attempts");
    let sends = sends.map_or(0, |sends| sends.to_str().unwrap().parse().unwrap());
    let (mut text, mut pieces) = (Vec::new(), 0);
    loop {
        if wish.leaves_after.is_some_and(|most| pieces >= most) {
            return Ended::Left;
        }
        match response.chunk().await {
            Ok(Some(piece)) => text.extend_from_slice(&piece),
            Ok(None) => break,
            Err(error) => return Ended::Wrong(format!("{}: {error:?}", wish.text)),
        }
        pieces += 1;
    }
    let text = String::from_utf8(text).unwrap();
    let ended = match (status, wish.stream) {
        (200, true) => stream(&text, wish, sends),
        (200, false) => whole(&text, wish, sends),
        _ => refused(status, &text, sends),
    };
    ended.unwrap_or_else(|| Ended::Wrong(format!("{} {status}: {text}", wish.text)))
}

/// An answer quotes its question, so that no call can have another's.
fn is_to(text: &str, wish: &Wish) -> bool {
    text.contains(&format!("q{}q", wish.number))
}

fn whole(text: &str, wish: &Wish, sends: usize) -> Option<Ended> {
    let answer: Value = serde_json::from_str(text).ok()?;
    let choice = &answer["choices"][0];
    let content = choice["message"]["content"].as_str()?;
    let is_good = is_to(content, wish) && choice["finish_reason"] == "stop";
    (is_good && answer.get("error").is_none()).then_some(Ended::Well(sends))
}

fn refused(status: u16, text: &str, sends: usize) -> Option<Ended> {
    let error: Value = serde_json::from_str(text).ok()?;
    let message = error["error"]["message"].as_str()?.to_owned();
    (status >= 400).then_some(Ended::Refused(status, message, sends))
}

fn stream(text: &str, wish: &Wish, sends: usize) -> Option<Ended> {
    let events: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .collect();
    let (last, before) = events.split_last()?;
    let chunks: Vec<Value> = before
        .iter()
        .map(|event| serde_json::from_str(event).ok())
        .collect::<Option<_>>()?;
    let finishes = |chunk: &&Value| chunk["choices"][0]["finish_reason"].is_string();
    let finishes = chunks.iter().filter(finishes).count();
    let errors = chunks.iter().filter(|chunk| chunk["error"].is_object());
    if errors.count() > 0 {
        return None;
    }
    let content: String = chunks
        .iter()
        .filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str())
        .collect();
    if *last == "[DONE]" {
        return (finishes == 1 && is_to(&content, wish)).then_some(Ended::Well(sends));
    }
    let last: Value = serde_json::from_str(last).ok()?;
    let is_broken = last["error"]["message"].is_string() && finishes == 0 && !content.is_empty();
    is_broken.then_some(Ended::Broken(sends))
}

/// How the calls of one group ended.
#[derive(Debug, Default, Clone, Copy)]
struct Ends {
    well: usize,
    broken: usize,
    refused: usize,
    mistakes: usize,
    left: usize,
    /// Attempts of those that were answered, until the first content.
    sends: usize,
}

/// How all calls ended.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    groups: [Ends; 3],
    /// What must not be: a call that hung, an answer against the rules.
    pub(crate) wrong: Vec<String>,
    /// What clients were told.
    messages: std::collections::BTreeMap<String, usize>,
}

impl Tally {
    pub(crate) fn add(&mut self, wish: &Wish, ended: &Ended) {
        let ends = &mut self.groups[wish.group];
        match ended {
            Ended::Well(sends) => {
                ends.well += 1;
                ends.sends += sends;
            }
            Ended::Broken(sends) => {
                ends.broken += 1;
                ends.sends += sends;
            }
            Ended::Refused(400, _, sends) if wish.is_mistake => {
                ends.mistakes += 1;
                ends.sends += sends;
            }
            Ended::Refused(status, message, sends) => {
                ends.refused += 1;
                ends.sends += sends;
                let said = format!("{status} {message}");
                *self.messages.entry(said).or_default() += 1;
            }
            Ended::Left => ends.left += 1,
            Ended::Hung => self.wrong.push(format!("{}: hung", wish.text)),
            Ended::Wrong(what) => self.wrong.push(what.clone()),
        }
    }

    pub(crate) fn join(&mut self, other: Self) {
        for (ends, more) in self.groups.iter_mut().zip(other.groups) {
            ends.well += more.well;
            ends.broken += more.broken;
            ends.refused += more.refused;
            ends.mistakes += more.mistakes;
            ends.left += more.left;
            ends.sends += more.sends;
        }
        self.wrong.extend(other.wrong);
        for (message, times) in other.messages {
            *self.messages.entry(message).or_default() += times;
        }
    }

    /// How many calls have ended.
    pub(crate) fn all(&self) -> usize {
        let ends = |ends: &Ends| ends.well + ends.broken + ends.refused + ends.mistakes + ends.left;
        self.groups.iter().map(ends).sum()
    }

    /// The part of calls that were answered, of those that could be.
    pub(crate) fn success(&self) -> f64 {
        let well = self.groups.iter().map(|ends| ends.well).sum();
        let refused: usize = self.groups.iter().map(|ends| ends.refused).sum();
        ratio(well, well + refused)
    }

    pub(crate) fn print(&self, took: Duration) {
        println!("{} calls in {:.1} s", self.all(), took.as_secs_f64());
        for (name, ends) in GROUPS.iter().zip(&self.groups) {
            let answered = ends.well + ends.broken + ends.refused + ends.mistakes;
            println!(
                "{name}: success {:.3} % ({} well, {} refused), amplification {:.3}; besides {} streams broken after content, {} \
                 mistakes of the caller's, {} clients that left",
                100.0 * ratio(ends.well, ends.well + ends.refused),
                ends.well,
                ends.refused,
                ratio(ends.sends, answered),
                ends.broken,
                ends.mistakes,
                ends.left
            );
        }
        for (message, times) in &self.messages {
            println!("{times} times: {message}");
        }
    }
}
