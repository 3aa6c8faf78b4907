//! The table.

use crate::{
    Options,
    measure::Sample,
    rounds::{Measured, Round, Side},
    workload::Kind,
};

/// Prints everything: machine, one block for each workload, the processes, the goals.
pub(crate) fn print(options: &Options, machine: &str, measured: &[Measured], sides: &[Side; 2]) {
    let [floor, subject] = sides;
    println!("\nmachine   {machine}");
    println!(
        "method    {} alternating rounds of {} ms, {} connections, one worker thread; {}",
        options.rounds,
        options.window_ms,
        options.connections,
        if options.is_pinned() {
            format!(
                "target on core {}, load and upstream on core {}",
                options.target_core, options.load_core
            )
        } else {
            "not pinned".to_owned()
        }
    );
    println!(
        "figures   medians of the rounds; in brackets the least and the greatest ratio of a round"
    );
    for one in measured {
        println!(
            "\n{:<50}{:>12}{:>14}{:>8}",
            one.workload.name, floor.name, subject.name, "ratio"
        );
        workload_rows(one);
    }
    println!(
        "\n{:<50}{:>12}{:>14}{:>8}",
        "the process", floor.name, subject.name, "ratio"
    );
    let mib = |side: &Side| {
        [side.memory.now, side.memory.peak]
            .map(|kib| f64::from(u32::try_from(kib).unwrap_or(u32::MAX)) / 1024.0)
    };
    let ([floor_now, floor_peak], [subject_now, subject_peak]) = (mib(floor), mib(subject));
    row("RSS after load, MiB", floor_now, subject_now, "");
    row("RSS at its peak, MiB", floor_peak, subject_peak, "");
    let start_up_ms = |side: &Side| side.start_up.as_secs_f64() * 1e3;
    row(
        "start to first answer, ms",
        start_up_ms(floor),
        start_up_ms(subject),
        "",
    );
    println!(
        "  {:<48}{:>12.3}{:>14.3}",
        "ratio of time spent waiting for its core", floor.waited_ratio, subject.waited_ratio
    );
    println!(
        "  {:<48}{:>12}{:>14}",
        "log lines written", floor.log_lines, subject.log_lines
    );
    goals(measured);
}

fn workload_rows(measured: &Measured) {
    let rounds = &measured.rounds;
    let per_delta = measured.workload.kind == Kind::Paced;
    let (cpu, rate) = if per_delta {
        ("CPU per delta, µs", "deltas/s (set by the pace)")
    } else {
        ("CPU per request, µs", "requests/s per core")
    };
    let spread = spread(rounds);
    figures(rounds, cpu, |sample, _| sample.cpu_us, &spread);
    figures(rounds, rate, |sample, _| sample.rate, "");
    if !per_delta {
        figures(
            rounds,
            "added latency p50, µs",
            |sample, round| sample.alone.whole_p50 - round.direct.whole_p50,
            "",
        );
        figures(
            rounds,
            "added latency p99, µs",
            |sample, round| sample.alone.whole_p99 - round.direct.whole_p99,
            "",
        );
    }
    if measured.workload.is_stream() {
        figures(
            rounds,
            "time to first token p50, µs",
            |sample, _| sample.alone.first_token_p50,
            "",
        );
        figures(
            rounds,
            "time to first token p99, µs",
            |sample, _| sample.alone.first_token_p99,
            "",
        );
    }
}

fn figures(rounds: &[Round], name: &str, pick: fn(&Sample, &Round) -> f64, note: &str) {
    let floor = median(rounds.iter().map(|round| pick(&round.floor, round)));
    let subject = median(rounds.iter().map(|round| pick(&round.subject, round)));
    row(name, floor, subject, note);
}

fn row(name: &str, floor: f64, subject: f64, note: &str) {
    println!(
        "  {name:<48}{:>12}{:>14}{:>8.2}  {note}",
        number(floor),
        number(subject),
        subject / floor
    );
}

fn number(value: f64) -> String {
    if value.abs() < 1000.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.0}")
    }
}

fn cpu_ratio(rounds: &[Round]) -> f64 {
    median(rounds.iter().map(|round| round.subject.cpu_us))
        / median(rounds.iter().map(|round| round.floor.cpu_us))
}

fn spread(rounds: &[Round]) -> String {
    let ratios = rounds
        .iter()
        .map(|round| round.subject.cpu_us / round.floor.cpu_us);
    let (least, greatest) = ratios.fold((f64::MAX, f64::MIN), |(least, greatest), ratio| {
        (least.min(ratio), greatest.max(ratio))
    });
    format!("({least:.2}–{greatest:.2})")
}

fn goals(measured: &[Measured]) {
    println!("\ngoals, CPU as a multiple of the floor's");
    for one in measured {
        let (ratio, goal) = (cpu_ratio(&one.rounds), one.workload.cpu_goal);
        let verdict = if ratio <= goal { "pass" } else { "over" };
        println!(
            "  {:<50}{ratio:>6.2}  goal ≤ {goal:.1}  {verdict}",
            one.workload.name
        );
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
