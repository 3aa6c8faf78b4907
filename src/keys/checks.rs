//! What a virtual key must pass before its call is served, in LiteLLM's order: not blocked, the model and the caller's own
//! fallbacks, not expired, within its budget. Limits come after.

use std::time::{Instant, SystemTime};

use http::{HeaderMap, StatusCode};

use super::access::{Access, ModelName};
use super::authenticate::{Identity, KeyPolicy};
use super::spend::{GatewaySpend, OverBudget, Reservation};
use super::virtual_key::VirtualKey;
use crate::clock::rfc3339;
use crate::error::{Error, ErrorKind, Result};

/// How much of a name that a client sent is repeated to it.
const SHOWN: usize = 128;

/// What a key's call is checked by.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// The model that is asked for, after the key's own aliases.
    pub model: &'a ModelName<'a>,
    /// The fallbacks that the request itself names.
    pub fallbacks: &'a [ModelName<'a>],
    /// Whether the model costs nothing by an explicit price of 0: then no budget is looked at.
    pub is_free: bool,
    /// The time, for the budget.
    pub now: Instant,
    /// The wall-clock time, for the expiry.
    pub wall: SystemTime,
    /// `budget_exceeded_status_code`.
    pub budget_status: Option<u16>,
}

impl VirtualKey {
    /// Checks a call of a model, and says by what right the key may make it.
    ///
    /// # Errors
    ///
    /// 403 for a model that the key may not call, 401 for an expired key, 422 (or as configured) for a budget that is used
    /// up.
    pub fn check_call(&self, wanted: &Wanted<'_>) -> Result<Access> {
        let access = self.access(wanted.model);
        if access == Access::Denied {
            return Err(denied(wanted.model.asked));
        }
        for fallback in wanted.fallbacks {
            if self.access(fallback) == Access::Denied {
                return Err(denied(fallback.asked));
            }
        }
        self.check_standing(
            wanted.now,
            wanted.wall,
            wanted.is_free,
            wanted.budget_status,
        )?;
        Ok(access)
    }

    /// Checks that the key may call a model which no group of ours stands for, so that only its names tell: `names` are all
    /// spellings of the id `asked`, and the key's own aliases are not looked at.
    ///
    /// # Errors
    ///
    /// 403.
    pub fn check_id(&self, asked: &str, names: &[&str]) -> Result<()> {
        let may = |name: &&str| {
            let model = ModelName {
                asked: name,
                ..ModelName::default()
            };
            self.access(&model) == Access::ByName
        };
        if names.iter().any(may) {
            Ok(())
        } else {
            Err(denied(asked))
        }
    }

    /// Checks what holds for a call of any model, or of none: the key has not expired, and its budget is not used up.
    ///
    /// # Errors
    ///
    /// As [`VirtualKey::check_call`].
    pub fn check_standing(
        &self,
        now: Instant,
        wall: SystemTime,
        is_free: bool,
        budget_status: Option<u16>,
    ) -> Result<()> {
        self.check_expiry(wall)?;
        let budget = self.config.budget.filter(|_| !is_free);
        self.runtime
            .check(budget, now)
            .map_err(|over| over_budget(over, budget_status))
    }

    /// Reserves the US dollars that a call may cost, until the reservation is dropped.
    ///
    /// # Errors
    ///
    /// As [`VirtualKey::check_call`] for a budget that calls under way use up.
    pub fn reserve(&self, usd: f64, now: Instant, status: Option<u16>) -> Result<Reservation> {
        self.runtime
            .reserve(usd, self.config.budget, now)
            .map_err(|over| over_budget(over, status))
    }

    /// Checks that the key's budget is not spent, for another model of a call that was let in.
    ///
    /// # Errors
    ///
    /// As [`VirtualKey::check_call`] for a budget that is used up.
    pub fn check_spent(&self, now: Instant, status: Option<u16>) -> Result<()> {
        self.runtime
            .check_spent(self.config.budget, now)
            .map_err(|over| over_budget(over, status))
    }

    /// Checks that the key has not expired.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unauthenticated`].
    pub fn check_expiry(&self, wall: SystemTime) -> Result<()> {
        match self.config.expires {
            Some(expires) if expires <= wall => Err(Error::new(
                ErrorKind::Unauthenticated,
                format!(
                    "Authentication Error, Expired Key. Key Expiry time {} and current time {}",
                    rfc3339(expires),
                    rfc3339(wall)
                ),
            )
            .with_type("expired_key")),
            _ => Ok(()),
        }
    }
}

impl GatewaySpend {
    /// Checks that the budget of the whole gateway is not spent, for another model of a call that was let in.
    ///
    /// # Errors
    ///
    /// As [`VirtualKey::check_call`] for a budget that is used up.
    pub fn check_spent(&self, now: Instant, status: Option<u16>) -> Result<()> {
        self.runtime
            .check_spent(self.budget, now)
            .map_err(|over| over_budget(over, status))
    }

    /// Reserves the US dollars that a call may cost in the budget of the whole gateway, if it has one.
    ///
    /// # Errors
    ///
    /// As [`VirtualKey::check_call`] for a budget that is used up.
    pub fn reserve(
        &self,
        usd: f64,
        now: Instant,
        status: Option<u16>,
    ) -> Result<Option<Reservation>> {
        if self.budget.is_none() {
            return Ok(None);
        }
        let reserved = self.runtime.reserve(usd, self.budget, now);
        reserved.map(Some).map_err(|over| over_budget(over, status))
    }
}

/// Checks that a request may administrate at `path`: by the master key, or by a virtual key whose `allowed_routes` name it.
/// A gateway without any key is open here too.
///
/// # Errors
///
/// 401 without a key that is known, 403 with another one.
pub fn admin(policy: &KeyPolicy, headers: &HeaderMap, path: &str, wall: SystemTime) -> Result<()> {
    administrates(&policy.check(headers)?, path, wall)
}

/// Checks that a caller who is known may administrate at `path`.
///
/// # Errors
///
/// As [`admin`].
pub fn administrates(identity: &Identity, path: &str, wall: SystemTime) -> Result<()> {
    match identity {
        Identity::Administrator | Identity::Anyone => Ok(()),
        Identity::Key(key) => {
            key.check_expiry(wall)?;
            if key.administrates(path) {
                return Ok(());
            }
            Err(Error::new(
                ErrorKind::Forbidden,
                "only the administrator may do this: it needs the master key, or a key whose `allowed_routes` name this path",
            ))
        }
    }
}

fn denied(model: &str) -> Error {
    let shown: String = model.chars().take(SHOWN).collect();
    Error::new(
        ErrorKind::Forbidden,
        format!("key not allowed to access model. Tried to access {shown}"),
    )
    .with_type("key_model_access_denied")
    .with_param("model")
}

fn over_budget(over: OverBudget, status: Option<u16>) -> Error {
    let error = Error::new(
        ErrorKind::BudgetReached,
        format!(
            "Budget has been exceeded! Current cost: {:.6}, Max budget: {}",
            over.spent_usd, over.limit_usd
        ),
    )
    .with_retry_after(over.resets_in);
    match status.and_then(|status| StatusCode::from_u16(status).ok()) {
        Some(status) => error.with_status(status),
        None => error,
    }
}

#[cfg(test)]
#[path = "checks_tests.rs"]
mod tests;
