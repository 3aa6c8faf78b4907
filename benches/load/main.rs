//! Compares Switchyard with the floor, a bare proxy that does the same job: `make bench`.
//!
//! Both run alone on one core, with one worker thread, before the same fake Bedrock; this driver and that Bedrock share
//! the other core. Rounds alternate between the two, so that whatever else the machine does meets both, and every
//! figure is also printed as a ratio. `docs/performance.md` tells how to read the table. It prints figures and judges
//! nothing: the exit status is 0 whenever everything could be measured.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::expect_used,
    reason = "a measuring program of its own: it reads the real clock, prints its table and may stop at once"
)]

#[path = "../floor/mod.rs"]
mod floor;
#[path = "../inputs/mod.rs"]
mod inputs;
#[path = "../upstream/mod.rs"]
mod upstream;

mod client;
mod machine;
mod measure;
mod process;
mod reload;
mod report;
mod rounds;
mod workload;

use std::{error::Error, process::ExitCode, time::Duration};

use clap::{Parser, Subcommand, ValueEnum};

/// Switchyard's allocator too.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type BoxError = Box<dyn Error + Send + Sync>;

/// Compares Switchyard with a bare proxy that does the same job.
#[derive(Parser, Debug)]
struct Options {
    /// Given by `cargo bench`; without it (`cargo test`) nothing is measured.
    #[arg(long, hide = true, global = true)]
    bench: bool,
    /// What is measured beside the floor.
    #[arg(long, value_enum, default_value_t = Subject::Switchyard)]
    subject: Subject,
    /// How often each workload is measured on each side; the median counts.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=50))]
    rounds: u32,
    /// Length of one measurement under full load, in milliseconds.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u64).range(50..=20_000))]
    window_ms: u64,
    /// Connections under full load.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=512))]
    connections: u16,
    /// Concurrent streams of the paced workload.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=512))]
    paced_streams: u16,
    /// Time between two deltas of the paced workload, in milliseconds.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=100))]
    pace_ms: u64,
    /// Core for the measured process.
    #[arg(long, default_value_t = 0)]
    target_core: usize,
    /// Core for the load and the upstream.
    #[arg(long, default_value_t = 1)]
    load_core: usize,
    #[command(subcommand)]
    role: Option<Role>,
}

#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
enum Subject {
    /// The release binary.
    Switchyard,
    /// The floor once more, which shows how far figures scatter on this machine.
    Floor,
}

/// Parts that the driver starts, and that serve alone under a profiler; and another measurement.
#[derive(Subcommand, Debug)]
enum Role {
    /// Runs the bare proxy.
    Floor {
        /// Port to listen on.
        #[arg(long)]
        port: u16,
        /// Base URL of Bedrock.
        #[arg(long)]
        upstream: String,
    },
    /// Measures what callers notice of reloads.
    Reload(#[command(flatten)] reload::Plan),
    /// Runs the fake Bedrock.
    Upstream {
        /// Port to listen on.
        #[arg(long)]
        port: u16,
        /// Time between two deltas, in milliseconds; 0 sends a burst.
        #[arg(long, default_value_t = 0)]
        pace_ms: u64,
    },
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), BoxError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    match &options.role {
        Some(Role::Floor { port, upstream }) => {
            runtime.block_on(floor::serve(*port, upstream, inputs::MODEL_PATH))
        }
        Some(Role::Upstream { port, pace_ms }) => runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind(("127.0.0.1", *port)).await?;
            let upstream = upstream::Upstream::new();
            upstream.set_pace(Duration::from_millis(*pace_ms));
            Ok(upstream.serve(listener).await?)
        }),
        Some(Role::Reload(plan)) => runtime.block_on(reload::run(options, *plan)),
        None if options.bench => runtime.block_on(rounds::run(options)),
        None => {
            println!("nothing measured: run `make bench`");
            Ok(())
        }
    }
}
