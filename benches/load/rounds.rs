//! The whole comparison: start everything, alternate rounds, hand the figures to the report.

use std::{fs, path::PathBuf, sync::Arc, time::Duration};

use tokio::net::TcpListener;

use crate::{
    BoxError, Options, Subject, machine,
    measure::{self, Latencies, Sample},
    process::{self, Memory, Target},
    report,
    upstream::Upstream,
    workload::{self, Workload},
};

/// All rounds of one workload.
pub(crate) struct Measured {
    pub(crate) workload: Workload,
    pub(crate) rounds: Vec<Round>,
}

/// Both sides, measured one after the other.
pub(crate) struct Round {
    /// The way to the upstream without a target.
    pub(crate) direct: Latencies,
    pub(crate) floor: Sample,
    pub(crate) subject: Sample,
}

/// What is known of a process after all rounds.
pub(crate) struct Side {
    pub(crate) name: &'static str,
    pub(crate) start_up: Duration,
    pub(crate) memory: Memory,
    pub(crate) waited_ratio: f64,
    pub(crate) log_lines: usize,
}

impl Options {
    /// With one core there is nothing to separate.
    pub(crate) fn is_pinned(&self) -> bool {
        self.target_core != self.load_core
    }
}

/// Measures and prints.
pub(crate) async fn run(options: &Options) -> Result<(), BoxError> {
    if machine::cores() < 2 {
        eprintln!("warning: one core only; load and target share it, so trust CPU times at most");
    }
    let machine = machine::describe();
    let scratch = Scratch::create()?;
    process::pin_self(options)?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let upstream_port = listener.local_addr()?.port();
    let upstream = Upstream::new();
    tokio::spawn(Arc::clone(&upstream).serve(listener));

    let floor = Target::floor(options, "floor", upstream_port, &scratch.0).await?;
    let subject = match options.subject {
        Subject::Switchyard => Target::switchyard(options, upstream_port, &scratch.0).await?,
        Subject::Floor => Target::floor(options, "floor again", upstream_port, &scratch.0).await?,
    };
    let mut measured = Vec::new();
    for workload in workload::all(options) {
        upstream.set_pace(workload.pace);
        measure::check(&floor, &workload).await?;
        measure::check(&subject, &workload).await?;
        measured.push(Measured {
            workload,
            rounds: Vec::new(),
        });
    }
    let window = Duration::from_millis(options.window_ms);
    for number in 1..=options.rounds {
        eprintln!("round {number} of {}", options.rounds);
        for Measured { workload, rounds } in &mut measured {
            upstream.set_pace(workload.pace);
            let is_floor_first = number % 2 == 1;
            rounds.push(
                round(
                    &floor,
                    &subject,
                    workload,
                    window,
                    upstream_port,
                    is_floor_first,
                )
                .await?,
            );
        }
    }
    let sides = [side(&floor)?, side(&subject)?];
    report::print(options, &machine, &measured, &sides);
    Ok(())
}

async fn round(
    floor: &Target,
    subject: &Target,
    workload: &Workload,
    window: Duration,
    upstream_port: u16,
    is_floor_first: bool,
) -> Result<Round, BoxError> {
    let direct = measure::alone(upstream_port, &workload.direct, window / 5).await?;
    let order = if is_floor_first {
        [floor, subject]
    } else {
        [subject, floor]
    };
    let first = measure::target(order[0], workload, window).await?;
    let second = measure::target(order[1], workload, window).await?;
    let (floor, subject) = if is_floor_first {
        (first, second)
    } else {
        (second, first)
    };
    Ok(Round {
        direct,
        floor,
        subject,
    })
}

fn side(target: &Target) -> Result<Side, BoxError> {
    Ok(Side {
        name: target.name,
        start_up: target.start_up,
        memory: target.memory()?,
        waited_ratio: target.waited_ratio()?,
        log_lines: target.log_lines()?,
    })
}

/// A folder for the configuration and the logs of one run; dropped, it is removed.
pub(crate) struct Scratch(pub(crate) PathBuf);

impl Scratch {
    pub(crate) fn create() -> Result<Self, BoxError> {
        let path = std::env::temp_dir().join(format!("switchyard-bench-{}", std::process::id()));
        fs::create_dir(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("warning: {}: {error}", self.0.display());
        }
    }
}
