//! Single flight: identical calls that come while the first one is under way share it.
//!
//! The first caller becomes the leader. Its upstream call runs in a task of its own and writes what comes into a log; all
//! callers, the first one included, are waiters who read that log at their own pace. This is one mechanism for whole
//! answers (a log of one item) and for streams, where a late waiter reads from the beginning. It makes hanging up simple:
//! a waiter that is dropped leaves its seat, whoever it is, and the call upstream ends with the last seat.
//!
//! The log is bounded. As long as it fits, it is kept whole for those who still come. Past the bound nobody may join any
//! more, what all have read is dropped, and the leader waits for the slowest waiter: nobody misses a word, and no memory
//! grows. How long a waiter waits is its own affair: dropping it is always safe.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::error::{Error, ErrorKind, Result};

/// What the log of one call may hold, in bytes, before the leader waits for its waiters.
const MOST_BYTES: usize = 1024 * 1024;

/// Calls under way, by key.
pub struct Flights<T>(Registry<T>);

type Registry<T> = Arc<Mutex<HashMap<String, Arc<Flight<T>>>>>;

/// What a caller is in a shared call.
#[derive(Debug)]
pub enum Joined<T> {
    /// The first: the [`Lead`] goes into a task that makes the call, the [`Waiter`] is the caller's own.
    Leader(Lead<T>, Waiter<T>),
    /// One more.
    Follower(Waiter<T>),
}

/// Makes the call. Dropping it without [`Lead::finish`] ends it with an error.
pub struct Lead<T>(Arc<Flight<T>>);

/// Waits for what the call brings. Dropping it gives the call up; the last one ends it.
pub struct Waiter<T> {
    flight: Arc<Flight<T>>,
    seat: u64,
}

struct Flight<T> {
    key: String,
    registry: Registry<T>,
    state: Mutex<State<T>>,
}

struct State<T> {
    /// What has come, each item with its size; the first one has the number `first`.
    log: VecDeque<(T, usize)>,
    first: u64,
    bytes: usize,
    seats: Vec<Seat>,
    next_seat: u64,
    /// How the call ended.
    end: Option<Result<()>>,
    /// Whether more may join: the log is whole, and the call goes on.
    is_open: bool,
    leader: Option<Waker>,
}

struct Seat {
    id: u64,
    /// The number of the item that comes next.
    next: u64,
    /// Whether the end was told.
    is_done: bool,
    waker: Option<Waker>,
}

impl<T> Default for Flights<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T: Clone> Flights<T> {
    /// Joins the call under way for `key`, or opens one.
    pub fn join(&self, key: &str) -> Joined<T> {
        let mut flights = lock(&self.0);
        if let Some(waiter) = flights.get(key).and_then(Waiter::sit) {
            return Joined::Follower(waiter);
        }
        let flight = Arc::new(Flight {
            key: key.to_owned(),
            registry: Arc::clone(&self.0),
            state: Mutex::new(State {
                log: VecDeque::new(),
                first: 0,
                bytes: 0,
                seats: vec![Seat::new(0)],
                next_seat: 1,
                end: None,
                is_open: true,
                leader: None,
            }),
        });
        flights.insert(key.to_owned(), Arc::clone(&flight));
        let waiter = Waiter {
            flight: Arc::clone(&flight),
            seat: 0,
        };
        Joined::Leader(Lead(flight), waiter)
    }

    /// Joins the call under way for `key` if there is one.
    pub fn follow(&self, key: &str) -> Option<Waiter<T>> {
        lock(&self.0).get(key).and_then(Waiter::sit)
    }

    /// Returns how many calls can be joined.
    #[cfg(test)]
    fn len(&self) -> usize {
        lock(&self.0).len()
    }

    /// Says whether there is no call to join.
    #[cfg(test)]
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T> Lead<T> {
    /// Appends what has come, `bytes` long, as soon as there is room. Returns `false` when nobody waits any more.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future before it is ready appends nothing.
    pub async fn push(&self, item: T, bytes: usize) -> bool {
        let mut item = Some(item);
        poll_fn(|cx| {
            let mut state = self.0.state();
            if state.seats.is_empty() {
                return Poll::Ready(false);
            }
            if state.bytes > MOST_BYTES {
                state.leader = Some(cx.waker().clone());
                return Poll::Pending;
            }
            let Some(item) = item.take() else {
                return Poll::Ready(true);
            };
            state.log.push_back((item, bytes));
            state.bytes = state.bytes.saturating_add(bytes);
            let filled = state.is_open && state.bytes > MOST_BYTES;
            if filled {
                state.is_open = false;
            }
            state.trim();
            state.wake_waiters();
            drop(state);
            if filled {
                self.0.unlist();
            }
            Poll::Ready(true)
        })
        .await
    }

    /// Runs `work` as long as somebody waits; `None` when the last one left first, and `work` was dropped.
    pub async fn while_awaited<F: Future>(&self, work: F) -> Option<F::Output> {
        let mut work = pin!(work);
        poll_fn(|cx| {
            if self.poll_abandoned(cx).is_ready() {
                return Poll::Ready(None);
            }
            work.as_mut().poll(cx).map(Some)
        })
        .await
    }

    /// Is ready when nobody waits any more.
    pub fn poll_abandoned(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.0.state();
        if state.seats.is_empty() {
            return Poll::Ready(());
        }
        state.leader = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Ends the call: all waiters are told, each behind what it has not read yet. What is to be found by the next caller
    /// must be in the cache before.
    pub fn finish(self, end: Result<()>) {
        self.0.end(end);
    }
}

impl<T> Drop for Lead<T> {
    fn drop(&mut self) {
        // Does nothing after `finish`.
        self.0.end(Err(Error::new(
            ErrorKind::Internal,
            "the call that was shared ended early",
        )));
    }
}

impl<T: Clone> Waiter<T> {
    /// Takes a seat; `None` when nobody may join any more.
    fn sit(flight: &Arc<Flight<T>>) -> Option<Self> {
        let mut state = flight.state();
        if !state.is_open {
            return None;
        }
        let seat = state.next_seat;
        state.next_seat += 1;
        state.seats.push(Seat::new(seat));
        drop(state);
        Some(Self {
            flight: Arc::clone(flight),
            seat,
        })
    }

    /// Returns what comes next: an item, an error that ends the call, or `None` behind the last item.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<T>>> {
        let mut guard = self.flight.state();
        let state = &mut *guard;
        let Some(seat) = state.seats.iter_mut().find(|seat| seat.id == self.seat) else {
            return Poll::Ready(None);
        };
        let place = usize::try_from(seat.next - state.first).unwrap_or(usize::MAX);
        if let Some((item, _)) = state.log.get(place) {
            let item = item.clone();
            seat.next += 1;
            state.trim();
            return Poll::Ready(Some(Ok(item)));
        }
        match &state.end {
            None => {
                seat.waker = Some(cx.waker().clone());
                Poll::Pending
            }
            Some(Err(error)) if !seat.is_done => {
                seat.is_done = true;
                Poll::Ready(Some(Err(error.clone())))
            }
            Some(_) => Poll::Ready(None),
        }
    }

    /// Waits for what comes next, see [`Waiter::poll_next`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Result<T>> {
        poll_fn(|cx| self.poll_next(cx)).await
    }
}

impl<T> Drop for Waiter<T> {
    fn drop(&mut self) {
        let mut state = self.flight.state();
        state.seats.retain(|seat| seat.id != self.seat);
        let is_last = state.seats.is_empty();
        if is_last {
            state.is_open = false;
        }
        state.trim();
        // The leader looks whether anybody is left.
        if let Some(leader) = state.leader.take() {
            leader.wake();
        }
        drop(state);
        if is_last {
            self.flight.unlist();
        }
    }
}

impl<T> Flight<T> {
    fn state(&self) -> MutexGuard<'_, State<T>> {
        lock(&self.state)
    }

    fn end(&self, end: Result<()>) {
        let mut state = self.state();
        if state.end.is_some() {
            return;
        }
        state.end = Some(end);
        state.is_open = false;
        state.wake_waiters();
        drop(state);
        self.unlist();
    }

    /// Nobody finds the call any more. Taken without the lock on its state: joining takes the two the other way round.
    fn unlist(&self) {
        let mut flights = lock(&self.registry);
        let is_listed = flights
            .get(&self.key)
            .is_some_and(|listed| std::ptr::eq(&raw const **listed, self));
        if is_listed {
            flights.remove(&self.key);
        }
    }
}

impl<T> State<T> {
    /// Drops what everyone has read, once nobody can come any more who has not; the leader may then have room.
    fn trim(&mut self) {
        if self.is_open {
            return;
        }
        let end = self.first.saturating_add(self.log.len() as u64);
        let read = self.seats.iter().map(|seat| seat.next).min().unwrap_or(end);
        let before = self.bytes;
        while self.first < read {
            let Some((_, bytes)) = self.log.pop_front() else {
                break;
            };
            self.first += 1;
            self.bytes = self.bytes.saturating_sub(bytes);
        }
        if self.bytes < before
            && let Some(leader) = self.leader.take()
        {
            leader.wake();
        }
    }

    fn wake_waiters(&mut self) {
        for seat in &mut self.seats {
            if let Some(waker) = seat.waker.take() {
                waker.wake();
            }
        }
    }
}

impl Seat {
    fn new(id: u64) -> Self {
        Self {
            id,
            next: 0,
            is_done: false,
            waker: None,
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<T> fmt::Debug for Flights<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flights").finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Lead<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lead").finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Waiter<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiter").finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "flight_tests.rs"]
mod tests;
