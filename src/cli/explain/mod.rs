//! `switchyard explain`: how a request for a name would be served, without sending anything.
//!
//! The answer is one document, made from the router that serving would build: [`Explanation`] as JSON, `text.rs` for
//! people. Members may be added to it, never taken away or renamed.

mod deployment;
mod keys;
mod rules;
mod text;

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use serde::Serialize;

use self::deployment::DeploymentView;
use self::keys::KeyView;
use self::rules::{ArgsView, CacheView, CallView, FiltersView, RetriesView};
use super::check::offline_router;
use super::{complain, say};
use crate::clock::{Clock, SystemClock};
use crate::config::{self, Config, Environment, FallbackLists, FallbackTarget};
use crate::error::{Error, ErrorKind};
use crate::router::{Asker, Fallbacks, Match, ModelGroup, Resolved, Router};

/// The whole answer.
#[derive(Debug, Serialize)]
struct Explanation {
    /// The name that was asked about.
    requested: String,
    /// `general_settings.completion_model`, which takes its place.
    forced: Option<String>,
    /// What `model_alias_map` makes of the name.
    renamed: Option<String>,
    matched: &'static str,
    /// The group that an alias stands for.
    alias_of: Option<String>,
    /// The pattern that the name matches, and what each `*` stands for.
    pattern: Option<String>,
    captures: Vec<String>,
    /// The keys that have this name for themselves, where no model of the file has it.
    alias_of_keys: Vec<String>,
    /// The tags of the calls that are explained.
    tags: Vec<String>,
    group: String,
    /// The name that headers and the cache know the group by.
    shown: String,
    strategy: String,
    strategy_args: ArgsView,
    num_retries: u32,
    retries: RetriesView,
    call: CallView,
    filters: FiltersView,
    /// `order` tiers, the first one tried first.
    tiers: Vec<i64>,
    deployments: Vec<DeploymentView>,
    /// Whether agents are among them: what one may have acted on is not sent again, and nothing is hedged, kept or shared.
    agents: bool,
    /// After errors that are the deployments'.
    fallbacks: Vec<FallbackView>,
    /// After a conversation that is too long.
    context_window_fallbacks: Vec<FallbackView>,
    /// After content that was refused.
    content_policy_fallbacks: Vec<FallbackView>,
    /// `null`: the response cache is off, or left alone for agents.
    cache: Option<CacheView>,
    /// The keys for which it is otherwise.
    virtual_keys: Vec<KeyView>,
    /// Whether what a key may call depends on `team_id` or `access_groups` of a deployment.
    depends_on_key: bool,
    /// Members of this document whose values do nothing: none any more.
    not_supported_yet: [&'static str; 0],
}

/// A group that follows when another fails.
#[derive(Debug, Serialize)]
struct FallbackView {
    group: String,
    /// Whether there is such a group.
    exists: bool,
    /// Whether it is one of `default_fallbacks`.
    is_default: bool,
    /// Members of the request that the target replaces.
    overrides: Vec<String>,
    strategy: Option<String>,
    /// What follows when this group fails, by name.
    then: Vec<String>,
    deployments: Vec<DeploymentView>,
}

/// Prints how a request for `model` with these tags would be served. Exit status 1 for an unknown name or an unusable file.
pub(super) fn explain(file: &Path, model: &str, tags: &[String], as_json: bool) -> ExitCode {
    match explained(file, model, tags) {
        Ok(explanation) if as_json => {
            say(&serde_json::to_string_pretty(&explanation).unwrap_or_default());
            ExitCode::SUCCESS
        }
        Ok(explanation) => {
            say(&explanation.text());
            ExitCode::SUCCESS
        }
        Err(message) => {
            complain(&message);
            ExitCode::FAILURE
        }
    }
}

fn explained(file: &Path, model: &str, tags: &[String]) -> Result<Explanation, String> {
    let config = config::load(file, Environment::of_process())
        .map_err(|findings| format!("the configuration cannot be used\n{findings}"))?;
    let now = SystemClock.now();
    explanation(&config, model, tags, now)
}

fn explanation(
    config: &Config,
    requested: &str,
    tags: &[String],
    now: Instant,
) -> Result<Explanation, String> {
    let router = offline_router(config)
        .map_err(|findings| format!("the configuration cannot be used\n{findings}"))?;
    let forced = config.general.completion_model.clone();
    let asked = forced.as_deref().unwrap_or(requested);
    let own = keys::aliasing(config, &router, asked);
    let name = own.first().map_or(asked, |(_, target)| target.as_str());
    let resolved = router
        .admit(
            name,
            Asker::Administrator,
            config.general.unknown_model_status,
            "/chat/completions",
        )
        .or_else(|error| known_anyway(&router, name, &error))?;
    let group = &resolved.group;
    let after = Following {
        config,
        router: &router,
        tags,
        now,
    };
    let alias = (config.router.aliases.iter()).find(|alias| alias.name == resolved.shown);
    Ok(Explanation {
        requested: requested.to_owned(),
        renamed: (resolved.shown != name).then(|| resolved.shown.clone()),
        matched: match resolved.matched {
            _ if !own.is_empty() => "alias of a key",
            Match::Group => "exact",
            Match::Team => "name of a team",
            Match::Alias => "alias",
            Match::DeploymentId => "deployment id",
            Match::RoutingGroup => "routing group",
            Match::Wildcard => "wildcard",
            Match::ModelText => "model text",
        },
        alias_of: alias
            .filter(|_| resolved.matched == Match::Alias)
            .map(|alias| alias.target.clone()),
        pattern: group.pattern.clone(),
        captures: router.captures(group),
        alias_of_keys: own.iter().map(|(key, _)| key.clone()).collect(),
        tags: tags.to_vec(),
        group: group.name.clone(),
        shown: resolved.shown.clone(),
        strategy: group.strategy.name.name().to_owned(),
        strategy_args: ArgsView::of(&group.strategy.args),
        num_retries: config.router.num_retries,
        retries: RetriesView::of(config, group.configured_name()),
        call: CallView::of(config, group),
        filters: FiltersView::of(config, group),
        tiers: group.tiers(),
        deployments: after.views(group),
        agents: group.has_agents(),
        fallbacks: after.error(&resolved, ErrorKind::Unavailable),
        context_window_fallbacks: after.error(&resolved, ErrorKind::ContextWindow),
        content_policy_fallbacks: after.error(&resolved, ErrorKind::ContentPolicy),
        cache: (config.cache.as_ref())
            .filter(|_| !group.has_agents())
            .map(CacheView::of),
        virtual_keys: keys::views(config, &router, asked),
        depends_on_key: group.deployments.iter().any(|deployment| {
            let info = &deployment.entry.info;
            info.team_id.is_some() || !info.access_groups.is_empty()
        }) || router.groups_of_teams(&resolved.shown).next().is_some(),
        forced,
        not_supported_yet: [],
    })
}

/// What a name stands for that cannot be called now: a group that is paused is explained all the same.
fn known_anyway(router: &Router, name: &str, error: &Error) -> Result<Resolved, String> {
    match error.kind() {
        ErrorKind::Forbidden => router
            .resolve(name, Asker::Administrator)
            .ok_or_else(|| unknown(router, name)),
        ErrorKind::UnknownModel => Err(unknown(router, name)),
        _ => Err(error.message().to_owned()),
    }
}

fn unknown(router: &Router, model: &str) -> String {
    let nearest = router.nearest(model);
    if nearest.is_empty() {
        return format!("no model is called `{model}`; the file has none");
    }
    format!(
        "no model is called `{model}`; the nearest names are: {}",
        nearest.join(", ")
    )
}

/// What follows when a group fails.
struct Following<'a> {
    config: &'a Config,
    router: &'a Router,
    tags: &'a [String],
    now: Instant,
}

impl Following<'_> {
    fn views(&self, group: &ModelGroup) -> Vec<DeploymentView> {
        (group.deployments.iter())
            .map(|deployment| {
                DeploymentView::of(deployment, group, self.config, self.tags, self.now)
            })
            .collect()
    }

    /// The fallbacks of a group after an error of this kind, in order.
    fn error(&self, of: &Resolved, kind: ErrorKind) -> Vec<FallbackView> {
        let settings = &self.config.router;
        let error = Error::new(kind, "");
        let names = [of.shown.as_str(), of.group.configured_name()];
        let without_default = FallbackLists {
            default: Vec::new(),
            ..settings.fallbacks.clone()
        };
        let listed =
            Fallbacks::of_router(&without_default, settings.fallback_on_4xx).after(&names, &error);
        let all = Fallbacks::of_router(&settings.fallbacks, settings.fallback_on_4xx);
        (all.after(&names, &error).into_iter())
            .map(|target| {
                let is_default = !listed.contains(&target);
                self.fallback(target, is_default, &error)
            })
            .collect()
    }

    fn fallback(&self, target: FallbackTarget, is_default: bool, error: &Error) -> FallbackView {
        let settings = &self.config.router;
        let found = self.router.resolve(&target.model, Asker::Administrator);
        let then = found.as_ref().map(|found| {
            let names = [found.shown.as_str(), found.group.configured_name()];
            let lists = Fallbacks::of_router(&settings.fallbacks, settings.fallback_on_4xx);
            let targets = lists.after(&names, error).into_iter();
            targets.map(|target| target.model).collect()
        });
        FallbackView {
            exists: found.is_some(),
            is_default,
            overrides: target.overrides.keys().cloned().collect(),
            strategy: (found.as_ref()).map(|found| found.group.strategy.name.name().to_owned()),
            then: then.unwrap_or_default(),
            deployments: found.map_or_else(Vec::new, |found| self.views(&found.group)),
            group: target.model,
        }
    }
}

#[cfg(test)]
#[path = "explain_tests.rs"]
mod tests;
