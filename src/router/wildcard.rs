//! Model names with `*`: what matches them, and the deployments that stand for a name that does.
//!
//! A pattern's deployments are made concrete for each name that is asked for, with the model that the name stands for, and
//! kept: a bounded number of names, the least recently used dropped. What is learned of a concrete model is kept beside
//! them by deployment and model, and outlives the snapshot.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::recent::Recent;
use super::{Deployment, DeploymentRuntime, ModelGroup};
use crate::catalog::{self, Mode};
use crate::config::Environment;
use crate::error::{Error, Result};
use crate::provider::bedrock::model_id::{base_of, names_a_model};

/// Names whose deployments are kept ready, and concrete models whose learned state is.
const KEPT: usize = 512;
/// Longest name that is matched: longer than any model id with its prefixes.
const LONGEST_NAME: usize = 4096;

/// A name with `*`; each stands for any text, also none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    first: String,
    /// What follows each `*`.
    rest: Vec<String>,
    /// Length and number of metacharacters of the regular expression that LiteLLM makes of it.
    specificity: (usize, usize),
}

impl Pattern {
    /// Reads a pattern; `None` where the text has no `*`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('*').map(str::to_owned);
        let first = parts.next()?;
        let rest: Vec<String> = parts.collect();
        (!rest.is_empty()).then(|| Self {
            first,
            rest,
            specificity: specificity(text),
        })
    }

    /// Matches the whole of `name`; returns what each `*` stands for, each as long as can be, the first one first.
    fn captures<'n>(&self, name: &'n str) -> Option<Vec<&'n str>> {
        let mut middle = name.strip_prefix(self.first.as_str())?;
        let mut captures = Vec::with_capacity(self.rest.len());
        // From the end: where every part stands as far right as it can, every capture is as long as it can be.
        for (place, part) in self.rest.iter().enumerate().rev() {
            let is_last = place + 1 == self.rest.len();
            let at = if is_last {
                middle.strip_suffix(part.as_str())?.len()
            } else {
                middle.rfind(part.as_str())?
            };
            captures.push((at + part.len(), at));
            middle = middle.get(..at)?;
        }
        let name = name.get(self.first.len()..)?;
        let mut begin = 0;
        captures
            .into_iter()
            .rev()
            .map(|(end, at)| {
                let capture = name.get(begin..at);
                begin = end;
                capture
            })
            .collect()
    }
}

/// LiteLLM orders patterns by the regular expressions that it makes of them, with `(.*)` for `*`.
fn specificity(text: &str) -> (usize, usize) {
    text.chars().fold((0, 0), |(length, metas), letter| {
        let (own, special) = match letter {
            '*' => (4, 3),
            '?' | '+' | '|' | '^' | '$' | '\\' | '(' | ')' => (2, 2),
            '{' | '}' | '[' | ']' | '-' | '.' | '&' | '~' | '#' | ' ' | '\t' | '\r' | '\n' => {
                (2, 1)
            }
            _ => (1, 0),
        };
        (length + own, metas + special)
    })
}

/// Puts captures in the place of the `*`s of `model`; `requested` where there are more captures than `*`s.
fn substituted(model: &str, captures: &[&str], requested: &str) -> String {
    let stars = model.matches('*').count();
    if stars == 0 {
        return model.to_owned();
    }
    if captures.len() > stars {
        return requested.to_owned();
    }
    let mut out = String::with_capacity(requested.len() + model.len());
    let mut captures = captures.iter();
    for (place, part) in model.split('*').enumerate() {
        if place > 0 {
            out.push_str(captures.next().copied().unwrap_or("*"));
        }
        out.push_str(part);
    }
    out
}

/// Says whether a bare name is a model id of Bedrock's.
fn is_bedrock_id(name: &str) -> bool {
    catalog::is_bedrock_id(name)
        || name.starts_with("arn:aws") && name.contains(":bedrock:")
        || !name.contains('/') && names_a_model(base_of(name))
}

/// What was learned of concrete models, by deployment and model.
type Learned = Mutex<Recent<(String, String), Arc<DeploymentRuntime>>>;

/// The patterns of a configuration, most specific first, and what they were made concrete for.
#[derive(Debug)]
pub(super) struct Wildcards {
    patterns: Vec<(Pattern, Arc<ModelGroup>)>,
    environment: Environment,
    concrete: Mutex<Recent<String, Arc<ModelGroup>>>,
    learned: Arc<Learned>,
}

impl Default for Wildcards {
    fn default() -> Self {
        Self {
            patterns: Vec::new(),
            environment: Environment::default(),
            concrete: Mutex::new(Recent::new(KEPT)),
            learned: Arc::new(Mutex::new(Recent::new(KEPT))),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Wildcards {
    /// Takes the groups whose names are patterns; what `previous` learned is kept by deployment and model.
    pub(super) fn new(
        groups: &[Arc<ModelGroup>],
        environment: &Environment,
        previous: Option<&Self>,
    ) -> Self {
        let mut patterns: Vec<_> = groups
            .iter()
            .filter_map(|group| Some((Pattern::parse(&group.name)?, Arc::clone(group))))
            .collect();
        // Stable: of two that are as specific, the first of the file.
        patterns.sort_by_key(|(pattern, _)| std::cmp::Reverse(pattern.specificity));
        let mut wildcards = Self {
            patterns,
            ..Self::default()
        };
        if !wildcards.patterns.is_empty() {
            wildcards.environment = environment.clone();
        }
        if let Some(previous) = previous {
            wildcards.learned = Arc::clone(&previous.learned);
        }
        wildcards
    }

    /// Finds the deployments that a name stands for: as it is, then as an id of Bedrock's.
    ///
    /// # Errors
    ///
    /// A name that matches a pattern, but of which no model can be made.
    pub(super) fn find(&self, name: &str) -> Result<Option<Arc<ModelGroup>>> {
        if self.patterns.is_empty() || name.len() > LONGEST_NAME {
            return Ok(None);
        }
        if let Some(group) = lock(&self.concrete).get(name) {
            return Ok(Some(Arc::clone(group)));
        }
        let with_provider;
        let (pattern, captures, matched) = if let Some((group, captures)) = self.matched(name) {
            (group, captures, name)
        } else if is_bedrock_id(name) {
            with_provider = format!("bedrock/{name}");
            let Some((group, captures)) = self.matched(&with_provider) else {
                return Ok(None);
            };
            (group, captures, with_provider.as_str())
        } else {
            return Ok(None);
        };
        let group = Arc::new(self.made_concrete(name, pattern, &captures, matched)?);
        lock(&self.concrete).insert(name.to_owned(), Arc::clone(&group));
        Ok(Some(group))
    }

    /// Returns what each `*` of the pattern stands for that a name matches; nothing where it matches none.
    pub(super) fn captures(&self, name: &str) -> Vec<String> {
        let owned = |text: &str| {
            let (_, captures) = self.matched(text)?;
            Some(captures.into_iter().map(str::to_owned).collect())
        };
        owned(name)
            .or_else(|| owned(&format!("bedrock/{name}")))
            .unwrap_or_default()
    }

    /// Returns the deployments that were made of the one with this id, one for each concrete model.
    pub(super) fn concrete_of(&self, id: &str) -> Vec<Arc<Deployment>> {
        let mut found: Vec<Arc<Deployment>> = lock(&self.concrete)
            .values()
            .flat_map(|group| &group.deployments)
            .filter(|deployment| deployment.id == id)
            .cloned()
            .collect();
        found.sort_by(|one, other| one.model.cmp(&other.model));
        found.dedup_by(|one, other| one.model == other.model);
        found
    }

    fn matched<'n>(&self, name: &'n str) -> Option<(&ModelGroup, Vec<&'n str>)> {
        self.patterns
            .iter()
            .find_map(|(pattern, group)| Some((&**group, pattern.captures(name)?)))
    }

    fn made_concrete(
        &self,
        name: &str,
        pattern: &ModelGroup,
        captures: &[&str],
        matched: &str,
    ) -> Result<ModelGroup> {
        let mut refusal = None;
        let mut deployments = Vec::with_capacity(pattern.deployments.len());
        for deployment in &pattern.deployments {
            let model = substituted(&deployment.model, captures, matched);
            let runtime = self.runtime(deployment, &model);
            match deployment.concrete(model, runtime, &self.environment) {
                Ok(concrete) => deployments.push(Arc::new(concrete)),
                Err(error) => refusal = refusal.or(Some(error)),
            }
        }
        match refusal {
            Some(refusal) if deployments.is_empty() => Err(unusable(name, &refusal)),
            _ => Ok(ModelGroup {
                name: name.to_owned(),
                pattern: Some(pattern.name.clone()),
                ..pattern.serving(deployments)
            }),
        }
    }

    fn runtime(&self, deployment: &Deployment, model: &str) -> Arc<DeploymentRuntime> {
        let key = (deployment.id.clone(), model.to_owned());
        let mut learned = lock(&self.learned);
        if let Some(runtime) = learned.get(&key) {
            return Arc::clone(runtime);
        }
        let runtime = Arc::<DeploymentRuntime>::default();
        learned.insert(key, Arc::clone(&runtime));
        runtime
    }
}

fn unusable(name: &str, reason: &Error) -> Error {
    // The name comes from the client, so only a bounded piece of it is repeated.
    let shown: String = name.chars().take(128).collect();
    Error::bad_request(
        "model",
        format!(
            "You passed in model={shown}. There are no healthy deployments for this model: {}",
            reason.message()
        ),
    )
}

/// Returns the chat models of the catalog that a pattern matches, as a client would name them.
pub(super) fn known_names(pattern: &str) -> Vec<String> {
    let Some(pattern) = Pattern::parse(pattern) else {
        return Vec::new();
    };
    catalog::ids()
        .filter(|id| {
            matches!(
                catalog::facts([*id]).mode,
                Some(Mode::Chat | Mode::Responses)
            )
        })
        .filter_map(|id| {
            let with_provider = || format!("bedrock/{id}");
            let forms = [id.to_owned(), with_provider()];
            (forms.into_iter()).find(|form| pattern.captures(form).is_some())
        })
        .collect()
}

#[cfg(test)]
#[path = "wildcard_tests.rs"]
mod tests;
