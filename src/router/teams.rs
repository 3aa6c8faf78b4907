//! Names that teams have for deployments of their own (`model_info.team_public_model_name`).
//!
//! Such a name stands for nothing but the team's deployments, and only for the team's keys: two teams may use one name, and
//! it may be a model group's name for everyone else.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Deployment, ModelGroup};
use crate::error::{Error, ErrorKind, Result};

/// Who uses a name, as far as that decides what it stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asker<'a> {
    /// The administrator, or everyone where there are no keys: a team's name too, where one team alone has it.
    Administrator,
    /// A virtual key, of this team or of none; or a caller without a key on a path that is public while there are keys.
    Key(Option<&'a str>),
}

impl Asker<'_> {
    /// Says whether it is shown a deployment.
    pub fn sees(self, deployment: &Deployment) -> bool {
        match (self, deployment.entry.info.team_id.as_deref()) {
            (Self::Administrator, _) | (_, None) => true,
            (Self::Key(team), owner) => owner == team,
        }
    }
}

/// All of them: by name, then by team.
#[derive(Debug, Default)]
pub(super) struct TeamNames(BTreeMap<String, BTreeMap<String, Arc<ModelGroup>>>);

impl TeamNames {
    /// Gathers the names of all deployments. What is learned of such a group is that of the model group of its first
    /// deployment.
    pub(super) fn new(groups: &[Arc<ModelGroup>]) -> Self {
        let mut found: BTreeMap<String, BTreeMap<String, ModelGroup>> = BTreeMap::new();
        for group in groups {
            for deployment in &group.deployments {
                let Some((team, name)) = own_name(deployment) else {
                    continue;
                };
                let teams = found.entry(name.to_owned()).or_default();
                let own = teams.entry(team.to_owned()).or_insert_with(|| ModelGroup {
                    name: name.to_owned(),
                    team: Some(team.to_owned()),
                    ..group.serving(Vec::new())
                });
                own.deployments.push(Arc::clone(deployment));
            }
        }
        let shared = |teams: BTreeMap<String, ModelGroup>| {
            let teams = teams.into_iter();
            teams.map(|(team, own)| (team, Arc::new(own))).collect()
        };
        let all = found.into_iter();
        Self(all.map(|(name, teams)| (name, shared(teams))).collect())
    }

    /// Finds what the name stands for in the key's team.
    pub(super) fn of_team(&self, name: &str, asker: Asker<'_>) -> Option<Arc<ModelGroup>> {
        let Asker::Key(Some(team)) = asker else {
            return None;
        };
        self.0.get(name)?.get(team).cloned()
    }

    /// Finds what the name stands for where nobody else has it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::BadRequest`] where several teams have it.
    pub(super) fn of_any_team(
        &self,
        name: &str,
        asker: Asker<'_>,
    ) -> Result<Option<Arc<ModelGroup>>> {
        let (Asker::Administrator, Some(teams)) = (asker, self.0.get(name)) else {
            return Ok(None);
        };
        if teams.len() > 1 {
            let message = "several teams have a model of this name; call it with a key of the team that is meant";
            return Err(Error::new(ErrorKind::BadRequest, message).with_param("model"));
        }
        Ok(teams.values().next().cloned())
    }

    /// Returns the names that this asker may use, with what they stand for.
    pub(super) fn of_asker<'s>(
        &'s self,
        asker: Asker<'s>,
    ) -> impl Iterator<Item = (&'s str, &'s Arc<ModelGroup>)> {
        self.0.iter().filter_map(move |(name, teams)| {
            let group = match asker {
                Asker::Key(team) => teams.get(team?)?,
                Asker::Administrator => teams.values().next().filter(|_| teams.len() == 1)?,
            };
            Some((name.as_str(), group))
        })
    }

    /// Returns the teams that have this name for deployments of their own, with what it stands for.
    pub(super) fn teams_of(&self, name: &str) -> impl Iterator<Item = &Arc<ModelGroup>> {
        self.0.get(name).into_iter().flat_map(BTreeMap::values)
    }
}

/// The team of a deployment and the team's name for it. A pattern is no name, and stands for no model.
pub(super) fn own_name(deployment: &Deployment) -> Option<(&str, &str)> {
    let info = &deployment.entry.info;
    let name = info.team_public_name.as_deref()?;
    let is_pattern = name.contains('*') || deployment.model.contains('*');
    (!is_pattern).then_some((info.team_id.as_deref()?, name))
}

#[cfg(test)]
mod tests {
    use super::super::test_group::{config, entry, router};
    use super::super::{Match, Router};
    use super::*;
    use crate::config::RouterSettings;

    /// A group `claude` for everyone, and deployments of the teams `a` and `b`.
    fn teams() -> Router {
        let own = |name: &str, id: &str, team: &str, public: &str| {
            let mut entry = entry(name, "bedrock/us.amazon.nova-pro-v1:0");
            entry.id = Some(id.to_owned());
            entry.info.team_id = Some(team.to_owned()).filter(|team| !team.is_empty());
            entry.info.team_public_name =
                Some(public.to_owned()).filter(|public| !public.is_empty());
            entry
        };
        let entries = vec![
            own("claude", "all", "", ""),
            own("claude-of-a", "a1", "a", "claude"),
            own("more-of-a", "a2", "a", "claude"),
            own("nova-of-a", "a3", "a", "nova"),
            own("claude-of-b", "b1", "b", "claude"),
            own("both-of-b", "b2", "b", "both"),
            own("both-of-a", "a4", "a", "both"),
            own("plain-of-b", "b3", "b", ""),
        ];
        router(&config(entries, RouterSettings::default()), None)
    }

    fn ids(router: &Router, name: &str, asker: Asker<'_>) -> Vec<String> {
        let found = router.resolve(name, asker);
        let group = found.map(|found| found.group);
        let deployments = group.iter().flat_map(|group| &group.deployments);
        deployments.map(|one| one.id.clone()).collect()
    }

    const A: Asker<'_> = Asker::Key(Some("a"));
    const B: Asker<'_> = Asker::Key(Some("b"));
    const NOBODY: Asker<'_> = Asker::Key(None);

    #[test]
    fn name_of_a_team_stands_for_its_own_deployments_alone() {
        let router = teams();
        assert_eq!(ids(&router, "claude", A), ["a1", "a2"]);
        assert_eq!(ids(&router, "claude", B), ["b1"]);
        for asker in [NOBODY, Asker::Key(Some("c")), Asker::Administrator] {
            assert_eq!(ids(&router, "claude", asker), ["all"]);
        }
        assert_eq!(ids(&router, "nova", A), ["a3"]);
        assert_eq!(ids(&router, "nova", B), [""; 0]);
        let found = router.resolve("nova", A).unwrap();
        assert_eq!((found.matched, found.shown.as_str()), (Match::Team, "nova"));
        let identity = |asker| {
            let found = router.resolve("claude", asker);
            found.unwrap().group.identity().into_owned()
        };
        assert!(identity(A) != identity(B) && identity(A) != identity(NOBODY));
    }

    #[test]
    fn administrator_may_use_a_name_that_one_team_has() {
        let router = teams();
        assert_eq!(ids(&router, "nova", Asker::Administrator), ["a3"]);
        let error = router.admit("both", Asker::Administrator, 400, "/");
        let error = error.unwrap_err();
        assert_eq!(
            (error.kind(), error.param()),
            (ErrorKind::BadRequest, Some("model"))
        );
    }

    #[test]
    fn names_are_listed_for_those_who_may_use_them() {
        let router = teams();
        assert_eq!(router.listed_names(A), ["claude", "both", "nova"]);
        assert_eq!(router.listed_names(B), ["claude", "plain-of-b", "both"]);
        assert_eq!(router.listed_names(NOBODY), ["claude"]);
        let all = router.listed_names(Asker::Administrator);
        assert_eq!(all.len(), 9, "{all:?}");
        assert!(all.contains(&"nova") && all.contains(&"claude-of-a") && !all.contains(&"both"));
    }
}
