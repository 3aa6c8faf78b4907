//! Taking from limits, and giving back.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::oneshot;

use super::link::Session;
use super::script::Input;
use super::{ALIVE_FOR, Inner, Request, millis, read, step_ms};
use crate::store::{Charge, ChargeKind, Correction, Stamp, StoreError, Verdict};

/// Takes all charges or none. It is a task of its own: should the caller go away before the answer comes, what was taken
/// is given back.
pub(super) async fn reserve(inner: &Arc<Inner>, charges: &[Charge]) -> Result<Verdict, StoreError> {
    if let Some(why) = inner.link.down() {
        return Err(why);
    }
    let (sender, receiver) = oneshot::channel();
    let task_inner = Arc::clone(inner);
    let charges = charges.to_vec();
    inner.tracker.spawn(async move {
        let verdict = take(&task_inner, &charges).await;
        if let Err(Ok(Verdict::Granted { at, .. })) = sender.send(verdict) {
            let corrections = all_back(&charges, at);
            // Where it cannot be told now it is told with the ledger.
            drop(correct(&task_inner, &corrections).await);
        }
    });
    receiver
        .await
        .unwrap_or_else(|_| Err(StoreError::Away("the task was ended".to_owned())))
}

fn all_back(charges: &[Charge], at: Stamp) -> Vec<Correction> {
    charges
        .iter()
        .map(|charge| Correction {
            key: charge.key.clone(),
            kind: charge.kind,
            at,
            change: i64::try_from(charge.amount).map_or(i64::MIN, |amount| -amount),
        })
        .collect()
}

async fn take(inner: &Inner, charges: &[Charge]) -> Result<Verdict, StoreError> {
    let mut input = Input {
        keys: vec![inner.keys.instances(), inner.keys.settling()],
        arguments: vec![millis(ALIVE_FOR).to_string()],
    };
    for charge in charges {
        input.keys.extend(names(inner, &charge.key, charge.kind));
        let (letter, length, one_always) = match charge.kind {
            ChargeKind::Window { length, one_always } => ("w", length, one_always),
            ChargeKind::Gauge => ("g", Duration::ZERO, false),
        };
        input.push(letter);
        input.push(charge.limit);
        input.push(charge.amount);
        input.push(millis(length));
        input.push(step_ms(length));
        input.push(u8::from(one_always));
    }
    inner.ledger().expect(charges);
    let asked = AtomicU64::new(0);
    let request = Request::Script(&inner.scripts.reserve, &input);
    let answer: Vec<i64> = read(inner.ask_noting(request, &asked).await?)?;
    let whole = |number: &i64| u64::try_from(*number).unwrap_or(0);
    match answer.as_slice() {
        [1, at, used @ ..] => {
            let at = Stamp(whole(at));
            inner.learn_time(at);
            let mut ledger = inner.ledger();
            ledger.take(charges, at);
            let current = inner.link.current().map(|session| session.number);
            if current != Some(asked.load(Ordering::Relaxed)) {
                // The next session may hand in the ledger as it was before this, or has done so.
                for charge in charges {
                    ledger.note_unsent(&charge.key);
                }
                inner.link.lose(current.unwrap_or(0));
            }
            let used = used.iter().map(whole).collect();
            Ok(Verdict::Granted { at, used })
        }
        [0, index, wait, used] => Ok(Verdict::Refused {
            index: usize::try_from(*index).unwrap_or(0),
            retry_after: u64::try_from(*wait).ok().map(Duration::from_millis),
            used: whole(used),
        }),
        [3] => Err(StoreError::Away(
            "it is new, and other instances have not handed in yet".to_owned(),
        )),
        _ => Err(StoreError::Refused("an answer cannot be read".to_owned())),
    }
}

/// Corrects what was taken. The ledger knows at once; where Redis is away it is told when it is back.
pub(super) async fn correct(inner: &Inner, corrections: &[Correction]) -> Result<(), StoreError> {
    if corrections.is_empty() {
        return Ok(());
    }
    let Some(session) = keep(inner, corrections) else {
        return Ok(());
    };
    let mut input = Input {
        keys: vec![inner.keys.instances()],
        arguments: Vec::with_capacity(corrections.len() * 5),
    };
    for correction in corrections {
        input
            .keys
            .extend(names(inner, &correction.key, correction.kind));
        let (letter, length) = match correction.kind {
            ChargeKind::Window { length, .. } => ("w", length),
            ChargeKind::Gauge => ("g", Duration::ZERO),
        };
        input.push(letter);
        input.push(correction.change);
        input.push(correction.at.0);
        input.push(millis(length));
        input.push(step_ms(length));
    }
    let request = Request::Script(&inner.scripts.correct, &input);
    match inner.ask_in(session, request).await {
        Ok(()) | Err(StoreError::Away(_)) => Ok(()),
        Err(refused) => Err(refused),
    }
}

/// Books corrections here; returns the session in which they are to be told, if there is one.
fn keep(inner: &Inner, corrections: &[Correction]) -> Option<Session> {
    let mut ledger = inner.ledger();
    let session = inner.link.current();
    for correction in corrections {
        ledger.correct(correction, session.is_none());
    }
    session
}

/// Books what was taken while Redis was away.
pub(super) fn took_alone(inner: &Inner, charges: &[Charge]) -> Stamp {
    let at = inner.server_now();
    let mut ledger = inner.ledger();
    ledger.take(charges, at);
    for charge in charges {
        ledger.note_unsent(&charge.key);
    }
    at
}

/// The two names of a limit.
pub(super) fn names(inner: &Inner, key: &str, kind: ChargeKind) -> [String; 2] {
    match kind {
        ChargeKind::Window { .. } => inner.keys.window(key),
        ChargeKind::Gauge => inner.keys.gauge(key),
    }
}
