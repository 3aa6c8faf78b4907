//! Pre-call checks: deployments that could not serve the request are left out before AWS is asked (`enable_pre_call_checks`),
//! and, always, those that are said not to search the web where the request wants that.

use super::{Left, Scope, keep, refusal};
use crate::canonical::OperationKind;
use crate::catalog::Flag;
use crate::error::{Error, ErrorKind};
use crate::router::{Deployment, NoPick};

/// Why a deployment could not serve the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Failing {
    Window,
    Param,
    Capability(Flag),
}

/// Removes what is said not to search the web.
pub(super) fn web_search<'a>(scope: &Scope<'a>, left: &mut Left<'a>) -> Result<(), NoPick> {
    if !scope.asked.needs.contains(&Flag::WebSearch) {
        return Ok(());
    }
    keep(
        left,
        |one| one.target.facts.flag(Flag::WebSearch) != Some(false),
        || refusal("There are no healthy deployments for this model that support web search"),
    )
}

pub(super) fn filter<'a>(scope: &Scope<'a>, left: &mut Left<'a>) -> Result<(), NoPick> {
    if !scope.settings.pre_call_checks {
        return Ok(());
    }
    let mut found = [None; 2];
    left.retain(|deployment| {
        let failing = check(scope, deployment);
        match failing {
            // A conversation that is too long has fallbacks of its own, so it is told before the rest.
            Some(Failing::Window) => found[0] = failing,
            Some(_) => found[1] = found[1].or(failing),
            None => {}
        }
        failing.is_none()
    });
    match found.into_iter().flatten().next() {
        Some(failing) if left.is_empty() => Err(NoPick::Error(failing.into_error())),
        _ => Ok(()),
    }
}

/// Finds the first check that a deployment fails.
fn check(scope: &Scope<'_>, deployment: &Deployment) -> Option<Failing> {
    let asked = scope.asked;
    let facts = &deployment.target.facts;
    // Of the other operations a window is for each input, not for all of them.
    if asked.operation == OperationKind::Chat
        && let (Some(size), Some(window)) = (&asked.size, facts.max_input_tokens)
        && size.tokens(deployment.tokenizer) > window
    {
        return Some(Failing::Window);
    }
    // These are left out of the request instead, where the operator says so.
    let is_dropped = |flag: Flag| {
        deployment.target.repairs.drop_params
            && matches!(flag, Flag::ResponseSchema | Flag::Reasoning)
    };
    let mut lacking = (asked.needs.iter().copied())
        .filter(|flag| facts.flag(*flag) == Some(false) && !is_dropped(*flag));
    lacking.next().map(|flag| match flag {
        Flag::ResponseSchema => Failing::Param,
        flag => Failing::Capability(flag),
    })
}

impl Failing {
    fn into_error(self) -> Error {
        match self {
            Self::Window => Error::new(
                ErrorKind::ContextWindow,
                "the conversation is longer than the context window of any deployment of this model",
            ),
            Self::Param => Error::bad_request(
                "response_format",
                "no deployment of this model supports `response_format`",
            ),
            Self::Capability(flag) => refusal(&format!(
                "no deployment of this model supports {}",
                named(flag)
            )),
        }
    }
}

fn named(flag: Flag) -> &'static str {
    match flag {
        Flag::Vision => "images",
        Flag::PdfInput => "documents",
        Flag::FunctionCalling => "tools",
        Flag::AudioInput => "audio",
        Flag::VideoInput => "video",
        Flag::Reasoning => "reasoning",
        _ => "what the request needs",
    }
}
