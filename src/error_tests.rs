//! Pins the table of what follows from each kind of error.

use std::collections::HashSet;

use super::*;

#[test]
fn every_kind_has_its_row() {
    use Cooling::{AtOnce, Never as Warm, PastWindow};
    use ErrorKind as K;
    use Fallback::{ContentPolicy as Content, ContextWindow as Context, General, None as Stop};
    use Fault::{Client, Router, Upstream};
    use Retry::{Elsewhere, Never, UntriedFirst};
    #[rustfmt::skip]
    let rows = [
        (K::BadRequest, Client, 400, "invalid_request_error", Never, Stop, Warm),
        (K::Unauthenticated, Client, 401, "auth_error", Never, Stop, Warm),
        (K::Forbidden, Client, 403, "permission_error", Never, Stop, Warm),
        (K::UnknownModel, Client, 400, "invalid_request_error", Never, Stop, Warm),
        (K::LimitReached, Client, 429, "throttling_error", Never, Stop, Warm),
        (K::BudgetReached, Client, 422, "budget_exceeded", Never, Stop, Warm),
        (K::Overloaded, Router, 503, "overloaded_error", Never, Stop, Warm),
        (K::ContextWindow, Client, 400, "invalid_request_error", Never, Context, Warm),
        (K::ContentPolicy, Client, 400, "invalid_request_error", Never, Content, Warm),
        (K::Throttled, Upstream, 429, "throttling_error", UntriedFirst, General, AtOnce),
        (K::UpstreamDenied, Upstream, 401, "authentication_error", Elsewhere, General, AtOnce),
        (K::UpstreamMissing, Upstream, 404, "invalid_request_error", Never, General, AtOnce),
        (K::Timeout, Upstream, 408, "timeout_error", UntriedFirst, General, PastWindow),
        (K::Unavailable, Upstream, 503, "internal_server_error", UntriedFirst, General, PastWindow),
        (K::Garbled, Upstream, 502, "internal_server_error", UntriedFirst, General, PastWindow),
        (K::ModelFault, Upstream, 424, "invalid_request_error", UntriedFirst, General, PastWindow),
        (K::NoDeployment, Router, 429, "all_deployments_in_cooldown", Never, General, Warm),
        (K::Internal, Router, 500, "internal_server_error", Never, Stop, Warm),
    ];
    assert_eq!(rows.map(|row| row.0), ErrorKind::ALL);
    for (kind, fault, status, error_type, retry, fallback, cooling) in rows {
        let expected = Policy {
            fault,
            status: StatusCode::from_u16(status).unwrap(),
            error_type,
            retry,
            fallback,
            cooling,
        };
        assert_eq!(kind.policy(), expected, "{kind:?}");
    }
}

#[test]
fn names_are_distinct_and_lead_back() {
    let names: HashSet<_> = ErrorKind::ALL.map(ErrorKind::name).into();
    assert_eq!(names.len(), ErrorKind::ALL.len());
    for kind in ErrorKind::ALL {
        assert_eq!(ErrorKind::named(kind.name()), Some(kind));
    }
    assert_eq!(ErrorKind::named("nothing"), None);
}

#[test]
fn classes_stand_at_their_own_place() {
    for (place, class) in ErrorClass::ALL.into_iter().enumerate() {
        assert_eq!(class as usize, place);
    }
}

fn with_status(kind: ErrorKind, status: u16) -> Error {
    Error::new(kind, "x").with_status(StatusCode::from_u16(status).unwrap())
}

fn model_fault(original: Option<u16>) -> Error {
    Error::new(ErrorKind::ModelFault, "x").with_original_status(original)
}

#[test]
fn class_follows_kind_then_status() {
    use ErrorClass as C;
    let of = |kind| Error::new(kind, "x").class();
    assert_eq!(of(ErrorKind::ContextWindow), C::ContextWindow);
    assert_eq!(of(ErrorKind::ContentPolicy), C::ContentPolicy);
    assert_eq!(of(ErrorKind::Garbled), C::BadGateway);
    assert_eq!(of(ErrorKind::ModelFault), C::BadRequest);
    assert_eq!(with_status(ErrorKind::Timeout, 504).class(), C::Timeout);
    for (status, class) in [
        (400, C::BadRequest),
        (401, C::Authentication),
        (403, C::PermissionDenied),
        (404, C::NotFound),
        (409, C::BadRequest),
        (422, C::BadRequest),
        (429, C::RateLimit),
        (500, C::Internal),
        (502, C::BadGateway),
        (503, C::Unavailable),
        (529, C::Unavailable),
    ] {
        let error = with_status(ErrorKind::Unavailable, status);
        assert_eq!(error.class(), class, "{status}");
    }
}

#[test]
fn only_a_refused_key_and_not_a_refused_right_cools() {
    let denied = |status| with_status(ErrorKind::UpstreamDenied, status).cooling();
    assert_eq!(denied(401), Cooling::AtOnce);
    assert_eq!(denied(403), Cooling::Never);
}

#[test]
fn model_faults_count_by_their_original_status() {
    let all = |error: Error| (error.retry(), error.fallback(false), error.cooling());
    let upstream = (Retry::UntriedFirst, Fallback::General);
    assert_eq!(
        all(model_fault(Some(500))),
        (upstream.0, upstream.1, Cooling::PastWindow)
    );
    assert_eq!(
        all(model_fault(None)),
        (upstream.0, upstream.1, Cooling::Never)
    );
    assert_eq!(
        all(model_fault(Some(400))),
        (Retry::Never, Fallback::None, Cooling::Never)
    );
    assert_eq!(model_fault(Some(400)).fallback(true), Fallback::General);
}

#[test]
fn callers_mistakes_fall_back_only_when_asked_for() {
    for kind in [
        ErrorKind::BadRequest,
        ErrorKind::UnknownModel,
        ErrorKind::Forbidden,
    ] {
        let error = Error::new(kind, "x");
        assert_eq!(error.fallback(false), Fallback::None, "{kind:?}");
        assert_eq!(error.fallback(true), Fallback::General, "{kind:?}");
        let tagged = error.with_fallback(Fallback::None);
        assert_eq!(tagged.fallback(true), Fallback::None, "{kind:?}");
        assert!(tagged.is_final());
    }
    for kind in [
        ErrorKind::Unauthenticated,
        ErrorKind::LimitReached,
        ErrorKind::BudgetReached,
        ErrorKind::Overloaded,
        ErrorKind::Internal,
    ] {
        assert_eq!(Error::new(kind, "x").fallback(true), Fallback::None);
    }
    let of_one_model = Error::new(ErrorKind::LimitReached, "x").with_fallback(Fallback::General);
    assert_eq!(of_one_model.fallback(false), Fallback::General);
    assert!(!of_one_model.is_final());
}

#[test]
fn an_unpaid_account_is_no_mistake_of_the_caller() {
    let unpaid = with_status(ErrorKind::BadRequest, 402);
    assert_eq!(unpaid.fallback(false), Fallback::General);
    assert_eq!(unpaid.cooling(), Cooling::AtOnce);
    assert_eq!(unpaid.retry(), Retry::Never);
}
