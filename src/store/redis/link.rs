//! Whether Redis is there. A breaker: what is lost or late once opens it, then nobody asks until the task that tends the
//! connection has a new one that answers in time and has been handed the ledger.
//!
//! Three states: *up*; *lost*, for at most one timeout after a connection broke, in which who noticed or asks waits for the
//! new one (a restarted server is back in a millisecond); *down*, in which everyone is told so at once. What was late
//! goes to *down* directly: a frozen server costs one timeout, not one per call.

use tokio::sync::{Notify, watch};

use super::failure::Failure;
use super::place::Wire;
use crate::store::StoreError;

/// A connection that was handed the ledger.
#[derive(Debug, Clone)]
pub(super) struct Session {
    /// The connection.
    pub(super) wire: Wire,
    /// Another one, for values: they may be large, and what waits behind them on one connection is late.
    pub(super) values: Wire,
    /// Tells sessions apart: the server refuses what comes from an earlier one.
    pub(super) number: u64,
    /// Why the server did not take the ledger: then nothing can be taken from limits, but values can be read.
    pub(super) refused: Option<String>,
}

#[derive(Debug, Clone)]
enum State {
    Up(Session),
    Lost,
    Down(StoreError),
}

/// The state of the connection.
#[derive(Debug)]
pub(super) struct Link {
    state: watch::Sender<State>,
    broken: Notify,
}

impl Link {
    /// Starts without a connection.
    pub(super) fn new() -> Self {
        Self {
            state: watch::Sender::new(State::Lost),
            broken: Notify::new(),
        }
    }

    /// Says whether there is a connection.
    pub(super) fn is_up(&self) -> bool {
        matches!(*self.state.borrow(), State::Up(_))
    }

    /// Returns the session in force.
    pub(super) fn current(&self) -> Option<Session> {
        match &*self.state.borrow() {
            State::Up(session) => Some(session.clone()),
            State::Lost | State::Down(_) => None,
        }
    }

    /// Returns why nobody should ask now, if so.
    pub(super) fn down(&self) -> Option<StoreError> {
        match &*self.state.borrow() {
            State::Down(why) => Some(why.clone()),
            State::Up(_) | State::Lost => None,
        }
    }

    /// Returns the session; waits while a lost connection is replaced, which ends soon.
    pub(super) async fn session(&self) -> Result<Session, StoreError> {
        let mut watched = self.state.subscribe();
        let state = watched
            .wait_for(|state| !matches!(state, State::Lost))
            .await;
        match state.as_deref() {
            Ok(State::Up(session)) => Ok(session.clone()),
            Ok(State::Down(why)) => Err(why.clone()),
            Ok(State::Lost) | Err(_) => Err(StoreError::Away("it is not connected".to_owned())),
        }
    }

    /// Notes that a session's connection broke, or that the server does not know the session.
    pub(super) fn lose(&self, number: u64) {
        self.leave(number, || State::Lost);
    }

    /// Notes that a session did not answer in time.
    pub(super) fn give_up(&self, number: u64, why: &str) {
        self.leave(number, || State::Down(StoreError::Away(why.to_owned())));
    }

    fn leave(&self, number: u64, to: impl FnOnce() -> State) {
        let left = self.state.send_if_modified(|state| match state {
            State::Up(session) if session.number == number => {
                *state = to();
                true
            }
            _ => false,
        });
        if left {
            self.broken.notify_one();
        }
    }

    /// Puts a session in force.
    pub(super) fn put(&self, session: Session) {
        self.state.send_replace(State::Up(session));
    }

    /// Gives a session that is in force another connection for values.
    pub(super) fn put_values(&self, number: u64, values: Wire) {
        self.state.send_if_modified(|state| match state {
            State::Up(session) if session.number == number => {
                session.values = values;
                true
            }
            _ => false,
        });
    }

    /// Notes that the new connection takes long: nobody waits for it any more.
    pub(super) fn stop_waiting(&self) {
        self.state.send_if_modified(|state| {
            let waits = matches!(state, State::Lost);
            if waits {
                *state = State::Down(StoreError::Away("it is not connected".to_owned()));
            }
            waits
        });
    }

    /// Notes why there is no connection.
    pub(super) fn fail(&self, failure: Failure) {
        let why = StoreError::from(failure);
        self.state.send_if_modified(|state| match state {
            State::Up(_) => false,
            State::Lost | State::Down(_) => {
                *state = State::Down(why);
                true
            }
        });
    }

    /// Waits until the session in force is left.
    pub(super) async fn broken(&self) {
        self.broken.notified().await;
    }
}
