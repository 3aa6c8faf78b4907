//! A virtual key: what the operator wrote of it, its limits, and what it has spent.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sha2::{Digest as _, Sha256};

use super::routes;
use super::spend::KeyRuntime;
use crate::config::{Alias, Config, RateLimits, VirtualKeyConfig, name_in_team};
use crate::hex::hex;
use crate::limit::{Meters, Scope};

/// How much of a key's hash names it where others may look: the shared store, logs.
const ID_BYTES: usize = 8;

/// A virtual key.
#[derive(Debug)]
pub struct VirtualKey {
    /// The first 16 hex digits of the key's hash.
    pub id: String,
    /// What the operator wrote.
    pub config: VirtualKeyConfig,
    /// Names how the router treats its calls: keys of one name may share a call.
    pub routing: String,
    /// What it has spent.
    pub runtime: Arc<KeyRuntime>,
    meters: Arc<Meters>,
    user: Option<Arc<Meters>>,
    team: Option<Arc<Meters>>,
    tags: Vec<(String, Arc<Meters>)>,
    /// By model group, made when the key first calls it; no more than there are groups with limits.
    models: Mutex<HashMap<String, Arc<Meters>>>,
    defaults: Arc<HashMap<String, RateLimits>>,
    /// `model_rpm_limit` and `model_tpm_limit`, by model group.
    own: HashMap<String, RateLimits>,
}

/// Limits that several keys share.
#[derive(Debug, Clone, Default)]
pub(super) struct SharedLimits {
    users: HashMap<String, Arc<Meters>>,
    teams: HashMap<String, Arc<Meters>>,
    /// `default_api_key_rpm_limit` and `default_api_key_tpm_limit`, by model group, and by team and the team's own name.
    defaults: Arc<HashMap<String, RateLimits>>,
    /// `model_alias_map`, then `model_group_alias`: names of groups that a key may be limited by too.
    renames: BTreeMap<String, String>,
    aliases: Vec<Alias>,
}

impl SharedLimits {
    /// Gathers the limits of users, teams and model groups; what was counted in `previous` goes on. Keys that say
    /// different things of one user mean the smallest.
    pub(super) fn build(config: &Config, previous: Option<&Self>) -> Self {
        let keys = || config.virtual_keys.iter();
        let users = keys().map(|key| (key.user_id.as_deref(), key.user_limits));
        let teams = keys().map(|key| (key.team_id.as_deref(), key.team_limits));
        let entries = &config.deployments;
        // A team's own name is counted by itself, whoever else has it.
        let named: Vec<_> = (entries.iter())
            .flat_map(|entry| {
                let info = &entry.info;
                let own = info
                    .team_id
                    .as_deref()
                    .zip(info.team_public_name.as_deref());
                let own = own.map(|(team, name)| name_in_team(team, name));
                let names = [Some(entry.model_name.clone()), own];
                names.map(|name| (name, entry.limits.default_key))
            })
            .collect();
        let defaults = named
            .iter()
            .map(|(name, limits)| (name.as_deref(), *limits));
        Self {
            users: holders(Scope::User, users, previous.map(|previous| &previous.users)),
            teams: holders(Scope::Team, teams, previous.map(|previous| &previous.teams)),
            defaults: Arc::new(smallest(defaults)),
            renames: config.litellm.model_alias_map.clone(),
            aliases: config.router.aliases.clone(),
        }
    }

    /// Returns the group that calls of `name` go to; the name itself where it is no alias.
    fn group_of<'a>(&'a self, name: &'a str) -> &'a str {
        let name = self.renames.get(name).map_or(name, String::as_str);
        let alias = self.aliases.iter().find(|alias| alias.name == name);
        alias.map_or(name, |alias| alias.target.as_str())
    }
}

impl VirtualKey {
    /// Makes a key; what was counted and spent under `previous` goes on.
    pub(super) fn build(
        config: VirtualKeyConfig,
        shared: &SharedLimits,
        previous: Option<&Self>,
    ) -> Self {
        let id = id_of(&config.hash);
        let before = previous.map(|previous| previous.meters.as_ref());
        let meters = Meters::of_holder(Scope::Key, &id, config.limits, before);
        let tags = config.tag_rpm.iter().map(|(tag, rpm)| {
            let limits = RateLimits {
                rpm: Some(*rpm),
                ..RateLimits::default()
            };
            let before = previous.and_then(|previous| previous.tag(tag));
            let holder = format!("{id}:{tag}");
            let before = before.map(AsRef::as_ref);
            let meters = Meters::of_holder(Scope::Tag, &holder, limits, before);
            (tag.clone(), Arc::new(meters))
        });
        let of = |id: &Option<String>, holders: &HashMap<String, Arc<Meters>>| {
            id.as_ref().and_then(|id| holders.get(id)).cloned()
        };
        // Calls are counted by their group, whatever names it. Two names of one mean the smaller limit.
        let limits = config.model_limits.iter();
        let own = limits.map(|(name, limits)| {
            let name = renamed(&config, name);
            (Some(shared.group_of(name)), *limits)
        });
        let key = Self {
            own: smallest(own),
            tags: tags.collect(),
            user: of(&config.user_id, &shared.users),
            team: of(&config.team_id, &shared.teams),
            runtime: previous.map_or_else(Arc::default, |previous| Arc::clone(&previous.runtime)),
            meters: Arc::new(meters),
            models: Mutex::default(),
            defaults: Arc::clone(&shared.defaults),
            routing: routing_of(&config),
            id,
            config,
        };
        if let Some(previous) = previous {
            for (group, before) in previous.lock_models().iter() {
                key.make_model_meters(group, Some(before));
            }
        }
        key
    }

    /// A key by itself.
    #[cfg(test)]
    pub(crate) fn alone(config: VirtualKeyConfig) -> Self {
        Self::build(config, &SharedLimits::default(), None)
    }

    /// Returns every limit that a call of `group` with `tags` counts against: the key's, its user's and team's, the key's
    /// on the model and on the tags. What a team has a name of its own for is named with the team ([`name_in_team`]).
    pub fn meters(&self, group: &str, tags: &[String]) -> Vec<Arc<Meters>> {
        let mut meters = self.meters_of_any_call();
        meters.extend(self.model_meters(group));
        let tagged = self.tags.iter().filter(|(tag, _)| tags.contains(tag));
        meters.extend(tagged.map(|(_, meters)| Arc::clone(meters)));
        meters.retain(|meters| meters.is_limited());
        meters
    }

    /// Returns the limits that every call counts against: the key's, its user's and team's.
    pub fn meters_of_any_call(&self) -> Vec<Arc<Meters>> {
        let mut meters = vec![Arc::clone(&self.meters)];
        meters.extend(self.user.iter().cloned());
        meters.extend(self.team.iter().cloned());
        meters
    }

    /// Returns the name that a request's `model` stands for by the key's own aliases.
    pub fn rename<'a>(&'a self, model: &'a str) -> &'a str {
        renamed(&self.config, model)
    }

    /// Says whether the key may call `path`.
    pub fn may_call(&self, path: &str) -> bool {
        routes::allows(&self.config.allowed_routes, path)
    }

    /// Says whether the key's `allowed_routes` name `path`, so that it may administrate there.
    pub fn administrates(&self, path: &str) -> bool {
        routes::names_path(&self.config.allowed_routes, path)
    }

    fn tag(&self, tag: &str) -> Option<&Arc<Meters>> {
        let found = self.tags.iter().find(|(name, _)| name == tag);
        found.map(|(_, meters)| meters)
    }

    fn model_meters(&self, group: &str) -> Option<Arc<Meters>> {
        if self.own.is_empty() && self.defaults.is_empty() {
            return None;
        }
        let made = self.lock_models().get(group).cloned();
        made.or_else(|| self.make_model_meters(group, None))
    }

    fn make_model_meters(
        &self,
        group: &str,
        previous: Option<&Arc<Meters>>,
    ) -> Option<Arc<Meters>> {
        // What the key's entry says is said of the name that the team uses.
        let of_team = self.config.team_id.as_deref();
        let name = of_team.and_then(|team| group.strip_prefix(&name_in_team(team, "")));
        let own = self.own.get(name.unwrap_or(group));
        let default = self.defaults.get(group);
        if own.is_none() && default.is_none() {
            return None;
        }
        let own = own.copied().unwrap_or_default();
        let default = default.copied().unwrap_or_default();
        let limits = RateLimits {
            rpm: own.rpm.or(default.rpm),
            tpm: own.tpm.or(default.tpm),
            parallel: own.parallel.or(default.parallel),
        };
        let holder = format!("{}:{group}", self.id);
        let previous = previous.map(AsRef::as_ref);
        let made = || Arc::new(Meters::of_holder(Scope::Model, &holder, limits, previous));
        let mut models = self.lock_models();
        let meters = models.entry(group.to_owned()).or_insert_with(made);
        Some(Arc::clone(meters))
    }

    fn lock_models(&self) -> MutexGuard<'_, HashMap<String, Arc<Meters>>> {
        self.models.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn renamed<'a>(config: &'a VirtualKeyConfig, model: &'a str) -> &'a str {
    let own = config.aliases.get(model);
    own.or_else(|| config.router.aliases.get(model))
        .map_or(model, String::as_str)
}

/// Makes the limits of holders that several entries name.
fn holders<'a>(
    scope: Scope,
    named: impl Iterator<Item = (Option<&'a str>, RateLimits)>,
    previous: Option<&HashMap<String, Arc<Meters>>>,
) -> HashMap<String, Arc<Meters>> {
    smallest(named)
        .into_iter()
        .map(|(id, limits)| {
            let before = previous.and_then(|previous| previous.get(&id));
            let meters = Meters::of_holder(scope, &id, limits, before.map(AsRef::as_ref));
            (id, Arc::new(meters))
        })
        .collect()
}

/// Returns the smallest of each limit by name; a name without any limit is left out.
fn smallest<'a>(
    named: impl Iterator<Item = (Option<&'a str>, RateLimits)>,
) -> HashMap<String, RateLimits> {
    let mut all: HashMap<String, RateLimits> = HashMap::new();
    for (name, limits) in named {
        let Some(name) = name.filter(|_| limits != RateLimits::default()) else {
            continue;
        };
        let known = all.entry(name.to_owned()).or_default();
        known.rpm = known.rpm.into_iter().chain(limits.rpm).min();
        known.tpm = known.tpm.into_iter().chain(limits.tpm).min();
        known.parallel = known.parallel.into_iter().chain(limits.parallel).min();
    }
    all
}

/// Hashes everything of a key that decides how its calls are made: which deployments and fallbacks, how often, how long.
fn routing_of(config: &VirtualKeyConfig) -> String {
    let decides = (
        &config.router,
        &config.team_id,
        &config.models,
        &config.aliases,
        &config.allowed_region,
    );
    id_of(&Sha256::digest(format!("{decides:?}")).into())
}

fn id_of(hash: &[u8; 32]) -> String {
    let mut id = hex(hash);
    id.truncate(2 * ID_BYTES);
    id
}
