//! One measurement: a workload against a target for a while.

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::task::JoinSet;

use crate::{
    BoxError,
    client::{Connection, Timing},
    process::{self, Target},
    upstream::DELTAS,
    workload::{Kind, Workload},
};

/// Requests that each connection makes before anything counts.
const WARM_UP: u32 = 3;
/// What a measurement may take beyond its window before it is given up.
pub(crate) const GRACE: Duration = Duration::from_secs(30);

/// Figures of one round on one target.
pub(crate) struct Sample {
    /// CPU time per request, or per delta of a paced stream.
    pub(crate) cpu_us: f64,
    /// Requests (or deltas) per second that the target did with its core to itself.
    pub(crate) rate: f64,
    /// One request at a time.
    pub(crate) alone: Latencies,
}

/// Latencies in microseconds.
#[derive(Clone, Copy)]
pub(crate) struct Latencies {
    pub(crate) whole_p50: f64,
    pub(crate) whole_p99: f64,
    pub(crate) first_token_p50: f64,
    pub(crate) first_token_p99: f64,
}

/// Measures `workload` on `target`: first one request at a time, for the latencies, then with all connections.
pub(crate) async fn target(
    target: &Target,
    workload: &Workload,
    window: Duration,
) -> Result<Sample, BoxError> {
    let failed = |error: io::Error| format!("{}, {}: {error}", target.name, workload.name);
    let alone = match workload.kind {
        // Paced streams leave the core idle: what they suffer together is what one suffers alone.
        Kind::Paced => None,
        _ => Some(
            alone(target.port, &workload.request, window / 2)
                .await
                .map_err(failed)?,
        ),
    };
    // They also give few deltas per second, so it takes longer until their figure is steady.
    let window = window * if workload.kind == Kind::Paced { 2 } else { 1 };
    let loaded = under_load(target, workload, window).await.map_err(failed)?;
    Ok(Sample {
        cpu_us: loaded.cpu_us,
        rate: loaded.rate,
        alone: alone.unwrap_or(loaded.latencies),
    })
}

/// Latencies of one connection that sends one request after the other to `port`.
pub(crate) async fn alone(port: u16, request: &[u8], window: Duration) -> io::Result<Latencies> {
    let request: Arc<[u8]> = request.into();
    let mut connections = open(port, &request, 1).await?;
    let timings = drive(&mut connections, &request, window, Duration::ZERO).await?;
    Ok(latencies(&timings))
}

/// Sends one request and checks that the target really does the job.
pub(crate) async fn check(target: &Target, workload: &Workload) -> Result<(), BoxError> {
    let mut connection = Connection::open(target.port).await?;
    let failed =
        |what: &dyn std::fmt::Display| format!("{}, {}: {what}", target.name, workload.name);
    connection
        .exchange(&workload.request)
        .await
        .map_err(|error| failed(&error))?;
    let answer = connection.last_answer();
    let count = |needle: &str| memchr::memmem::find_iter(answer, needle).count();
    let is_complete = if workload.is_stream() {
        // Some routers open with an empty delta, some do not.
        let deltas = count("\"content\":\"") - count("\"content\":\"\"");
        deltas == DELTAS && count("data: [DONE]") == 1 && count("\"finish_reason\":\"stop\"") == 1
    } else {
        count("\"finish_reason\":\"stop\"") == 1 && count("to its \\\"goal\\\".") == 1
    };
    if is_complete {
        return Ok(());
    }
    let text = String::from_utf8_lossy(answer);
    Err(failed(&format_args!("an incomplete answer:\n{text}")).into())
}

struct Loaded {
    cpu_us: f64,
    rate: f64,
    latencies: Latencies,
}

async fn under_load(target: &Target, workload: &Workload, window: Duration) -> io::Result<Loaded> {
    let request: Arc<[u8]> = workload.request.as_slice().into();
    let mut connections = open(target.port, &request, workload.connections).await?;
    let before = target.cpu()?;
    let start = Instant::now();
    let timings = drive(&mut connections, &request, window, workload.pace).await?;
    let elapsed = start.elapsed();
    let after = target.cpu()?;
    let units = match workload.kind {
        Kind::Paced => timings.len() * DELTAS,
        _ => timings.len(),
    };
    let units = as_f64(units);
    Ok(Loaded {
        cpu_us: process::cpu_between(&before, &after).as_secs_f64() * 1e6 / units,
        rate: units / elapsed.as_secs_f64(),
        latencies: latencies(&timings),
    })
}

/// Opens connections and warms each up, all at once.
pub(crate) async fn open(
    port: u16,
    request: &Arc<[u8]>,
    count: u16,
) -> io::Result<Vec<Connection>> {
    let mut opening = JoinSet::new();
    for _ in 0..count {
        let request = Arc::clone(request);
        opening.spawn(async move {
            let mut connection = Connection::open(port).await?;
            for _ in 0..WARM_UP {
                connection.exchange(&request).await?;
            }
            io::Result::Ok(connection)
        });
    }
    bounded(GRACE, opening).await
}

/// Sends on every connection, one request after the other, until the window is over; each ends what it has begun.
///
/// The connections begin spread over `pace`: paced streams in step would reach the target as one burst per tick.
async fn drive(
    connections: &mut Vec<Connection>,
    request: &Arc<[u8]>,
    window: Duration,
    pace: Duration,
) -> io::Result<Vec<Timing>> {
    let offset = pace / u32::try_from(connections.len()).unwrap_or(1).max(1);
    let mut begin_after = Duration::ZERO;
    let deadline = Instant::now() + window;
    let mut driving = JoinSet::new();
    for mut connection in connections.drain(..) {
        let request = Arc::clone(request);
        let wait = begin_after;
        begin_after += offset;
        driving.spawn(async move {
            let mut timings = Vec::with_capacity(4096);
            if !wait.is_zero() {
                tokio::time::sleep(wait).await;
            }
            loop {
                timings.push(connection.exchange(&request).await?);
                if Instant::now() >= deadline {
                    return io::Result::Ok(timings);
                }
            }
        });
    }
    Ok(bounded(window + GRACE, driving).await?.concat())
}

pub(crate) async fn bounded<T: 'static>(
    limit: Duration,
    mut tasks: JoinSet<io::Result<T>>,
) -> io::Result<Vec<T>> {
    let all = async {
        let mut results = Vec::with_capacity(tasks.len());
        while let Some(joined) = tasks.join_next().await {
            results.push(joined??);
        }
        Ok(results)
    };
    tokio::time::timeout(limit, all).await?
}

fn latencies(timings: &[Timing]) -> Latencies {
    let sorted = |pick: fn(&Timing) -> Duration| {
        let mut values: Vec<_> = timings.iter().map(pick).collect();
        values.sort_unstable();
        values
    };
    let whole = sorted(|timing| timing.whole);
    let first_token = sorted(|timing| timing.first_token);
    Latencies {
        whole_p50: percentile_us(&whole, 500),
        whole_p99: percentile_us(&whole, 990),
        first_token_p50: percentile_us(&first_token, 500),
        first_token_p99: percentile_us(&first_token, 990),
    }
}

/// The latency that `permille` of all stay below, in microseconds.
pub(crate) fn percentile_us(sorted: &[Duration], permille: usize) -> f64 {
    let rank = (sorted.len() * permille / 1000).min(sorted.len().saturating_sub(1));
    sorted
        .get(rank)
        .map_or(f64::NAN, |value| value.as_secs_f64() * 1e6)
}

fn as_f64(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}
