//! The scripts: each is one round trip, and atomic.

use redis::{Cmd, Script, Value};

use super::failure::Failure;
use super::place::Wire;

/// All scripts, with the digests by which Redis knows them.
pub(super) struct Scripts {
    pub(super) reserve: Text,
    pub(super) correct: Text,
    pub(super) sync: Text,
    pub(super) exchange: Text,
    pub(super) warm: Text,
}

/// One script.
pub(super) struct Text {
    text: &'static str,
    digest: String,
}

impl Scripts {
    pub(super) fn new() -> Self {
        let text = |text| Text {
            text,
            digest: Script::new(text).get_hash().to_owned(),
        };
        Self {
            reserve: text(include_str!("../lua/reserve.lua")),
            correct: text(include_str!("../lua/correct.lua")),
            sync: text(include_str!("../lua/sync.lua")),
            exchange: text(include_str!("../lua/exchange.lua")),
            warm: text(include_str!("../lua/warm.lua")),
        }
    }
}

/// What a script is given.
#[derive(Debug, Default)]
pub(super) struct Input {
    /// The names that it touches.
    pub(super) keys: Vec<String>,
    /// The rest, after the instance and its session.
    pub(super) arguments: Vec<String>,
}

impl Input {
    /// Appends an argument.
    pub(super) fn push(&mut self, argument: impl std::fmt::Display) {
        self.arguments.push(format!("{argument}"));
    }
}

impl Text {
    /// Runs the script. A server that has not seen it yet is sent its text.
    pub(super) async fn run(
        &self,
        wire: &mut Wire,
        first: &[&str],
        input: &Input,
    ) -> Result<Value, Failure> {
        let command = |name: &str, script: &str| {
            let mut command: Cmd = redis::cmd(name);
            command.arg(script).arg(input.keys.len()).arg(&input.keys);
            command.arg(first).arg(&input.arguments);
            command
        };
        match wire.ask(&command("EVALSHA", &self.digest)).await {
            Err(Failure::NoScript) => wire.ask(&command("EVAL", self.text)).await,
            answer => answer,
        }
    }
}
