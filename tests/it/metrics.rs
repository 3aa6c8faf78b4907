//! `/metrics`: what Prometheus reads, whose names are documented, and whose labels nobody outside can choose.

use reqwest::Method;
use serde_json::json;
use switchyard::telemetry::names::METRICS;

use crate::support::Gateway;

async fn scrape(gateway: &Gateway) -> String {
    let answer = gateway.call(Method::GET, "/metrics", None).await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.header("content-type"),
        "text/plain; version=0.0.4; charset=utf-8"
    );
    answer.body
}

/// Holds a scrape to the text format: every sample belongs to the family above it, and every value is a number.
fn check(text: &str) {
    let mut family = String::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            rest.split(' ').next().unwrap().clone_into(&mut family);
        } else if !line.starts_with('#') {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let name = series.split('{').next().unwrap();
            let base = ["_bucket", "_sum", "_count"]
                .iter()
                .find_map(|suffix| name.strip_suffix(suffix).filter(|base| *base == family))
                .unwrap_or(name);
            assert_eq!(base, family, "{line}");
            assert!(value.parse::<f64>().is_ok(), "{line}");
        }
    }
}

#[tokio::test]
async fn scrape_can_be_parsed_and_names_everything() {
    let gateway = Gateway::start("", "").await;
    assert_eq!(gateway.ask("hello", false).await.status, 200);
    assert_eq!(gateway.ask("hello", true).await.status, 200);
    let text = scrape(&gateway).await;
    check(&text);
    for metric in METRICS {
        let line = format!("# TYPE {} {}\n", metric.name, metric.kind.name());
        assert!(text.contains(&line), "{line}");
    }
    for line in [
        "litellm_proxy_total_requests_metric_total{requested_model=\"m\",status_code=\"200\"} 2",
        "switchyard_inflight{model_group=\"m\"} 0",
        "switchyard_config_last_reload_successful 1",
        "switchyard_shed_total 0",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    assert!(text.contains("litellm_llm_api_time_to_first_token_metric_count{"));
}

#[tokio::test]
async fn names_that_callers_make_up_are_one_series() {
    let gateway = Gateway::start("", "").await;
    for place in 0..50 {
        let body = json!({"model": format!("junk-{place}"), "messages": [{"role": "user", "content": "hello"}]});
        assert_eq!(gateway.post(&body, &[]).await.status, 400);
    }
    let text = scrape(&gateway).await;
    assert!(!text.contains("junk-"), "{text}");
    let line = "litellm_proxy_total_requests_metric_total{requested_model=\"other\",status_code=\"400\"} 50";
    assert!(text.lines().any(|found| found == line), "{text}");
}

#[tokio::test]
async fn metrics_may_be_made_public() {
    let rest = "general_settings: {master_key: sk-right-and-long-enough}\n";
    let gateway = Gateway::start_with("", rest, |config| config.litellm.metrics_are_public = true);
    check(&scrape(&gateway.await).await);
}
