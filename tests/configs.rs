//! Configurations as files: the examples load, and each bad one says what is wrong with it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use switchyard::clock::{SharedClock, SystemClock};
use switchyard::config::{Environment, Findings, load};
use switchyard::router::Router;
use switchyard::telemetry::metrics::Metrics;
use switchyard::upstream::{CredentialStore, Upstream, UpstreamOptions};
use tokio_util::task::TaskTracker;

#[expect(clippy::expect_used, reason = "the folders are part of the repository")]
fn files(folder: &str) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut found = Vec::new();
    let mut folders = vec![root];
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder).expect("a folder of configurations");
        for entry in entries {
            let path = entry.expect("a readable folder").path();
            if path.is_dir() {
                folders.push(path);
            } else if path
                .extension()
                .is_some_and(|extension| extension == "yaml")
            {
                found.push(path);
            }
        }
    }
    found.sort();
    assert!(!found.is_empty());
    found
}

#[test]
fn every_example_loads_without_errors() {
    for path in files("examples/configs") {
        let config =
            load(&path, Environment::default()).unwrap_or_else(|findings| panic!("{findings}"));
        let clock: SharedClock = Arc::new(SystemClock);
        let upstream = Upstream::new(UpstreamOptions::default(), clock).unwrap();
        let credentials = CredentialStore::new(Arc::new(upstream), TaskTracker::new());
        let router = Router::build(&config, &credentials, &Metrics::new(), None);
        router.unwrap_or_else(|findings| panic!("{findings}"));
    }
}

#[test]
fn every_example_opens_with_its_schema_and_how_to_try_it() {
    for path in files("examples/configs") {
        let text = std::fs::read_to_string(&path).unwrap();
        let opening: Vec<&str> = text
            .lines()
            .take_while(|line| line.starts_with('#'))
            .collect();
        let name = path.display();
        let first = opening.first().copied().unwrap_or_default();
        let schema = first.strip_prefix("# yaml-language-server: $schema=");
        let schema = schema.unwrap_or_else(|| panic!("{name}: no modeline"));
        assert!(
            path.parent().unwrap().join(schema).exists(),
            "{name}: {schema}"
        );
        assert!(
            opening
                .get(2)
                .is_some_and(|line| line.ends_with('.') || line.ends_with(':')),
            "{name}"
        );
        let file = path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap();
        let start = format!("--config {}", file.display());
        assert!(opening.iter().any(|line| line.contains(&start)), "{name}");
        assert!(
            opening.iter().any(|line| line.starts_with("#   curl ")),
            "{name}"
        );
    }
}

#[test]
fn every_bad_config_says_what_is_wrong() {
    for path in files("tests/configs/bad") {
        let name = path.file_name().unwrap().to_str().unwrap();
        if name.starts_with('_') {
            continue;
        }
        let environment = Environment::from_iter([
            (
                "LITELLM_MASTER_KEY".to_owned(),
                "sk-long-and-random".to_owned(),
            ),
            ("RPM".to_owned(), "a hundred".to_owned()),
        ]);
        let findings = match load(&path, environment) {
            Ok(config) => Findings(config.warnings),
            Err(findings) => findings,
        };
        assert!(!findings.0.is_empty(), "{name} has nothing wrong");
        let folder = path.parent().unwrap().display().to_string();
        let text = findings.to_string().replace(&format!("{folder}/"), "");
        let stem = path.file_stem().unwrap().to_str().unwrap();
        insta::with_settings!({
            snapshot_path => "configs/bad",
            prepend_module_to_snapshot => false,
            omit_expression => true,
        }, { insta::assert_snapshot!(stem, text) });
    }
}
