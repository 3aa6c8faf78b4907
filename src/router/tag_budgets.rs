//! Budgets of tags (`litellm_settings.tag_budget_config`): what all requests with a tag may cost together.
//!
//! The tags are the caller's, not a deployment's: a spent budget leaves the request nothing, whichever group it asks for.
//! What was spent outlives snapshots, by the tag.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Spend;
use crate::config::{Budget, RouterSettings};
use crate::error::{Error, ErrorKind, Fallback};

/// The budget of one tag, and what was spent of it.
#[derive(Debug)]
pub struct TagBudget {
    /// The tag.
    pub tag: String,
    /// What may be spent.
    pub budget: Budget,
    /// What was spent; the same in every snapshot that has a budget for this tag.
    pub spend: Arc<Spend>,
}

/// All of them, by tag.
#[derive(Debug, Default)]
pub(super) struct TagBudgets(BTreeMap<String, Arc<TagBudget>>);

impl TagBudgets {
    /// Makes those of the configuration; what was spent in `previous` goes on.
    pub(super) fn new(settings: &RouterSettings, previous: Option<&Self>) -> Self {
        let made = settings.tag_budgets.iter().map(|(tag, budget)| {
            let known = previous.and_then(|previous| previous.0.get(tag));
            let made = TagBudget {
                tag: tag.clone(),
                budget: *budget,
                spend: known.map_or_else(Arc::default, |known| Arc::clone(&known.spend)),
            };
            (tag.clone(), Arc::new(made))
        });
        Self(made.collect())
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<TagBudget>> {
        self.0.values()
    }

    pub(super) fn of(&self, tags: &[String]) -> Vec<Arc<TagBudget>> {
        if self.0.is_empty() {
            return Vec::new();
        }
        let known = tags.iter().filter_map(|tag| self.0.get(tag));
        known.cloned().collect()
    }
}

/// Refuses a request one of whose budgets is spent: it may be made again when all of them may be spent anew.
///
/// # Errors
///
/// [`ErrorKind::NoDeployment`], which falls back nowhere: the tags go along to every group.
pub(super) fn check(budgets: &[Arc<TagBudget>], now: Instant) -> Result<(), Error> {
    let mut over = budgets
        .iter()
        .filter(|one| one.spend.is_over(one.budget, now))
        .peekable();
    if over.peek().is_none() {
        return Ok(());
    }
    // One without a period never opens.
    let wait: Option<Vec<Duration>> = over
        .map(|one| one.spend.resets_in(one.budget, now))
        .collect();
    let wait = wait.and_then(|waits| waits.into_iter().max());
    let message = "No deployments available - crossed budget of a tag of the request";
    Err(Error::new(ErrorKind::NoDeployment, message)
        .with_type("rate_limit_error")
        .with_retry_after(wait)
        .with_fallback(Fallback::None))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock as _, ManualClock};

    const DAY: Duration = Duration::from_secs(86_400);

    fn settings(budgets: &[(&str, f64, Option<Duration>)]) -> RouterSettings {
        let budgets = budgets.iter().map(|(tag, limit_usd, period)| {
            let budget = Budget {
                limit_usd: *limit_usd,
                period: *period,
            };
            ((*tag).to_owned(), budget)
        });
        RouterSettings {
            tag_budgets: budgets.collect(),
            ..RouterSettings::default()
        }
    }

    fn tags(tags: &[&str]) -> Vec<String> {
        tags.iter().map(|tag| (*tag).to_owned()).collect()
    }

    #[test]
    fn request_waits_for_the_last_of_its_spent_budgets() {
        let clock = ManualClock::at(std::time::UNIX_EPOCH);
        let settings = settings(&[
            ("day", 1.0, Some(DAY)),
            ("week", 1.0, Some(DAY * 7)),
            ("ever", 1.0, None),
        ]);
        let all = TagBudgets::new(&settings, None);
        for one in all.all() {
            one.spend.add(1.0, one.budget, clock.now());
        }
        let wait = |names: &[&str]| {
            let error = check(&all.of(&tags(names)), clock.now()).unwrap_err();
            assert_eq!(error.fallback(true), Fallback::None);
            error.retry_after()
        };
        assert_eq!(wait(&["day"]), Some(DAY));
        assert_eq!(wait(&["day", "week"]), Some(DAY * 7));
        assert_eq!(wait(&["day", "ever"]), None);
        assert!(check(&all.of(&tags(&["other"])), clock.now()).is_ok());
        clock.advance(DAY);
        assert!(check(&all.of(&tags(&["day"])), clock.now()).is_ok());
    }

    #[test]
    fn what_was_spent_outlives_a_reload() {
        let clock = ManualClock::at(std::time::UNIX_EPOCH);
        let before = TagBudgets::new(&settings(&[("a", 1.0, Some(DAY))]), None);
        let [budget] = &before.of(&tags(&["a"]))[..] else {
            panic!("one tag has one budget");
        };
        budget.spend.add(2.0, budget.budget, clock.now());
        let after = |limit| TagBudgets::new(&settings(&[("a", limit, Some(DAY))]), Some(&before));
        assert!(check(&after(2.0).of(&tags(&["a"])), clock.now()).is_err());
        assert!(check(&after(3.0).of(&tags(&["a"])), clock.now()).is_ok());
    }
}
