//! What a storm consists of, all of it drawn from its seed: files, and what each call asks for.

use std::fmt::Write as _;
use std::time::Duration;

use switchyard::simulator::{ACCESS_KEY_ID, SECRET_ACCESS_KEY};

/// The model groups; each falls back to the others.
pub(crate) const GROUPS: [&str; 3] = ["a", "b", "c"];

/// The deadline of every call.
pub(crate) const DEADLINE: Duration = Duration::from_secs(12);

/// Faults that a deployment has for some calls, or for all.
const OF_DEPLOYMENTS: [&str; 13] = [
    "throttle=150",
    "throttle=60,throttle-after=1",
    "error500=150",
    "error503=150",
    "not-ready=80",
    "reset=80",
    "stall=4",
    "cut-first=100",
    "exception-first=80",
    "cut=40,at=2",
    "exception-mid=40",
    "stall-mid=3",
    "slow=1,slow-start=10",
];

/// What a call's text tells the simulator: faults for the first attempt of this call, wherever that goes.
const OF_CALLS: [&str; 13] = [
    "throttle=1",
    "error500=1",
    "error503=2",
    "not-ready=1",
    "model-error=1",
    "reset=1",
    "cut-first=1",
    "corrupt-first=1",
    "exception-start=1",
    "empty-stream=1",
    "cut=1,at=2",
    "corrupt=1",
    "exception-mid=1,at=1",
];

/// A model that others can continue.
const MODEL: &str = "bedrock/converse/us.anthropic.claude-sonnet-4-5-20250929-v1:0";

/// Draws files.
#[derive(Debug)]
pub(crate) struct Weather {
    dice: fastrand::Rng,
    files: usize,
}

impl Weather {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            dice: fastrand::Rng::with_seed(seed),
            files: 0,
        }
    }

    /// Another file, and whether it is a good one: every fifth is broken.
    pub(crate) fn file(&mut self, url: &str, redis_port: u16) -> (String, bool) {
        self.files += 1;
        let good = self.good(url, redis_port);
        if !self.files.is_multiple_of(5) {
            return (good, true);
        }
        let broken = match self.dice.usize(..4) {
            0 => good.split_at(good.len() / 3).0.to_owned() + "\n  - {",
            1 => good.replace("routing_strategy: ", "routing_strategy: no-"),
            2 => String::new(),
            _ => good.replace("num_retries: 2", "num_retries: many"),
        };
        (broken, false)
    }

    /// A file whose limits, weights and faults are its own. Each group has its four deployments, or one less, or one more; one
    /// of them is afflicted, so that a call can be served. Cooldowns are short, as everything here is: a file lasts for 400
    /// calls.
    fn good(&mut self, url: &str, redis_port: u16) -> String {
        let mut yaml = String::from("model_list:\n");
        for group in GROUPS {
            let total = match self.dice.usize(..6) {
                0 => 3,
                1 => 5,
                _ => 4,
            };
            let afflicted = self.dice.usize(..total);
            for place in 0..total {
                let fault = if afflicted == place {
                    let fault = OF_DEPLOYMENTS[self.dice.usize(..OF_DEPLOYMENTS.len())];
                    // Each file's faults are counted anew: no prefix is like another.
                    format!("/fault/{fault},slow-start={}", self.files % 32)
                } else {
                    String::new()
                };
                let (weight, parallel) = (self.dice.u32(1..5), self.dice.u32(40..120));
                writeln!(
                    yaml,
                    "  - {{model_name: {group}, model_info: {{id: {group}{place}}}, litellm_params: {{model: '{MODEL}', \
                     aws_access_key_id: {ACCESS_KEY_ID}, aws_secret_access_key: {SECRET_ACCESS_KEY}, aws_region_name: us-west-2, \
                     aws_bedrock_runtime_endpoint: '{url}{fault}', weight: {weight}, max_parallel_requests: {parallel}, \
                     rpm: 100000}}}}"
                )
                .unwrap();
            }
        }
        let strategies = [
            "simple-shuffle",
            "least-busy",
            "latency-based-routing",
            "usage-based-routing-v2",
            "p2c",
        ];
        let strategy = strategies[self.dice.usize(..strategies.len())];
        let recovery = ["none", "resume"][self.files % 2];
        writeln!(
            yaml,
            "router_settings:\n  routing_strategy: {strategy}\n  stream_recovery: {recovery}\n  num_retries: 2\n  \
             fallbacks: [{{a: [b, c]}}, {{b: [c, a]}}, {{c: [a, b]}}]\n  cooldown_time: 0.02\n  max_cooldown_time: 0.05\n  \
             deadline: {}\n  timeout: 2\n  stream_timeout: 2\n  max_queue_ms: 500\n  \
             optional_pre_call_checks: [enforce_model_rate_limits]\n  redis_host: 127.0.0.1\n  redis_port: {redis_port}",
            DEADLINE.as_secs()
        )
        .unwrap();
        yaml
    }
}

/// What a call asks for.
#[derive(Debug, Clone)]
pub(crate) struct Wish {
    pub(crate) number: usize,
    pub(crate) group: usize,
    pub(crate) stream: bool,
    pub(crate) text: String,
    /// The client hangs up after so many pieces of the answer.
    pub(crate) leaves_after: Option<usize>,
    /// The caller's own mistake is told.
    pub(crate) is_mistake: bool,
}

/// The call with this number.
pub(crate) fn wish(seed: u64, number: usize) -> Wish {
    let place = u64::try_from(number).unwrap();
    let mut dice = fastrand::Rng::with_seed(seed.wrapping_add(place.wrapping_mul(0x9e37_79b9)));
    let is_mistake = dice.usize(..100) == 0;
    let marker = match dice.usize(..100) {
        _ if is_mistake => "[[sim:validation]]".to_owned(),
        0..4 => format!("[[sim:{}]]", OF_CALLS[dice.usize(..OF_CALLS.len())]),
        4..8 => "[[sim:slow=2]]".to_owned(),
        _ => String::new(),
    };
    Wish {
        number,
        group: dice.usize(..GROUPS.len()),
        stream: dice.bool(),
        text: format!("call q{number}q {marker}"),
        leaves_after: (dice.usize(..50) == 0).then(|| dice.usize(..6)),
        is_mistake,
    }
}
