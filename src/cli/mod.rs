//! The command line: `switchyard` serves; `check`, `schema`, `explain` and `simulate-bedrock` do what their names say.

mod banner;
mod check;
mod explain;
mod exposure;
mod serve;
mod simulate;

use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config;
use crate::simulator::{Options, Simulator};
use crate::telemetry::LogFormat;

const VERSION: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    " (",
    env!("SWITCHYARD_COMMIT"),
    ")"
);

/// What `--help` says of a running server.
const WHILE_SERVING: &str = "While it serves:
  GET /router/state    groups and deployments as they are: calls, latency, cooldowns, limits, budgets
  GET /metrics         for Prometheus, under LiteLLM's names and ours
  POST /config/reload  reads the file again; so do SIGHUP, and a change of the file
  SIGTERM              drains: no new calls, running ones finish; a second one ends it
These endpoints ask for the master key. docs/operations.md has the rest.";

/// A model router for AWS Bedrock: OpenAI clients in, Bedrock out, one LiteLLM-style config.yaml.
#[derive(Debug, Parser)]
#[command(name = "switchyard", version = VERSION, args_conflicts_with_subcommands = true, after_help = WHILE_SERVING)]
pub struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: ServeArguments,
}

/// Flags of serving, the default.
#[derive(Debug, Clone, clap::Args)]
pub struct ServeArguments {
    /// The configuration file; it is read again when it changes
    #[arg(long, short, env = "SWITCHYARD_CONFIG", default_value = "config.yaml")]
    config: PathBuf,
    /// Address to listen on [default: 0.0.0.0 with a master key, 127.0.0.1 without]
    #[arg(long, env = "SWITCHYARD_HOST", value_parser = exposure::parse_host)]
    host: Option<IpAddr>,
    /// Port to listen on; 0 picks a free one
    #[arg(long, short, env = "SWITCHYARD_PORT", default_value_t = 4000)]
    port: u16,
    /// Serve every deployment from a Bedrock simulator in this process; needs no AWS account
    #[arg(long)]
    simulate: bool,
    /// How log lines are written [default: text]
    #[arg(long, env = "SWITCHYARD_LOG_FORMAT")]
    log_format: Option<LogFormat>,
    /// error, warn, info, debug, trace, or a filter such as `info,switchyard=debug`
    #[arg(long, env = "SWITCHYARD_LOG_LEVEL", default_value = "info")]
    log_level: String,
    /// Certificate chain (PEM) to serve TLS with
    #[arg(
        long = "ssl_certfile",
        alias = "ssl-certfile",
        value_name = "FILE",
        requires = "ssl_keyfile"
    )]
    ssl_certfile: Option<PathBuf>,
    /// Private key (PEM) of the certificate
    #[arg(
        long = "ssl_keyfile",
        alias = "ssl-keyfile",
        value_name = "FILE",
        requires = "ssl_certfile"
    )]
    ssl_keyfile: Option<PathBuf>,
    /// Accepted for LiteLLM's command lines; one process uses all cores
    #[arg(long = "num_workers", hide = true)]
    num_workers: Option<String>,
    /// Accepted for LiteLLM's command lines; use --log-level debug
    #[arg(long = "detailed_debug", hide = true)]
    detailed_debug: bool,
    /// Accepted for LiteLLM's command lines; use --log-level debug
    #[arg(long, hide = true)]
    debug: bool,
    /// Accepted for LiteLLM's command lines; nothing is sent anywhere
    #[arg(long, hide = true, num_args = 0..=1, default_missing_value = "true")]
    telemetry: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Read a configuration and print everything that is wrong with it
    Check {
        /// The configuration file
        file: Option<PathBuf>,
        /// The same, as for serving
        #[arg(
            long,
            short,
            value_name = "FILE",
            env = "SWITCHYARD_CONFIG",
            default_value = "config.yaml"
        )]
        config: PathBuf,
        /// The address that the server will listen on: what may not be served there is an error
        #[arg(long, env = "SWITCHYARD_HOST", value_parser = exposure::parse_host)]
        host: Option<IpAddr>,
        /// Print one JSON document
        #[arg(long)]
        json: bool,
    },
    /// Print the JSON Schema of config.yaml, for editors
    Schema,
    /// Print how a request for a model name would be served: deployments, limits, retries, fallbacks. Sends nothing
    Explain {
        /// The configuration file
        #[arg(long, short, env = "SWITCHYARD_CONFIG", default_value = "config.yaml")]
        config: PathBuf,
        /// The model name that a client would ask for
        #[arg(long, short)]
        model: String,
        /// A tag of the calls; may be given more than once
        #[arg(long = "tag", value_name = "TAG")]
        tags: Vec<String>,
        /// Print one JSON document
        #[arg(long)]
        json: bool,
    },
    /// Run the Bedrock simulator alone
    SimulateBedrock {
        /// Address to listen on
        #[arg(long, default_value = "127.0.0.1")]
        host: IpAddr,
        /// Port to listen on; 0 picks a free one
        #[arg(long, short)]
        port: u16,
    },
}

/// Runs what the command line asks for.
pub async fn run(arguments: Arguments) -> ExitCode {
    match arguments.command {
        None => serve::serve(&arguments.serve).await,
        Some(Command::Check {
            file,
            config,
            host,
            json,
        }) => check::check(&file.unwrap_or(config), host, json),
        Some(Command::Schema) => {
            say(&format!("{:#}", config::schema()));
            ExitCode::SUCCESS
        }
        Some(Command::Explain {
            config,
            model,
            tags,
            json,
        }) => explain::explain(&config, &model, &tags, json),
        Some(Command::SimulateBedrock { host, port }) => {
            simulate_bedrock(SocketAddr::new(host, port)).await
        }
    }
}

/// `switchyard simulate-bedrock --port N`.
async fn simulate_bedrock(bind: SocketAddr) -> ExitCode {
    let options = Options {
        bind,
        accept_any_bearer: true,
        ..Options::default()
    };
    let simulator = match Simulator::start(options).await {
        Ok(simulator) => simulator,
        Err(error) => {
            complain(&format!("the simulator cannot listen on {bind}: {error}"));
            return ExitCode::FAILURE;
        }
    };
    say(&format!(
        "Bedrock simulator listening on {}\n  access key  {}\n  secret      {}\nA test double: it answers in Bedrock's shapes, not with a model's words.",
        simulator.url(),
        crate::simulator::ACCESS_KEY_ID,
        crate::simulator::SECRET_ACCESS_KEY,
    ));
    crate::server::interrupted().await;
    simulator.shutdown().await;
    ExitCode::SUCCESS
}

/// `1 deployment`, `2 deployments`.
fn count(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

/// Prints to standard output. A reader that has gone away is no reason to stop.
fn say(text: &str) {
    let _written = writeln!(std::io::stdout(), "{text}");
}

/// Prints a complaint to standard error.
pub fn complain(text: &str) {
    let _written = writeln!(std::io::stderr(), "switchyard: {text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_takes_its_file_as_serving_does_and_by_itself() {
        for line in [
            &["switchyard", "check", "a.yaml"][..],
            &["switchyard", "check", "--config", "a.yaml"],
            &["switchyard", "check", "-c", "a.yaml", "--json"],
        ] {
            let parsed = Arguments::try_parse_from(line).unwrap();
            let Some(Command::Check { file, config, .. }) = parsed.command else {
                panic!("{line:?}");
            };
            assert_eq!(file.unwrap_or(config), PathBuf::from("a.yaml"), "{line:?}");
        }
    }
}
