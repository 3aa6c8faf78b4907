//! Probes: is the process alive, and is it ready to serve.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde_json::json;

use super::App;
use super::headers::json;
use crate::keys::Identity;

/// `GET /health/liveliness` and `/health/liveness`: 503 while draining, so that no more traffic comes.
pub(super) async fn alive(State(app): State<Arc<App>>) -> Response {
    if app.shutdown.draining.is_cancelled() {
        return shutting_down();
    }
    json(StatusCode::OK, Bytes::from_static(b"\"I'm alive!\""))
}

/// `GET /health/readiness`: what is loaded, and since when; findings only for the administrator.
pub(super) async fn ready(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    if app.shutdown.draining.is_cancelled() {
        return shutting_down();
    }
    let snapshot = app.live.load();
    let mut body = json!({
        "status": "healthy",
        "db": "Not connected",
        "config": {
            "status": "ok",
            "generation": snapshot.generation,
            "loaded_at": rfc3339(snapshot.loaded_at),
            "rejected_at": null,
            "problems": 0,
        },
    });
    if snapshot
        .keys
        .check(&headers)
        .is_ok_and(|identity| identity == Identity::Administrator)
        && let Some(body) = body.as_object_mut()
    {
        body.insert("findings".to_owned(), json!(snapshot.config.warnings));
    }
    json(StatusCode::OK, Bytes::from(body.to_string()))
}

fn shutting_down() -> Response {
    json(
        StatusCode::SERVICE_UNAVAILABLE,
        Bytes::from_static(br#"{"status":"shutting_down"}"#),
    )
}

/// Writes a time as RFC 3339 in UTC, to the second.
fn rfc3339(time: std::time::SystemTime) -> String {
    let seconds = time
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Days since 1970 to year, month and day.
///
/// Source: Howard Hinnant's `civil_from_days`, <https://howardhinnant.github.io/date_algorithms.html>.
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn times_are_written_in_utc() {
        assert_eq!(rfc3339(UNIX_EPOCH), "1970-01-01T00:00:00Z");
        let leap = UNIX_EPOCH + Duration::from_secs(1_709_210_096);
        assert_eq!(rfc3339(leap), "2024-02-29T12:34:56Z");
    }
}
