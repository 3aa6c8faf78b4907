//! Values of the response cache, and what the server says of itself.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use redis::Value;

use super::place::Place;
use super::{Inner, Request, millis, read as decode};
use crate::store::StoreError;

/// How many keys one step of a flush looks at.
const KEYS_OF_A_STEP: usize = 500;

/// How many keys one command names.
const KEYS_OF_A_COMMAND: usize = 1000;

/// How many values one command reads: vectors are tens of kilobytes, and each command must be answered in time.
const VALUES_OF_A_COMMAND: usize = 50;

pub(super) async fn read(
    inner: &Arc<Inner>,
    keys: &[String],
) -> Result<Vec<Option<Bytes>>, StoreError> {
    let mut values = Vec::with_capacity(keys.len());
    for keys in keys.chunks(VALUES_OF_A_COMMAND) {
        let mut command = redis::cmd("MGET");
        for key in keys {
            command.arg(inner.keys.value(key));
        }
        let read: Vec<Option<Bytes>> = decode(inner.ask_value(Request::Value(&command)).await?)?;
        values.extend(read);
    }
    Ok(values)
}

pub(super) async fn write(
    inner: &Arc<Inner>,
    key: &str,
    value: Bytes,
    ttl: Option<Duration>,
) -> Result<(), StoreError> {
    let mut command = redis::cmd("SET");
    command.arg(inner.keys.value(key)).arg(value.as_ref());
    if let Some(ttl) = ttl {
        command.arg("PX").arg(millis(ttl).max(1));
    }
    inner.ask_value(Request::Value(&command)).await.map(drop)
}

pub(super) async fn delete(inner: &Arc<Inner>, keys: &[String]) -> Result<u64, StoreError> {
    let names: Vec<String> = keys.iter().map(|key| inner.keys.value(key)).collect();
    unlink(inner, &names).await
}

async fn unlink(inner: &Arc<Inner>, names: &[String]) -> Result<u64, StoreError> {
    let mut total = 0;
    for names in names.chunks(KEYS_OF_A_COMMAND) {
        let mut command = redis::cmd("UNLINK");
        command.arg(names);
        total += decode::<u64>(inner.ask_value(Request::Value(&command)).await?)?;
    }
    Ok(total)
}

/// Deletes what begins with `prefix`, in steps that hold the server up for no longer than any other command.
pub(super) async fn flush(inner: &Arc<Inner>, prefix: &str) -> Result<u64, StoreError> {
    let pattern = inner.keys.pattern(prefix);
    let mut total = 0;
    for slot in masters(inner).await? {
        let mut cursor = "0".to_owned();
        loop {
            let mut command = redis::cmd("SCAN");
            command.arg(&cursor).arg("MATCH").arg(&pattern);
            command.arg("COUNT").arg(KEYS_OF_A_STEP);
            let request = match slot {
                Some(slot) => Request::ValueOnSlot(&command, slot),
                None => Request::Value(&command),
            };
            let (next, names): (String, Vec<String>) = decode(inner.ask_value(request).await?)?;
            total += unlink(inner, &names).await?;
            if next == "0" {
                break;
            }
            cursor = next;
        }
    }
    Ok(total)
}

/// Returns one slot of each master of a cluster; one `None` where there is none.
async fn masters(inner: &Arc<Inner>) -> Result<Vec<Option<u16>>, StoreError> {
    if !matches!(inner.place, Ok(Place::Cluster(_))) {
        return Ok(vec![None]);
    }
    let mut command = redis::cmd("CLUSTER");
    command.arg("SLOTS");
    let slots = inner.ask_value(Request::Value(&command)).await?;
    Ok(one_slot_each(&slots).into_iter().map(Some).collect())
}

/// Reads `CLUSTER SLOTS` (<https://redis.io/docs/latest/commands/cluster-slots/>): ranges, and after each range's ends its
/// master first. A master is told by its id, else by its address.
fn one_slot_each(slots: &Value) -> Vec<u16> {
    let mut masters = BTreeMap::new();
    let Value::Array(ranges) = slots else {
        return Vec::new();
    };
    for range in ranges {
        if let Value::Array(range) = range
            && let [Value::Int(first), Value::Int(_), Value::Array(master), ..] = range.as_slice()
            && let Ok(first) = u16::try_from(*first)
        {
            let name = match master.as_slice() {
                [_, _, id, ..] => format!("{id:?}"),
                address => format!("{address:?}"),
            };
            masters.entry(name).or_insert(first);
        }
    }
    masters.into_values().collect()
}

pub(super) async fn ping(inner: &Inner) -> Result<(), StoreError> {
    inner
        .ask(Request::Command(&redis::cmd("PING")))
        .await
        .map(drop)
}

pub(super) async fn info(inner: &Arc<Inner>) -> Result<String, StoreError> {
    let mut command = redis::cmd("INFO");
    if matches!(inner.place, Ok(Place::Cluster(_))) {
        // Every node answers for itself; the one that holds the shared state speaks for all.
        let slots = masters(inner).await?;
        let slot = slots.first().copied().flatten().unwrap_or(0);
        return decode(
            inner
                .ask_value(Request::ValueOnSlot(&command, slot))
                .await?,
        );
    }
    command.arg("default");
    decode(inner.ask_value(Request::Value(&command)).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    fn range(first: i64, last: i64, id: &str) -> Value {
        let master = vec![text("10.0.0.1"), Value::Int(7000), text(id)];
        let replica = vec![text("10.0.0.9"), Value::Int(7000), text("replica")];
        Value::Array(vec![
            Value::Int(first),
            Value::Int(last),
            Value::Array(master),
            Value::Array(replica),
        ])
    }

    #[test]
    fn each_master_of_a_cluster_is_asked_once() {
        let slots = Value::Array(vec![
            range(0, 99, "a"),
            range(100, 199, "b"),
            range(200, 16_383, "a"),
        ]);
        assert_eq!(one_slot_each(&slots), [0, 100]);
    }

    #[test]
    fn an_answer_of_another_shape_names_no_master() {
        assert!(one_slot_each(&Value::Nil).is_empty());
        assert!(one_slot_each(&Value::Array(vec![Value::Int(1)])).is_empty());
    }
}
