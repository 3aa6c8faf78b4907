//! A panic in the middle of a call: the client gets an error, what the call held comes back, and the next call is served.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use reqwest::Method;
use serde_json::json;
use switchyard::clock::{Clock, SharedClock, Sleep, SystemClock};

use crate::support::Gateway;

/// A clock that panics once, when it has been asked for the time so often. Every step of a call asks, so the panic strikes
/// anywhere: before the attempt, in it, in the decoder's relay, while books are closed.
#[derive(Debug, Default)]
struct Mine {
    /// How often it may still be asked; 0: as often as one likes.
    left: AtomicU64,
    /// Whether it panics when it is asked for the date.
    wall: AtomicBool,
}

impl Clock for Mine {
    fn now(&self) -> Instant {
        let one_less = |left: u64| left.checked_sub(1);
        let update =
            |place: &AtomicU64| place.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less);
        assert_ne!(update(&self.left), Ok(1), "the clock was told to");
        SystemClock.now()
    }

    fn wall(&self) -> SystemTime {
        assert!(
            !self.wall.swap(false, Ordering::SeqCst),
            "the clock was told to"
        );
        SystemClock.wall()
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        SystemClock.sleep(duration)
    }
}

/// What a client sees of a call: a status and whether the body came to its end.
async fn ask(gateway: &Gateway, stream: bool) -> Option<(u16, String)> {
    let body =
        json!({"model": "m", "stream": stream, "messages": [{"role": "user", "content": "hello"}]});
    let asking = gateway
        .client
        .post(format!("{}/v1/chat/completions", gateway.url))
        .header("content-type", "application/json")
        .body(body.to_string());
    let response = asking.send().await.ok()?;
    let status = response.status().as_u16();
    Some((status, response.text().await.ok()?))
}

#[tokio::test]
async fn panic_anywhere_in_a_call_is_an_error_and_nothing_is_held() {
    let clock = Arc::<Mine>::default();
    let one = [("m", "one", "", ", max_parallel_requests: 1, rpm: 100000")];
    let rest = "router_settings: {num_retries: 0, disable_cooldowns: true, optional_pre_call_checks: [enforce_model_rate_limits]}";
    let gateway = Gateway::at(&one, rest, Arc::clone(&clock) as SharedClock).await;
    let mut errors = 0;
    for stream in [false, true] {
        for place in 1.. {
            clock.left.store(place, Ordering::SeqCst);
            let answer = ask(&gateway, stream).await;
            let was_struck = clock.left.swap(0, Ordering::SeqCst) == 0;
            if let Some((status, body)) = answer {
                assert!(status == 200 || status == 500, "{status} {body}");
                if status == 500 {
                    errors += 1;
                    let error: serde_json::Value = serde_json::from_str(&body).unwrap();
                    assert_eq!(error["error"]["message"], "Internal server error");
                }
            }
            gateway.comes_to_rest().await;
            // There is one permit: had it been lost, this would be refused.
            let (status, body) = ask(&gateway, stream).await.unwrap();
            assert_eq!(status, 200, "after a panic at {place}: {body}");
            gateway.comes_to_rest().await;
            if !was_struck {
                break;
            }
        }
    }
    assert!(errors > 5, "{errors}");
}

#[tokio::test]
async fn panic_over_a_kept_response_is_an_answer() {
    let clock = Arc::<Mine>::default();
    let rest = "general_settings: {master_key: sk-master-and-long-enough}\nvirtual_keys: [{key: sk-some-and-long-enough}]\n";
    let one = [("m", "one", "", "")];
    let gateway = Gateway::at(&one, rest, Arc::clone(&clock) as SharedClock).await;
    let key = Some("sk-some-and-long-enough");
    for (method, path) in [
        (Method::GET, "/v1/responses/resp_1"),
        (Method::GET, "/v1/responses/resp_1/input_items"),
        (Method::DELETE, "/v1/responses/resp_1"),
        (Method::POST, "/v1/responses/resp_1/cancel"),
    ] {
        clock.wall.store(true, Ordering::SeqCst);
        let answer = gateway.call(method.clone(), path, key).await;
        assert_eq!(answer.status, 500, "{path}: {}", answer.body);
        assert_eq!(answer.json()["error"]["message"], "Internal server error");
        assert!(!clock.wall.load(Ordering::SeqCst));
        assert_eq!(gateway.call(method, path, key).await.status, 404, "{path}");
    }
}
