//! Serving, the default command: read the file, build everything, serve until a signal.

use std::net::{IpAddr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;

use tokio_util::task::TaskTracker;

use super::banner::Banner;
use super::{ServeArguments, check, complain, exposure, say, simulate};
use crate::clock::{SharedClock, SystemClock};
use crate::config::{self, Config, Environment, Findings, RedisConfig};
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
use crate::upstream::CredentialStore;

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
    let (host, mut warnings) = exposure::host(arguments.host, &config)?;
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
    let upstream = Arc::new(check::client(config, clock)?);
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
        match exposure::refusal(config, host) {
            Some(refusal) => Err(Findings(vec![refusal])),
            None => Ok(()),
        }
    })
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
