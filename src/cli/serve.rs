//! Serving, the default command: read the file, build everything, serve until a signal.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;

use tokio_util::task::TaskTracker;

use super::banner::Banner;
use super::{ServeArguments, complain, say, simulate};
use crate::clock::{SharedClock, SystemClock};
use crate::config::{
    self, Config, Environment, Finding, Findings, GeneralSettings, RedisConfig, Severity,
};
use crate::http::{App, Shutdown};
use crate::limit::Limiter;
use crate::pipeline::{Pipeline, health};
use crate::server::{self, Server};
use crate::simulator::Simulator;
use crate::state::{
    Amend, Exchange, Live, Origins, Parts, QUIET, Reloader, Sharing, Snapshot, watch,
};
use crate::store;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::{LogFormat, Telemetry, TelemetryOptions};
use crate::upstream::{CredentialStore, Upstream, UpstreamOptions};

/// A key that everyone knows from LiteLLM's documentation.
const WEAK_KEY: &str = "sk-1234";

/// Serves until a signal ends it. Exit status 0 when no answer was cut.
pub(super) async fn serve(arguments: &ServeArguments) -> ExitCode {
    match prepared(arguments).await {
        Ok(Prepared {
            server,
            exchange,
            telemetry,
            simulator,
        }) => {
            let cut_total = server.run().await;
            exchange.end().await;
            drop(simulator);
            telemetry.stop();
            if cut_total == 0 {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(message) => {
            complain(&message);
            ExitCode::FAILURE
        }
    }
}

/// Everything that serves.
struct Prepared {
    server: Server,
    exchange: Exchange,
    telemetry: Telemetry,
    simulator: Option<Arc<Simulator>>,
}

async fn prepared(arguments: &ServeArguments) -> Result<Prepared, String> {
    let environment = Environment::of_process();
    let mut config = config::load(&arguments.config, environment.clone())
        .map_err(|findings| format!("the configuration cannot be used\n{findings}"))?;
    let telemetry = Telemetry::start(&telemetry_options(arguments, &config), &config.environment)?;
    let (host, mut warnings) = host(arguments, &config.general)?;
    warnings.extend(litellm_flags(arguments));
    let tls = match (&arguments.ssl_certfile, &arguments.ssl_keyfile) {
        (Some(certificate), Some(key)) => Some(server::tls(certificate, key)?),
        _ => None,
    };
    let (simulator, simulated) = if arguments.simulate {
        let (simulator, simulated) = simulate::start()
            .await
            .map_err(|error| format!("the simulator cannot start: {error}"))?;
        warnings.extend(simulate::redirect(&mut config, &simulator));
        (Some(simulator), Some(simulated))
    } else {
        (None, None)
    };
    let tracker = TaskTracker::new();
    let clock: SharedClock = Arc::new(SystemClock);
    let parts = parts(&config, &clock, &tracker)?;
    let snapshot = Snapshot::build(config, simulated, None, &parts)
        .map_err(|findings| format!("the configuration cannot be used\n{findings}"))?;
    let live = Arc::new(Live::new(snapshot));
    let shutdown = Shutdown::default();
    let exchange = parts.sharing.start(&live, &parts.limiter, &clock);
    let origins = Origins {
        amend: amend(host, simulator.clone()),
        ..Origins::of_file(&arguments.config, environment)
    };
    let stop = shutdown.draining.clone();
    let reloader = Reloader::start(origins, Arc::clone(&live), parts.clone(), &tracker, stop);
    let app = Arc::new(App {
        live,
        pipeline: Pipeline::new(parts),
        clock,
        tracker,
        shutdown,
        running: Arc::default(),
        waiting: Arc::default(),
        reloader: Some(Arc::clone(&reloader)),
    });
    let address = SocketAddr::new(host, arguments.port);
    let is_tls = tls.is_some();
    let server = Server::bind(address, tls, Arc::clone(&app)).await?;
    let stop = &app.shutdown.draining;
    server::reload_on_hangup(Arc::clone(&reloader), &app.tracker, stop.clone());
    watch(reloader, QUIET, &app.tracker, stop.clone());
    health::watch(&app.live, app.pipeline.parts(), stop.clone());
    let banner = Banner {
        address: server.address(),
        tls: is_tls,
        simulator: simulator
            .as_ref()
            .map(|simulator| simulator.url())
            .as_deref(),
        warnings: &warnings,
    }
    .text(&app.live.load());
    say(&banner);
    Ok(Prepared {
        server,
        exchange,
        telemetry,
        simulator,
    })
}

fn telemetry_options(arguments: &ServeArguments, config: &Config) -> TelemetryOptions {
    let configured = if config.litellm.json_logs {
        LogFormat::Json
    } else {
        LogFormat::Text
    };
    TelemetryOptions {
        format: arguments.log_format.unwrap_or(configured),
        level: arguments.log_level.clone(),
        traces: config.litellm.otel,
    }
}

fn parts(config: &Config, clock: &SharedClock, tracker: &TaskTracker) -> Result<Parts, String> {
    let options =
        UpstreamOptions::from_environment(config.router.connect_timeout, &config.environment);
    let upstream = Arc::new(Upstream::new(options, Arc::clone(clock))?);
    let credentials = CredentialStore::new(Arc::clone(&upstream), tracker.clone());
    let metrics = Arc::<Metrics>::default();
    let connected = |redis: &RedisConfig| {
        let store = store::connect(redis, Arc::clone(clock), tracker);
        store::counted(store, Arc::clone(&metrics))
    };
    let shared = config.router.redis.as_ref();
    let of_cache = config.cache.as_ref().and_then(|cache| cache.redis.as_ref());
    let store = shared.map(connected);
    let fail_closed = config.general.fail_closed;
    let instance = crate::random::uuid().to_string();
    Ok(Parts {
        limiter: Arc::new(Limiter::new(store.clone(), &instance, fail_closed, tracker)),
        sharing: Arc::new(match &store {
            Some(store) => Sharing::through(Arc::clone(store), tracker),
            None => Sharing::default(),
        }),
        store,
        cache_store: of_cache.filter(|own| Some(*own) != shared).map(connected),
        metrics: Arc::clone(&metrics),
        tracker: tracker.clone(),
        ..Parts::new(upstream, Arc::new(credentials), Arc::clone(clock))
    })
}

/// What is done to every configuration that comes later: the simulator serves it too, and a server that others can reach is
/// not opened.
fn amend(host: IpAddr, simulator: Option<Arc<Simulator>>) -> Amend {
    Arc::new(move |config| {
        if let Some(simulator) = &simulator {
            simulate::redirect(config, simulator);
        }
        let weakness = weakness(&config.general);
        match weakness.filter(|_| !host.is_loopback() && !config.general.permit_weak_master_key) {
            Some(weakness) => Err(Findings(vec![opened(config, &weakness, host)])),
            None => Ok(()),
        }
    })
}

/// The error of a configuration that would open a server which listens on `host`.
fn opened(config: &Config, weakness: &str, host: IpAddr) -> Finding {
    let key = "general_settings.master_key";
    let place = config.warnings.iter().find(|finding| finding.key == key);
    let first = config.files.first().map(|file| file.display().to_string());
    Finding {
        file: place.map_or_else(|| first.unwrap_or_default(), |place| place.file.clone()),
        line: place.map_or(1, |place| place.line),
        column: place.map_or(1, |place| place.column),
        severity: Severity::Error,
        key: key.to_owned(),
        message: format!("{weakness}, and the server listens on {host}, where others can call"),
        hint: Some("set a key of your own, or start again with --host 127.0.0.1".to_owned()),
    }
}

/// Where to listen: everywhere with a good master key, on this machine only without one.
fn host(
    arguments: &ServeArguments,
    general: &GeneralSettings,
) -> Result<(IpAddr, Vec<String>), String> {
    let weakness = weakness(general);
    let host = match arguments.host {
        Some(host) => host,
        None if weakness.is_some() && !general.permit_weak_master_key => {
            IpAddr::V4(Ipv4Addr::LOCALHOST)
        }
        None => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
    };
    let Some(weakness) = weakness else {
        return Ok((host, Vec::new()));
    };
    if host.is_loopback() {
        let warning = format!("open: {weakness}; only this machine can reach it");
        return Ok((host, vec![warning]));
    }
    if !general.permit_weak_master_key {
        return Err(format!(
            "{weakness}; not listening on {host}, where others could call. Set `general_settings.master_key` (or the variable \
             LITELLM_MASTER_KEY) to a key of your own, or use --host 127.0.0.1, or set \
             `general_settings.dangerously_permit_weak_or_unset_master_key: true`"
        ));
    }
    let warning = format!("OPEN TO EVERYONE WHO CAN REACH IT: {weakness}");
    Ok((host, vec![warning]))
}

/// What is weak about the master key, if anything.
fn weakness(general: &GeneralSettings) -> Option<String> {
    if let Some(variable) = &general.master_key_missing {
        return Some(format!(
            "no master key is set: `general_settings.master_key` refers to {variable}, which is not set"
        ));
    }
    match &general.master_key {
        None => Some("no master key is set".to_owned()),
        Some(key) if key.expose() == WEAK_KEY => Some(format!(
            "the master key is `{WEAK_KEY}`, which everyone knows from documentation"
        )),
        Some(_) => None,
    }
}

/// Reads `--host`.
pub(super) fn parse_host(host: &str) -> Result<IpAddr, String> {
    match host {
        "localhost" => Ok(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        _ => host
            .trim_matches(['[', ']'])
            .parse()
            .map_err(|_| "expected an IP address or `localhost`".to_owned()),
    }
}

/// Flags of LiteLLM's that are accepted and do nothing here.
fn litellm_flags(arguments: &ServeArguments) -> Vec<String> {
    let mut warnings = Vec::new();
    let mut note = |given: bool, text: &str| {
        if given {
            warnings.push(text.to_owned());
        }
    };
    note(
        arguments.num_workers.is_some(),
        "--num_workers is accepted and not needed: one process uses all cores",
    );
    note(
        arguments.detailed_debug || arguments.debug,
        "--debug and --detailed_debug are accepted; --log-level debug is ours",
    );
    note(
        arguments.telemetry.is_some(),
        "--telemetry is accepted: nothing is sent anywhere",
    );
    warnings
}
