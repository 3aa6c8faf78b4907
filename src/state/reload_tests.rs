//! What a reload reads besides the file, and what it says when the same file is rejected again.

use std::fs;
use std::path::Path;
use std::time::UNIX_EPOCH;

use super::*;
use crate::clock::{ManualClock, SharedClock};
use crate::config::load;
use crate::state::Snapshot;
use crate::telemetry::levels::Levels;
use crate::upstream::{CredentialStore, Upstream, UpstreamOptions};

struct Running {
    live: Arc<Live>,
    parts: Parts,
    reloader: Arc<Reloader>,
    stop: CancellationToken,
}

fn start(origins: Origins) -> Running {
    let clock: SharedClock = Arc::new(ManualClock::at(UNIX_EPOCH));
    let upstream = Upstream::new(UpstreamOptions::default(), Arc::clone(&clock)).unwrap();
    let upstream = Arc::new(upstream);
    let tracker = TaskTracker::new();
    let credentials = CredentialStore::new(Arc::clone(&upstream), tracker.clone());
    let parts = Parts::new(upstream, Arc::new(credentials), clock);
    let config = load(&origins.path, origins.environment.clone()).unwrap();
    let live = Arc::new(Live::new(
        Snapshot::build(config, None, None, &parts).unwrap(),
    ));
    let stop = CancellationToken::new();
    let reloader = Reloader::start(
        origins,
        Arc::clone(&live),
        parts.clone(),
        &tracker,
        stop.clone(),
    );
    Running {
        live,
        parts,
        reloader,
        stop,
    }
}

fn counted(running: &Running, result: &str) -> bool {
    let text = running.parts.metrics.text(&Levels::default());
    text.lines()
        .any(|line| line == format!("switchyard_config_reload_total{{result=\"{result}\"}} 1"))
}

fn write(path: &Path, profile: &str) {
    let text = format!(
        "model_list:\n  - model_name: m\n    litellm_params: {{model: bedrock/amazon.nova-lite-v1:0, aws_region_name: us-east-1, aws_profile_name: {profile}}}\n"
    );
    fs::write(path, text).unwrap();
}

#[tokio::test]
async fn edited_profile_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let shared = folder.path().join("credentials");
    let keys = |id: &str| {
        let text = format!("[dev]\naws_access_key_id = {id}\naws_secret_access_key = secret\n");
        fs::write(&shared, text).unwrap();
    };
    keys("AKIDFIRST");
    let path = folder.path().join("config.yaml");
    write(&path, "dev");
    let mut environment = Environment::default();
    environment.set("AWS_SHARED_CREDENTIALS_FILE", shared.to_str().unwrap());
    let running = start(Origins::of_file(&path, environment));
    assert!(running.reloader.files().borrow().contains(&shared));
    let key = |snapshot: &Snapshot| {
        let source = Arc::clone(&snapshot.router.groups()[0].deployments[0].credentials);
        async move {
            match &*source.credentials().await.unwrap() {
                crate::upstream::Credentials::Keys(keys) => keys.access_key_id().to_owned(),
                other => panic!("{other:?}"),
            }
        }
    };
    let first = running.live.load();
    assert_eq!(key(&first).await, "AKIDFIRST");
    let same = running.reloader.reload(Trigger::Signal).await;
    assert!(matches!(same, Some(Outcome::Unchanged(_))));
    keys("AKIDSECOND");
    let outcome = running.reloader.reload(Trigger::Signal).await;
    assert!(matches!(outcome, Some(Outcome::Applied(report)) if report.generation == 2));
    assert_eq!(key(&running.live.load()).await, "AKIDSECOND");
    assert_eq!(
        key(&first).await,
        "AKIDFIRST",
        "a call under way keeps what it has"
    );
}

#[tokio::test]
async fn what_the_command_line_forbids_is_rejected() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.yaml");
    write(&path, "dev");
    let mut origins = Origins::of_file(&path, Environment::default());
    origins.amend = Arc::new(|config| {
        let entry = config.deployments.first().unwrap();
        match entry.aws.profile.as_deref() {
            Some("bad") => Err(Findings(vec![entry.origin.error("aws_profile_name", "no")])),
            _ => Ok(()),
        }
    });
    let running = start(origins);
    write(&path, "bad");
    let outcome = running.reloader.reload(Trigger::File).await;
    assert!(matches!(outcome, Some(Outcome::Rejected(findings)) if findings.0[0].line == 3));
    assert_eq!(running.live.load().generation, 1);
    assert!(counted(&running, "rejected"));
    let since = running.live.rejected().unwrap();
    let again = running.reloader.reload(Trigger::File).await;
    assert!(matches!(again, Some(Outcome::Rejected(_))));
    let still = running.live.rejected().unwrap();
    assert!(
        Arc::ptr_eq(&since.findings, &still.findings),
        "it is the same file"
    );
    write(&path, "good");
    let outcome = running.reloader.reload(Trigger::File).await;
    assert!(matches!(outcome, Some(Outcome::Applied(_))));
    assert!(running.live.rejected().is_none() && counted(&running, "applied"));
}

#[tokio::test]
async fn panic_of_a_reload_is_a_rejection_and_the_next_one_works() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.yaml");
    write(&path, "dev");
    let mut origins = Origins::of_file(&path, Environment::default());
    origins.amend = Arc::new(|config| {
        let profile = config.deployments[0].aws.profile.as_deref();
        assert_ne!(profile, Some("fatal"), "of a test");
        Ok(())
    });
    let running = start(origins);
    write(&path, "fatal");
    let outcome = running.reloader.reload(Trigger::File).await;
    assert!(matches!(outcome, Some(Outcome::Rejected(_))), "{outcome:?}");
    write(&path, "good");
    let outcome = running.reloader.reload(Trigger::File).await;
    assert!(matches!(outcome, Some(Outcome::Applied(_))), "{outcome:?}");
}

#[tokio::test]
async fn burst_is_one_reload_and_none_comes_after_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.yaml");
    write(&path, "dev");
    let running = start(Origins::of_file(&path, Environment::default()));
    write(&path, "other");
    let burst = (0..20).map(|_| running.reloader.reload(Trigger::Endpoint));
    for outcome in futures_util::future::join_all(burst).await {
        assert!(matches!(outcome, Some(Outcome::Applied(_))), "{outcome:?}");
    }
    assert!(counted(&running, "applied"));
    running.stop.cancel();
    assert!(running.reloader.reload(Trigger::Endpoint).await.is_none());
}
