//! What callers notice of reloads: latencies at a fixed rate, without reloads and with one every so often.
//!
//! Requests are sent by the clock and not by the answers: one that is due while its connection still waits counts from
//! the moment when it was due. Each reload is another file, put in the place of the one before and asked for by
//! `POST /config/reload`; the file's watcher sees the same. An answer that is not complete ends the bench with an error.

use std::{
    fs, io,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{net::TcpListener, task::JoinSet};

use crate::{
    BoxError, Options,
    client::Connection,
    inputs::{self, MASTER_KEY},
    machine,
    measure::{self, percentile_us},
    process::{self, Target},
    rounds::Scratch,
    upstream::Upstream,
    workload,
};

/// What is sent, and what is reloaded.
#[derive(clap::Args, Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// Requests per second.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: u32,
    /// Time between two reloads, in milliseconds.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..=60_000))]
    every_ms: u64,
    /// Length of one measurement, in seconds.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Entries of the file beside the one that is called.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(0..=100_000))]
    entries: u32,
}

/// One measurement.
struct Figures {
    sent_total: usize,
    p50_us: f64,
    p99_us: f64,
    p999_us: f64,
    greatest_us: f64,
}

/// Measures and prints.
pub(crate) async fn run(options: &Options, plan: Plan) -> Result<(), BoxError> {
    let machine = machine::describe();
    let scratch = Scratch::create()?;
    process::pin_self(options)?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    tokio::spawn(Upstream::new().serve(listener));
    let file = File {
        path: scratch.0.join("config.yaml"),
        base: inputs::config_yaml_with(port, plan.entries),
    };
    file.replace(0)?;
    let target = Target::switchyard_at(options, &file.path, &scratch.0).await?;
    let small = workload::small(options);
    measure::check(&target, &small).await?;
    let request: Arc<[u8]> = small.request.into();

    let mut rows = Vec::new();
    let mut taken = Vec::new();
    for round in 1..=options.rounds {
        eprintln!("round {round} of {}", options.rounds);
        let without = at_rate(options, plan, target.port, &request).await?;
        let (with, reloads) = tokio::join!(
            at_rate(options, plan, target.port, &request),
            reload(plan, target.port, &file, round),
        );
        rows.push((without, with?));
        taken.extend(reloads?);
    }
    println!("\nmachine   {machine}");
    print(options, plan, &rows, taken);
    Ok(())
}

/// The configuration that is put in the place of the one before.
struct File {
    path: PathBuf,
    base: String,
}

impl File {
    /// Writes the file's next version, and puts it in the place of the one before.
    fn replace(&self, version: u32) -> io::Result<()> {
        let other = self.path.with_extension("new");
        let retries = 1 + version % 9;
        let settings = format!("router_settings:\n  num_retries: {retries}\n# {version}\n");
        fs::write(&other, format!("{}{settings}", self.base))?;
        fs::rename(other, &self.path)
    }
}

/// Sends at the plan's rate over all connections; returns the latencies.
async fn at_rate(
    options: &Options,
    plan: Plan,
    port: u16,
    request: &Arc<[u8]>,
) -> io::Result<Figures> {
    let apart = Duration::from_secs(1) / plan.rate;
    let connections = u32::from(options.connections);
    let mut opened = measure::open(port, request, options.connections).await?;
    let begun = Instant::now() + Duration::from_millis(20);
    let end = begun + Duration::from_secs(plan.seconds);
    let mut sending = JoinSet::new();
    for (place, mut connection) in (0..connections).zip(opened.drain(..)) {
        let request = Arc::clone(request);
        sending.spawn(async move {
            let mut latencies = Vec::with_capacity(4096);
            let mut due = begun + apart * place;
            while due < end {
                let is_late = Instant::now() > due;
                tokio::time::sleep_until(due.into()).await;
                // The timer's own delay is nobody's; a connection that was busy is.
                let from = if is_late { due } else { Instant::now() };
                connection.exchange(&request).await?;
                latencies.push(from.elapsed());
                due += apart * connections;
            }
            io::Result::Ok(latencies)
        });
    }
    let limit = Duration::from_secs(plan.seconds) + measure::GRACE;
    let mut all = measure::bounded(limit, sending).await?.concat();
    all.sort_unstable();
    Ok(Figures {
        sent_total: all.len(),
        p50_us: percentile_us(&all, 500),
        p99_us: percentile_us(&all, 990),
        p999_us: percentile_us(&all, 999),
        greatest_us: percentile_us(&all, 1000),
    })
}

/// Reloads every so often for as long as requests are sent; returns how long each took, by its answer.
async fn reload(plan: Plan, port: u16, file: &File, round: u32) -> io::Result<Vec<Duration>> {
    let request = format!(
        "POST /config/reload HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {MASTER_KEY}\r\nContent-Length: 0\r\n\r\n"
    );
    let mut connection = Connection::open(port).await?;
    let mut ticks = tokio::time::interval(Duration::from_millis(plan.every_ms));
    let end = Instant::now() + Duration::from_secs(plan.seconds);
    let mut taken = Vec::new();
    let mut version = round.wrapping_mul(100_000);
    while Instant::now() < end {
        ticks.tick().await;
        version = version.wrapping_add(1);
        file.replace(version)?;
        taken.push(connection.exchange(request.as_bytes()).await?.whole);
    }
    Ok(taken)
}

fn print(options: &Options, plan: Plan, rows: &[(Figures, Figures)], mut taken: Vec<Duration>) {
    println!(
        "method    {} rounds of {} s without and {} s with a reload every {} ms; {} requests/s over {} connections; a file of \
         {} entries; one worker thread",
        options.rounds,
        plan.seconds,
        plan.seconds,
        plan.every_ms,
        plan.rate,
        options.connections,
        plan.entries + 1
    );
    println!("figures   medians of the rounds; no request failed\n");
    println!("  {:<32}{:>12}{:>12}", "latency, µs", "without", "with");
    let row = |name: &str, pick: fn(&Figures) -> f64| {
        let without = median(rows.iter().map(|(without, _)| pick(without)));
        let with = median(rows.iter().map(|(_, with)| pick(with)));
        println!("  {name:<32}{without:>12.0}{with:>12.0}");
    };
    row("p50", |figures| figures.p50_us);
    row("p99", |figures| figures.p99_us);
    row("p99.9", |figures| figures.p999_us);
    row("greatest", |figures| figures.greatest_us);
    let sent = |pick: fn(&(Figures, Figures)) -> &Figures| {
        rows.iter().map(|row| pick(row).sent_total).sum::<usize>()
    };
    println!(
        "  {:<32}{:>12}{:>12}",
        "requests",
        sent(|(without, _)| without),
        sent(|(_, with)| with)
    );
    taken.sort_unstable();
    println!(
        "\n  {} reloads; until in effect: p50 {:.1} ms, greatest {:.1} ms",
        taken.len(),
        percentile_us(&taken, 500) / 1e3,
        percentile_us(&taken, 1000) / 1e3
    );
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
