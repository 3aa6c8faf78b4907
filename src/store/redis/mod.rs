//! The shared store in Redis (or Valkey): one server, a group that sentinels watch, or a cluster.
//!
//! [`connect`] never waits: a task of the tracker connects, hands in what this instance holds, and begins again whenever
//! the connection is lost or late (`link.rs`). Values have a second connection, so that large ones hold no limit up. Limits and the board are scripts over keys with one hash tag (`keys.rs`), so
//! each operation is one round trip and atomic, in a cluster too. What was taken is also kept here (`ledger.rs`): a server
//! that comes back empty is told before it grants anything.

mod exchange;
mod failure;
mod keys;
mod ledger;
mod limits;
mod link;
mod place;
mod script;
mod spending;
mod tend;
mod values;

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, UNIX_EPOCH};

use bytes::Bytes;
use redis::{Cmd, Value};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use self::failure::Failure;
use self::keys::Keys;
use self::ledger::Ledger;
use self::link::{Link, Session};
use self::place::Place;
use self::script::{Input, Scripts, Text};
use self::spending::Spending;
use super::{Answer, Board, Charge, Correction, Report, Stamp, Store, StoreError, Verdict};
use crate::clock::SharedClock;
use crate::config::RedisConfig;

pub(super) use self::ledger::{millis, step_ms};

/// An instance that was not heard of for this long is gone: its calls and slots no longer count.
pub(super) const ALIVE_FOR: Duration = Duration::from_secs(10);

/// How long it is told that a cooldown was ended before its time.
pub(super) const WARMED_FOR: Duration = Duration::from_secs(10);

/// How many cooldowns, and amounts spent, the board holds at most.
pub(super) const MOST_ON_THE_BOARD: usize = 5000;

/// After so many late answers about values in a row, their connection is taken for stuck and made anew.
const MOST_LATE_VALUES: u32 = 5;

/// Makes the store that `config` names. It connects in the background: that Redis is down, or cannot be reached with these
/// settings, shows in [`Store::is_up`] and in what operations return.
pub fn connect(config: &RedisConfig, clock: SharedClock, tracker: &TaskTracker) -> Arc<dyn Store> {
    connect_trusting(config, None, clock, tracker)
}

/// [`connect`], where TLS believes the authority `root` (PEM) and not the machine's.
pub fn connect_trusting(
    config: &RedisConfig,
    root: Option<Vec<u8>>,
    clock: SharedClock,
    tracker: &TaskTracker,
) -> Arc<dyn Store> {
    place::choose_tls();
    let since_1970 = clock.wall().duration_since(UNIX_EPOCH).unwrap_or_default();
    let inner = Arc::new(Inner {
        place: Place::new(config, root),
        keys: Keys::new(config.namespace.as_deref()),
        scripts: Scripts::new(),
        link: Link::new(),
        ledger: Mutex::default(),
        spending: Mutex::default(),
        late_values: AtomicU32::new(0),
        is_checking: AtomicBool::new(false),
        instance: uuid::Uuid::new_v4().simple().to_string(),
        last_session: AtomicU64::new(0),
        exchanges: AtomicU64::new(0),
        instances: AtomicU32::new(0),
        timeout: config.timeout,
        born: clock.now(),
        server_ms_at_birth: AtomicI64::new(i64::try_from(millis(since_1970)).unwrap_or(0)),
        clock,
        tracker: tracker.clone(),
    });
    let stop = CancellationToken::new();
    tracker.spawn(tend::tend(Arc::clone(&inner), stop.clone()));
    Arc::new(RedisStore {
        inner,
        _stop: stop.drop_guard(),
    })
}

/// A store in Redis. Dropping it ends its connection.
struct RedisStore {
    inner: Arc<Inner>,
    _stop: DropGuard,
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore")
            .field("place", &self.inner.place)
            .field("is_up", &self.inner.link.is_up())
            .finish_non_exhaustive()
    }
}

/// What the store and the task that tends its connection share.
struct Inner {
    place: Result<Place, String>,
    keys: Keys,
    scripts: Scripts,
    link: Link,
    ledger: Mutex<Ledger>,
    spending: Mutex<Spending>,
    /// How many requests about values were late since one was answered.
    late_values: AtomicU32,
    /// Whether it is being asked if the server is there.
    is_checking: AtomicBool,
    /// Random: tells this process's part of Redis from those of others.
    instance: String,
    last_session: AtomicU64,
    exchanges: AtomicU64,
    /// How many instances there were at the last exchange.
    instances: AtomicU32,
    timeout: Duration,
    clock: SharedClock,
    born: Instant,
    /// The server's clock when this began, as far as is known: in milliseconds since 1970.
    server_ms_at_birth: AtomicI64,
    tracker: TaskTracker,
}

/// What is asked of Redis.
enum Request<'a> {
    /// A script that the server only runs for the session in force.
    Script(&'a Text, &'a Input),
    /// A script that needs no session.
    Free(&'a Text, &'a Input),
    /// A command.
    Command(&'a Cmd),
    /// A command about values, which have a connection of their own.
    Value(&'a Cmd),
    /// The same for the master of one slot of a cluster.
    ValueOnSlot(&'a Cmd, u16),
}

impl Inner {
    /// Asks, within the timeout. A connection that broke is replaced and asked once more: the server takes nothing twice,
    /// because what an earlier session sent is refused, and the ledger has set what is held.
    async fn ask(&self, request: Request<'_>) -> Result<Value, StoreError> {
        self.ask_noting(request, &AtomicU64::new(0)).await
    }

    /// Asks, and notes in `asked` which session answered.
    async fn ask_noting(
        &self,
        request: Request<'_>,
        asked: &AtomicU64,
    ) -> Result<Value, StoreError> {
        let answer = tokio::time::timeout(self.timeout, self.ask_twice(&request, asked)).await;
        if let Ok(answer) = answer {
            return answer;
        }
        let why = format!("no answer within {} ms", self.timeout.as_millis());
        self.link.give_up(asked.load(Ordering::Relaxed), &why);
        Err(StoreError::Away(why))
    }

    /// Asks about values, within the timeout. What is late says nothing of the limits, whose connection is another: whether
    /// the server is there at all is then asked on that one.
    async fn ask_value(self: &Arc<Self>, request: Request<'_>) -> Result<Value, StoreError> {
        let asked = AtomicU64::new(0);
        let answer = tokio::time::timeout(self.timeout, self.ask_twice(&request, &asked)).await;
        if let Ok(answer) = answer {
            self.late_values.store(0, Ordering::Relaxed);
            return answer;
        }
        if self.late_values.fetch_add(1, Ordering::Relaxed) + 1 >= MOST_LATE_VALUES {
            self.late_values.store(0, Ordering::Relaxed);
            self.connect_values_anew(asked.load(Ordering::Relaxed));
        } else if !self.is_checking.swap(true, Ordering::Relaxed) {
            let inner = Arc::clone(self);
            self.tracker.spawn(async move {
                // Who is late is given up in there.
                drop(inner.ask(Request::Command(&redis::cmd("PING"))).await);
                inner.is_checking.store(false, Ordering::Relaxed);
            });
        }
        let why = format!("no value within {} ms", self.timeout.as_millis());
        Err(StoreError::Away(why))
    }

    /// Gives the session another connection for values. Its own, which limits use, stays.
    fn connect_values_anew(self: &Arc<Self>, session: u64) {
        let inner = Arc::clone(self);
        self.tracker.spawn(async move {
            // Where there is none now, the next ones that are late ask again.
            if let Ok(place) = &inner.place
                && let Ok(values) = place.connect().await
            {
                inner.link.put_values(session, values);
            }
        });
    }

    /// Asks once, in a session that was in force when the ledger was changed: a later one has been told by the ledger.
    async fn ask_in(&self, mut session: Session, request: Request<'_>) -> Result<(), StoreError> {
        let number = session.number;
        let why = match tokio::time::timeout(self.timeout, self.send(&request, &mut session)).await
        {
            Ok(Ok(value)) if !is_unknown(&value) => return Ok(()),
            Ok(Ok(_) | Err(Failure::Lost(_))) => {
                self.link.lose(number);
                "the connection was lost".to_owned()
            }
            Ok(Err(failure)) => return Err(failure.into()),
            Err(_) => {
                let why = format!("no answer within {} ms", self.timeout.as_millis());
                self.link.give_up(number, &why);
                why
            }
        };
        Err(StoreError::Away(why))
    }

    async fn ask_twice(
        &self,
        request: &Request<'_>,
        asked: &AtomicU64,
    ) -> Result<Value, StoreError> {
        let mut why = String::new();
        for _ in 0..2 {
            let mut session = self.link.session().await?;
            asked.store(session.number, Ordering::Relaxed);
            match self.send(request, &mut session).await {
                Ok(value) if is_unknown(&value) && matches!(request, Request::Script(..)) => {
                    "the server has lost its data".clone_into(&mut why);
                }
                Ok(value) => return Ok(value),
                Err(Failure::Lost(reason)) => why = reason,
                Err(failure) => return Err(failure.into()),
            }
            asked.store(0, Ordering::Relaxed);
            self.link.lose(session.number);
        }
        Err(StoreError::Away(why))
    }

    async fn send(&self, request: &Request<'_>, session: &mut Session) -> Result<Value, Failure> {
        match request {
            Request::Script(script, input) => {
                if let Some(why) = &session.refused {
                    return Err(Failure::Refused(why.clone()));
                }
                let number = session.number.to_string();
                script
                    .run(&mut session.wire, &[&self.instance, &number], input)
                    .await
            }
            Request::Free(script, input) => script.run(&mut session.wire, &[], input).await,
            Request::Command(command) => session.wire.ask(command).await,
            Request::Value(command) => session.values.ask(command).await,
            Request::ValueOnSlot(command, slot) => session.values.ask_slot(command, *slot).await,
        }
    }

    /// Returns the time by the server's clock, as far as is known.
    fn server_now(&self) -> Stamp {
        let alive = millis(self.clock.now().saturating_duration_since(self.born));
        let at_birth = self.server_ms_at_birth.load(Ordering::Relaxed);
        Stamp(alive.saturating_add_signed(at_birth))
    }

    /// Learns the server's clock.
    fn learn_time(&self, server: Stamp) {
        let alive = millis(self.clock.now().saturating_duration_since(self.born));
        let at_birth = server.0.cast_signed().saturating_sub_unsigned(alive);
        self.server_ms_at_birth.store(at_birth, Ordering::Relaxed);
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn spending(&self) -> MutexGuard<'_, Spending> {
        self.spending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a script says that it does not know the session.
fn is_unknown(value: &Value) -> bool {
    matches!(value, Value::Array(items) if matches!(items.as_slice(), [Value::Int(2)]))
}

/// Reads an answer; one of another shape is a refusal.
fn read<T: redis::FromRedisValue>(value: Value) -> Result<T, StoreError> {
    redis::from_redis_value(value)
        .map_err(|_| StoreError::Refused("an answer cannot be read".to_owned()))
}

impl Store for RedisStore {
    fn reserve<'a>(&'a self, charges: &'a [Charge]) -> Answer<'a, Verdict> {
        Box::pin(limits::reserve(&self.inner, charges))
    }

    fn correct<'a>(&'a self, corrections: &'a [Correction]) -> Answer<'a, ()> {
        Box::pin(limits::correct(&self.inner, corrections))
    }

    fn took_alone(&self, charges: &[Charge]) -> Stamp {
        limits::took_alone(&self.inner, charges)
    }

    fn exchange<'a>(&'a self, report: &'a Report) -> Answer<'a, Board> {
        Box::pin(exchange::exchange(&self.inner, report))
    }

    fn warm<'a>(&'a self, key: &'a str) -> Answer<'a, ()> {
        Box::pin(exchange::warm(&self.inner, key))
    }

    fn read<'a>(&'a self, keys: &'a [String]) -> Answer<'a, Vec<Option<Bytes>>> {
        Box::pin(values::read(&self.inner, keys))
    }

    fn write<'a>(&'a self, key: &'a str, value: Bytes, ttl: Option<Duration>) -> Answer<'a, ()> {
        Box::pin(values::write(&self.inner, key, value, ttl))
    }

    fn delete<'a>(&'a self, keys: &'a [String]) -> Answer<'a, u64> {
        Box::pin(values::delete(&self.inner, keys))
    }

    fn flush<'a>(&'a self, prefix: &'a str) -> Answer<'a, u64> {
        Box::pin(values::flush(&self.inner, prefix))
    }

    fn ping(&self) -> Answer<'_, ()> {
        Box::pin(values::ping(&self.inner))
    }

    fn info(&self) -> Answer<'_, String> {
        Box::pin(values::info(&self.inner))
    }

    fn is_up(&self) -> bool {
        self.inner.link.is_up()
    }
}
