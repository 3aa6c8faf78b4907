//! Names that clients use: what each stands for, and which are listed.

use std::collections::HashSet;
use std::sync::Arc;

use super::teams::own_name;
use super::wildcard::known_names;
use super::{Asker, ModelGroup, Router};
use crate::error::{Error, ErrorKind, Result};

/// How a name was understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Match {
    /// It is a model group's name.
    Group,
    /// It is a team's name for deployments of its own.
    Team,
    /// It is an alias of one.
    Alias,
    /// It is a deployment's id.
    DeploymentId,
    /// It is the name of a routing group.
    RoutingGroup,
    /// It matches a name with `*`.
    Wildcard,
    /// It is the text of some deployments' `litellm_params.model`.
    ModelText,
}

/// What a name stands for.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// How the name was understood.
    pub matched: Match,
    /// The name that clients are shown: an alias under its own.
    pub shown: String,
    /// The deployments that may serve it.
    pub group: Arc<ModelGroup>,
}

impl Router {
    /// Finds what `name` stands for when `asker` uses it; `None` where nobody knows it, or no model can be made of it.
    pub fn resolve(&self, name: &str, asker: Asker<'_>) -> Option<Resolved> {
        self.find(name, asker).ok().flatten()
    }

    /// Finds what `name` stands for when `asker` uses it, or says why it cannot be called; `unknown_status` is
    /// `general_settings.unknown_model_status`, and `path` is the endpoint's.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::UnknownModel`]; [`ErrorKind::BadRequest`] for a name that matches a pattern but can be no model, and for
    /// one that several teams have; [`ErrorKind::Forbidden`] where all of its deployments are blocked.
    pub fn admit(
        &self,
        name: &str,
        asker: Asker<'_>,
        unknown_status: u16,
        path: &str,
    ) -> Result<Resolved> {
        let found = self.find(name, asker)?;
        let resolved = found.ok_or_else(|| unknown_model(name, unknown_status, path))?;
        if resolved.group.is_blocked() {
            return Err(blocked());
        }
        Ok(resolved)
    }

    /// Finds what `name` stands for, after the operator's renames: a deployment's id, an alias (one hop), a routing group,
    /// a team's own name, a model group, a pattern, or a deployment's model text.
    fn find(&self, name: &str, asker: Asker<'_>) -> Result<Option<Resolved>> {
        let name = self.renames.get(name).map_or(name, String::as_str);
        let resolved = |(matched, group)| Resolved {
            matched,
            shown: name.to_owned(),
            group,
        };
        if let Some(group) = self.by_id(name) {
            return Ok(Some(resolved((Match::DeploymentId, group))));
        }
        if let Some(alias) = self.aliases.iter().find(|alias| alias.name == name) {
            let target = alias.target.as_str();
            let group = self.named(target, asker)?.map(|(_, group)| group);
            if let Some(group) = group.or_else(|| self.by_id(target)) {
                return Ok(Some(resolved((Match::Alias, group))));
            }
        }
        Ok(self.named(name, asker)?.map(resolved))
    }

    fn named(&self, name: &str, asker: Asker<'_>) -> Result<Option<(Match, Arc<ModelGroup>)>> {
        if let Some(group) = self.routing_groups.get(name) {
            return Ok(Some((Match::RoutingGroup, Arc::clone(group))));
        }
        if let Some(group) = self.team_names.of_team(name, asker) {
            return Ok(Some((Match::Team, group)));
        }
        // A pattern's own name is called like any other that it matches.
        if let Some(group) = self.group(name).filter(|_| !name.contains('*')) {
            return Ok(Some((Match::Group, Arc::clone(group))));
        }
        if let Some(group) = self.team_names.of_any_team(name, asker)? {
            return Ok(Some((Match::Team, group)));
        }
        if let Some(group) = self.wildcards.find(name)? {
            return Ok(Some((Match::Wildcard, group)));
        }
        let group = self.by_model_text.get(name);
        Ok(group.map(|group| (Match::ModelText, Arc::clone(group))))
    }

    /// The deployment with this id, as a group of its own. One whose model is a pattern stands for no model.
    fn by_id(&self, id: &str) -> Option<Arc<ModelGroup>> {
        let deployment = self.by_id.get(id)?;
        if deployment.model.contains('*') {
            return None;
        }
        let group = self.group(&deployment.group)?;
        Some(Arc::new(ModelGroup {
            name: id.to_owned(),
            called_by_id: true,
            ..group.serving(vec![Arc::clone(deployment)])
        }))
    }

    /// Returns the names that are listed for `asker`: aliases first, then groups (a pattern as it is), its team's own names,
    /// then routing groups, each once. A group that cannot answer or is paused is not listed, under any name; nor is one of
    /// other teams, or one for which the key's team has a name.
    pub fn listed_names<'s>(&'s self, asker: Asker<'s>) -> Vec<&'s str> {
        let mut seen = HashSet::new();
        let is_open = |group: &ModelGroup| {
            let seen = group.deployments.iter().filter(|one| asker.sees(one));
            let seen = group.serving(seen.cloned().collect());
            !seen.is_blocked() && seen.can_answer()
        };
        let is_called = |name: &str| {
            let named = self.named(name, asker).ok().flatten();
            let named = named.map(|(_, group)| group);
            let group = named.or_else(|| self.by_id(name));
            group.is_some_and(|group| is_open(&group))
        };
        let is_named_otherwise = |group: &ModelGroup| {
            let mut deployments = group.deployments.iter().filter(|one| asker.sees(one));
            asker != Asker::Administrator && deployments.all(|one| own_name(one).is_some())
        };
        let aliases = (self.aliases.iter())
            .filter(|alias| !alias.hidden && is_called(&alias.target))
            .map(|alias| alias.name.as_str());
        let groups = (self.groups.iter())
            .filter(|group| is_open(group) && !is_named_otherwise(group))
            .map(|group| group.name.as_str());
        let of_team = (self.team_names.of_asker(asker))
            .filter(|(_, group)| is_open(group))
            .map(|(name, _)| name);
        let routing = (self.routing_names.iter())
            .filter(|name| (self.routing_groups.get(*name)).is_some_and(|group| is_open(group)))
            .map(String::as_str);
        aliases
            .chain(groups)
            .chain(of_team)
            .chain(routing)
            .filter(|name| seen.insert(*name))
            .collect()
    }

    /// Returns the listed names, and after each pattern the known models that it matches (`return_wildcard_routes`).
    pub fn listed_names_expanded(&self, asker: Asker<'_>) -> Vec<String> {
        let mut seen = HashSet::new();
        (self.listed_names(asker).into_iter())
            .flat_map(|name| {
                let known = known_names(name);
                std::iter::once(name.to_owned()).chain(known)
            })
            .filter(|name| seen.insert(name.clone()))
            .collect()
    }

    /// Returns what the teams mean by `name` that have it for deployments of their own.
    pub fn groups_of_teams(&self, name: &str) -> impl Iterator<Item = &Arc<ModelGroup>> {
        self.team_names.teams_of(name)
    }

    /// Returns what each `*` of the pattern stands for by which `group` was found; nothing for a group of the file.
    pub fn captures(&self, group: &ModelGroup) -> Vec<String> {
        match group.pattern {
            Some(_) => self.wildcards.captures(&group.name),
            None => Vec::new(),
        }
    }

    /// Returns the names nearest to `name`, best first, for a message about an unknown one.
    pub fn nearest(&self, name: &str) -> Vec<&str> {
        let mut names: Vec<(usize, &str)> = self
            .listed_names(Asker::Administrator)
            .into_iter()
            .map(|known| (strsim::damerau_levenshtein(known, name), known))
            .collect();
        names.sort_unstable();
        names.into_iter().take(3).map(|(_, known)| known).collect()
    }
}

/// Refuses a name that nobody knows; `status` is `general_settings.unknown_model_status`, and `path` the endpoint's.
fn unknown_model(name: &str, status: u16, path: &str) -> Error {
    // The name comes from the client, so only a bounded piece of it is repeated.
    let shown: String = name.chars().take(128).collect();
    let message = format!(
        "{path}: Invalid model name passed in model={shown}. Call `/v1/models` to view available models for your key."
    );
    let error = Error::new(ErrorKind::UnknownModel, message);
    match http::StatusCode::from_u16(status) {
        Ok(status) => error.with_status(status),
        Err(_) => error,
    }
}

/// Refuses a name whose deployments the operator has all paused.
pub(super) fn blocked() -> Error {
    Error::new(ErrorKind::Forbidden, "Model is blocked")
}

#[cfg(test)]
#[path = "names_tests.rs"]
mod tests;
