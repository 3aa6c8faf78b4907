//! Waiting for room, in order: by priority, then by arrival.
//!
//! Only the call at the head tries again: when a permit comes back, or when a window is known to have room. Where it found
//! room there may be more, so it wakes the next two; where they find room too, four are woken by them. Were it one after the
//! other, a queue that formed once would let through one call for each round trip to the shared store, and never end.
//! Nothing polls, and the queue has as many places as it is given.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::Notify;

use crate::clock::Clock;

/// Calls that wait for room, in order.
#[derive(Debug, Default)]
pub struct Queue {
    waiters: Mutex<Waiters>,
}

#[derive(Debug, Default)]
struct Waiters {
    /// Priority and arrival; the first is the head.
    order: BTreeMap<(u32, u64), Waiter>,
    arrivals: u64,
}

#[derive(Debug)]
struct Waiter {
    woken: Arc<Notify>,
    state: State,
}

/// What a waiting call does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// It waits for its turn.
    Idle,
    /// It was woken to try, and has not begun.
    Called,
    /// It tries.
    Trying,
}

/// A call's place in a queue; dropping it leaves the queue.
#[derive(Debug)]
pub struct Waiting {
    queue: Arc<Queue>,
    place: (u32, u64),
    woken: Arc<Notify>,
    found_room: bool,
}

/// What waiting came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// There may be room: try.
    Try,
    /// There was none in time.
    TooLate,
}

impl Queue {
    /// Enters the queue behind all of the same or a better `priority` (0 is best); `None` where `most` wait already.
    pub fn enter(self: &Arc<Self>, priority: u32, most: usize) -> Option<Waiting> {
        let woken = Arc::new(Notify::new());
        let mut waiters = self.lock();
        if waiters.order.len() >= most {
            return None;
        }
        waiters.arrivals += 1;
        let place = (priority, waiters.arrivals);
        let waiter = Waiter {
            woken: Arc::clone(&woken),
            state: State::Idle,
        };
        waiters.order.insert(place, waiter);
        drop(waiters);
        let waiting = Waiting {
            queue: Arc::clone(self),
            place,
            woken,
            found_room: false,
        };
        // Room may have come between the caller's last look and now.
        if waiting.is_head() {
            waiting.woken.notify_one();
        }
        Some(waiting)
    }

    /// Says whether a call of this priority that came now would have to wait behind another.
    pub fn is_ahead_of(&self, priority: u32) -> bool {
        let waiters = self.lock();
        let head = waiters.order.first_key_value();
        head.is_some_and(|((first, _), _)| *first <= priority)
    }

    /// Returns how many wait.
    pub fn len(&self) -> usize {
        self.lock().order.len()
    }

    /// Says whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Wakes the call at the head: there may be room.
    pub fn notify(&self) {
        if let Some((_, head)) = self.lock().order.first_key_value() {
            head.woken.notify_one();
        }
    }

    /// Wakes the first `total` of those that do not try yet.
    fn call(&self, total: usize) {
        let mut waiters = self.lock();
        let idle = waiters.order.values_mut();
        let idle = idle.filter(|waiter| waiter.state == State::Idle);
        for waiter in idle.take(total) {
            waiter.state = State::Called;
            waiter.woken.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiters> {
        self.waiters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// Leaves the queue with what it waited for: the next two are woken.
    pub fn found_room(mut self) {
        self.found_room = true;
    }

    /// Waits until it is this call's turn to try: it is at the head, and a permit came back or `room_at` has come; or one
    /// before it found room.
    ///
    /// `until` ends the waiting. A call that tried in vain asks again.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost; the place is kept until `self` is dropped.
    pub async fn turn(&self, room_at: Option<Instant>, until: Instant, clock: &dyn Clock) -> Turn {
        self.tried_in_vain();
        loop {
            let now = clock.now();
            if now >= until {
                return Turn::TooLate;
            }
            let room_at = room_at.filter(|at| *at < until && self.is_head());
            let wait = room_at.unwrap_or(until).saturating_duration_since(now);
            tokio::select! {
                biased;
                () = self.woken.notified() => {
                    if self.may_try() {
                        return Turn::Try;
                    }
                }
                () = clock.sleep(wait) => match room_at {
                    None => return Turn::TooLate,
                    Some(_) if self.may_try() => return Turn::Try,
                    // One with a better priority came meanwhile.
                    Some(_) => {}
                },
            }
        }
    }

    /// Begins to try, where it was called or is at the head.
    fn may_try(&self) -> bool {
        let is_head = self.is_head();
        let mut waiters = self.queue.lock();
        let Some(own) = waiters.order.get_mut(&self.place) else {
            return false;
        };
        let may_try = is_head || own.state == State::Called;
        if may_try {
            own.state = State::Trying;
        }
        may_try
    }

    fn tried_in_vain(&self) {
        let mut waiters = self.queue.lock();
        if let Some(own) = waiters.order.get_mut(&self.place)
            && own.state == State::Trying
        {
            own.state = State::Idle;
        }
    }

    fn is_head(&self) -> bool {
        let waiters = self.queue.lock();
        let head = waiters.order.first_key_value();
        head.is_some_and(|(place, _)| *place == self.place)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let left = self.queue.lock().order.remove(&self.place);
        if self.found_room {
            self.queue.call(2);
        } else if left.is_some_and(|waiter| waiter.state != State::Idle) {
            self.queue.call(1);
        }
        // It may have gone with a wake-up that it did not use.
        self.queue.notify();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::SystemClock;

    const LONG: Duration = Duration::from_secs(3600);

    fn until() -> Instant {
        SystemClock.now() + LONG
    }

    async fn turn(waiting: &Waiting) -> Turn {
        waiting.turn(None, until(), &SystemClock).await
    }

    /// Polls once: what is ready now.
    async fn now(waiting: &Waiting) -> Option<Turn> {
        tokio::select! {
            biased;
            turn = turn(waiting) => Some(turn),
            () = std::future::ready(()) => None,
        }
    }

    #[tokio::test]
    async fn head_tries_once_on_entering_and_then_when_woken() {
        let queue = Arc::new(Queue::default());
        let first = queue.enter(5, 10).unwrap();
        assert_eq!(now(&first).await, Some(Turn::Try));
        assert_eq!(now(&first).await, None);
        queue.notify();
        assert_eq!(now(&first).await, Some(Turn::Try));
        assert_eq!(now(&first).await, None);
    }

    #[tokio::test]
    async fn order_is_priority_then_arrival() {
        let queue = Arc::new(Queue::default());
        let slow = queue.enter(5, 10).unwrap();
        let early = queue.enter(1, 10).unwrap();
        let late = queue.enter(1, 10).unwrap();
        assert!(queue.is_ahead_of(1) && !queue.is_ahead_of(0));
        assert_eq!(now(&slow).await, None, "its wake-up is no longer good");
        assert_eq!(now(&late).await, None);
        assert_eq!(now(&early).await, Some(Turn::Try));
        drop(early);
        assert_eq!(now(&slow).await, None);
        assert_eq!(now(&late).await, Some(Turn::Try));
        drop(late);
        assert_eq!(now(&slow).await, Some(Turn::Try));
        drop(slow);
        assert!(queue.is_empty());
    }

    #[tokio::test]
    async fn wake_up_of_a_waiter_that_gave_up_goes_to_the_next() {
        let queue = Arc::new(Queue::default());
        let first = queue.enter(0, 10).unwrap();
        let second = queue.enter(0, 10).unwrap();
        assert_eq!(now(&first).await, Some(Turn::Try));
        queue.notify();
        drop(first);
        assert_eq!(now(&second).await, Some(Turn::Try));
    }

    #[tokio::test]
    async fn known_time_of_room_wakes_the_head_only() {
        let queue = Arc::new(Queue::default());
        let first = queue.enter(0, 10).unwrap();
        let second = queue.enter(0, 10).unwrap();
        assert_eq!(now(&first).await, Some(Turn::Try));
        let room_at = Some(SystemClock.now());
        assert_eq!(first.turn(room_at, until(), &SystemClock).await, Turn::Try);
        let soon = SystemClock.now() + Duration::from_millis(5);
        let late = second.turn(room_at, soon, &SystemClock).await;
        assert_eq!(late, Turn::TooLate);
        assert_eq!(first.turn(None, soon, &SystemClock).await, Turn::TooLate);
    }

    #[tokio::test]
    async fn one_that_finds_room_calls_the_next_two_in_order() {
        let queue = Arc::<Queue>::default();
        let [first, second, third, fourth] = [(); 4].map(|()| queue.enter(0, 9).unwrap());
        assert_eq!(now(&first).await, Some(Turn::Try));
        first.found_room();
        assert_eq!(now(&second).await, Some(Turn::Try));
        assert_eq!(now(&third).await, Some(Turn::Try));
        assert_eq!(now(&fourth).await, None);
        // The third finds room while the second still looks.
        third.found_room();
        assert_eq!(now(&fourth).await, Some(Turn::Try));
        // One that gives up hands its call on.
        let fifth = queue.enter(0, 9).unwrap();
        assert_eq!(now(&fifth).await, None);
        drop(fourth);
        assert_eq!(now(&fifth).await, Some(Turn::Try));
    }

    #[tokio::test]
    async fn places_are_bounded() {
        let queue = Arc::new(Queue::default());
        assert!(queue.enter(0, 0).is_none());
        let only = queue.enter(0, 1).unwrap();
        assert!(queue.enter(0, 1).is_none());
        drop(only);
        assert!(queue.enter(0, 1).is_some());
        assert_eq!(queue.len(), 0);
    }
}
