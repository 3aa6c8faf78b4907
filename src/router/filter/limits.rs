//! Limits of deployments: which of those in the file are held to, and who has room now.

use std::time::Duration;

use super::{Left, Scope};
use crate::config::{DeploymentLimits, RouterSettings, StrategyName};
use crate::limit::Cost;
use crate::router::NoPick;

/// Returns the limits of a deployment that are held to; the others are only weights and headers.
///
/// `max_parallel_requests` always is, else `default_max_parallel_requests`, and between them what `rpm` or `tpm` stand for
/// where `parallel_limit_from_rpm` says so. `rpm` and `tpm` are where `enforce_model_rate_limits`, or a strategy that goes by
/// use, asks for it, `rpm` also under pre-call checks; `itpm` and `otpm` under `enforce_model_rate_limits` only.
pub fn enforced(
    limits: &DeploymentLimits,
    settings: &RouterSettings,
    strategy: StrategyName,
) -> DeploymentLimits {
    let all = settings.enforce_model_rate_limits;
    let by_strategy = matches!(
        strategy,
        StrategyName::UsageBased | StrategyName::LatencyBased | StrategyName::CostBased
    );
    let derived = || {
        settings
            .parallel_limit_from_rpm
            .then(|| from_rates(limits))?
    };
    DeploymentLimits {
        rpm: (limits.rpm).filter(|_| all || by_strategy || settings.pre_call_checks),
        tpm: limits.tpm.filter(|_| all || by_strategy),
        itpm: limits.itpm.filter(|_| all),
        otpm: limits.otpm.filter(|_| all),
        parallel: (limits.parallel)
            .or_else(derived)
            .or(settings.default_parallel),
        ..limits.clone()
    }
}

/// LiteLLM's limit of parallel calls where only rates are written: `rpm`, else 6 for each 1000 `tpm`, at least 1.
fn from_rates(limits: &DeploymentLimits) -> Option<u32> {
    let small = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    let of_tpm = |tpm: u64| small(tpm.saturating_mul(6) / 1_000).max(1);
    limits.rpm.map(small).or(limits.tpm.map(of_tpm))
}

pub(super) fn filter<'a>(scope: &Scope<'a>, left: &mut Left<'a>) -> Result<(), NoPick> {
    let cost = Cost {
        requests: scope.asked.cost.requests.max(1),
        ..scope.asked.cost
    };
    let mut shortest: Option<Duration> = None;
    // A slot comes free when a call ends, and nobody knows when that is.
    let mut any_time = false;
    left.retain(|deployment| match deployment.meters.room(cost, scope.now) {
        Ok(()) => true,
        Err(full) => {
            match full.retry_after {
                Some(wait) => {
                    shortest = Some(shortest.map_or(wait, |shortest| shortest.min(wait)));
                }
                None => any_time = true,
            }
            false
        }
    });
    if left.is_empty() {
        return Err(NoPick::Full {
            retry_after: shortest.filter(|_| !any_time),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> DeploymentLimits {
        DeploymentLimits {
            rpm: Some(10),
            tpm: Some(5_000),
            itpm: Some(7),
            otpm: Some(8),
            order: Some(1),
            ..DeploymentLimits::default()
        }
    }

    #[test]
    fn rates_are_weights_unless_somebody_asks_for_more() {
        let settings = RouterSettings::default();
        let held = enforced(&limits(), &settings, StrategyName::SimpleShuffle);
        assert_eq!(
            (held.rpm, held.tpm, held.itpm, held.otpm),
            (None, None, None, None)
        );
        assert_eq!((held.parallel, held.order), (None, Some(1)));
        for strategy in [
            StrategyName::UsageBased,
            StrategyName::LatencyBased,
            StrategyName::CostBased,
        ] {
            let held = enforced(&limits(), &settings, strategy);
            assert_eq!((held.rpm, held.tpm), (Some(10), Some(5_000)));
            assert_eq!((held.itpm, held.otpm), (None, None));
        }
        let checks = RouterSettings {
            pre_call_checks: true,
            ..RouterSettings::default()
        };
        let held = enforced(&limits(), &checks, StrategyName::P2c);
        assert_eq!((held.rpm, held.tpm), (Some(10), None));
        let all = RouterSettings {
            enforce_model_rate_limits: true,
            ..RouterSettings::default()
        };
        assert_eq!(enforced(&limits(), &all, StrategyName::LeastBusy), limits());
    }

    #[test]
    fn parallel_limit_is_written_or_derived_on_demand_or_the_default() {
        let mut settings = RouterSettings {
            default_parallel: Some(3),
            ..RouterSettings::default()
        };
        let parallel = |limits: &DeploymentLimits, settings: &RouterSettings| {
            enforced(limits, settings, StrategyName::SimpleShuffle).parallel
        };
        let mut limits = limits();
        assert_eq!(parallel(&limits, &settings), Some(3));
        settings.parallel_limit_from_rpm = true;
        assert_eq!(parallel(&limits, &settings), Some(10));
        limits.rpm = None;
        assert_eq!(parallel(&limits, &settings), Some(30));
        limits.tpm = Some(10);
        assert_eq!(parallel(&limits, &settings), Some(1));
        limits.tpm = None;
        assert_eq!(parallel(&limits, &settings), Some(3));
        limits.parallel = Some(2);
        assert_eq!(parallel(&limits, &settings), Some(2));
    }
}
