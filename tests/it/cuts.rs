//! A stream that is cut at any byte: it ends as a clean whole answer or with one error event, and never says anything twice,
//! leaves anything out, or claims to have finished.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use switchyard::clock::SystemClock;
use switchyard::simulator::{Options, Simulator};

use crate::support::upstream::{Cut, Upstream};
use crate::support::{Answer, Gateway, dice, entry_at};

/// At how many places a stream is cut.
const CUTS: usize = 320;

/// What may be done about the cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Remedy {
    None,
    Retry,
    Fallback,
    Resume,
    ResumeInFallback,
}

/// A gateway whose model `m` is cut, the first time that it is asked in a call.
struct Stage {
    gateway: Gateway,
    cut: Arc<Cut>,
    _upstream: Upstream,
    _behind: Simulator,
}

impl Stage {
    async fn set(remedy: Remedy) -> Self {
        let behind = Simulator::start(Options::default()).await.unwrap();
        let cut = Arc::new(Cut {
            after: AtomicUsize::new(usize::MAX),
            sent: AtomicUsize::new(0),
        });
        let upstream = Upstream::cutting(behind.address(), Arc::clone(&cut)).await;
        let (retries, good, more) = match remedy {
            Remedy::None => (0, None, ""),
            Remedy::Retry => (1, Some("m"), ""),
            Remedy::Fallback => (0, Some("n"), ", fallbacks: [{m: [n]}]"),
            Remedy::Resume => (1, Some("m"), ", stream_recovery: resume"),
            Remedy::ResumeInFallback => (
                0,
                Some("n"),
                ", stream_recovery: resume, fallbacks: [{m: [n]}]",
            ),
        };
        let mut yaml = String::from("model_list:\n");
        yaml.push_str(&entry_at("m", "cut", &upstream.url, ", weight: 1"));
        if let Some(group) = good {
            // What weighs nothing is picked where nothing else is left.
            yaml.push_str(&entry_at(group, "good", "$URL", ", weight: 0"));
        }
        let settings = format!(
            "router_settings: {{num_retries: {retries}, disable_cooldowns: true, retry_budget: false{more}}}\n"
        );
        yaml.push_str(&settings);
        Self {
            gateway: Gateway::with(&yaml, Arc::new(SystemClock)).await,
            cut,
            _upstream: upstream,
            _behind: behind,
        }
    }

    /// The answer of a stream that is cut after so many bytes.
    async fn cut_after(&self, bytes: usize) -> Answer {
        self.cut.after.store(bytes, Ordering::SeqCst);
        let body = json!({"stream": true, "stream_options": {"include_usage": true}});
        self.gateway.chat("m", body).await
    }
}

/// What a stream came to.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// All of it.
    Whole,
    /// An error before the first content.
    Refused,
    /// One error event after some text.
    Broken,
}

/// Reads a stream as a strict client does, against the whole `text`.
fn read(answer: &Answer, text: &str) -> End {
    if answer.status != 200 {
        assert!(answer.json()["error"]["message"].is_string());
        return End::Refused;
    }
    let events = answer.events();
    let chunks: Vec<Value> = events
        .iter()
        .filter(|event| **event != "[DONE]")
        .map(|event| serde_json::from_str(event).unwrap())
        .collect();
    let finishes = chunks
        .iter()
        .filter(|chunk| chunk["choices"][0]["finish_reason"].is_string())
        .count();
    let errors = chunks
        .iter()
        .filter(|chunk| chunk["error"].is_object())
        .count();
    let done = events.iter().filter(|event| **event == "[DONE]").count();
    if done > 0 {
        assert_eq!(answer.text(), text);
        assert_eq!((finishes, errors, done), (1, 0, 1), "{}", answer.body);
        assert_eq!(events.last(), Some(&"[DONE]"));
        return End::Whole;
    }
    assert!(text.starts_with(&answer.text()), "{}", answer.body);
    assert_eq!((finishes, errors), (0, 1), "{}", answer.body);
    assert!(chunks.last().unwrap()["error"].is_object());
    End::Broken
}

/// Cuts at many places, all over the answer, and counts what it came to.
async fn cut_everywhere(remedy: Remedy) -> [usize; 3] {
    let stage = Stage::set(remedy).await;
    let whole = stage.cut_after(usize::MAX).await;
    let text = whole.text();
    assert_eq!(read(&whole, &text), End::Whole);
    let length = stage.cut.sent.load(Ordering::SeqCst);
    assert!(length > CUTS, "{length}");
    let mut dice = dice();
    let mut ends = [0; 3];
    for place in 0..CUTS {
        // One byte out of every stretch.
        let stretch = length * place / CUTS..length * (place + 1) / CUTS;
        let bytes = dice.usize(stretch);
        let answer = stage.cut_after(bytes).await;
        let end = read(&answer, &text);
        let allowed = match remedy {
            Remedy::None => true,
            // A cut before the first content is made good unseen.
            Remedy::Retry | Remedy::Fallback => end != End::Refused,
            Remedy::Resume | Remedy::ResumeInFallback => end == End::Whole,
        };
        assert!(
            allowed,
            "cut after {bytes} of {length}: {end:?} {}",
            answer.body
        );
        ends[end as usize] += 1;
    }
    println!("{remedy:?}: of {length} bytes; whole, refused, broken: {ends:?}");
    stage.gateway.comes_to_rest().await;
    ends
}

#[tokio::test]
async fn cut_without_a_remedy_is_an_error_at_once_or_one_error_event() {
    let [whole, refused, broken] = cut_everywhere(Remedy::None).await;
    // Behind the finish only the usage is lost.
    assert!(whole > 0 && refused > 0 && broken > 0);
}

#[tokio::test]
async fn cut_before_the_first_content_is_retried_unseen() {
    let [whole, refused, broken] = cut_everywhere(Remedy::Retry).await;
    assert!(whole > 0 && refused == 0 && broken > 0);
}

#[tokio::test]
async fn cut_before_the_first_content_falls_back_unseen() {
    let [whole, refused, broken] = cut_everywhere(Remedy::Fallback).await;
    assert!(whole > 0 && refused == 0 && broken > 0);
}

#[tokio::test]
async fn cut_anywhere_is_resumed_without_a_seam() {
    assert_eq!(cut_everywhere(Remedy::Resume).await, [CUTS, 0, 0]);
}

#[tokio::test]
async fn cut_anywhere_is_resumed_by_a_fallback_without_a_seam() {
    assert_eq!(cut_everywhere(Remedy::ResumeInFallback).await, [CUTS, 0, 0]);
}
