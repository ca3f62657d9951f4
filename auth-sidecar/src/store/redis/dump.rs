//! What lies in Redis, for another store? All keys of our prefix, some at a time, node by node.

use redis::Cmd;

use super::super::transfer::{Item, Page};
use super::{LIST, LOG, RedisStore, StoreError, revocation, wire};
use crate::clock::UnixTime;

/// Keys that a node looks at in one step.
const STEP: usize = 500;

/// Where a page begins: the number of a node, and its cursor.
struct Position {
    node: usize,
    cursor: u64,
}

/// The items at a place.
pub(super) async fn page(store: &RedisStore, place: Option<&str>, now: UnixTime) -> Result<Page, StoreError> {
    let at = position(place)?;
    let mut scan = Cmd::new();
    scan.arg("SCAN").arg(at.cursor).arg("MATCH").arg(format!("{}{{*", store.prefix)).arg("COUNT").arg(STEP);
    let (nodes, (cursor, keys)) = store.calls.ask_node::<(u64, Vec<String>)>(at.node, &scan).await?;
    let mut items = Vec::new();
    for key in keys {
        items.extend(of_key(store, &key, now).await?);
    }
    let next = match (cursor, at.node + 1) {
        (0, next) if next >= nodes => None,
        (0, next) => Some(format!("{next} 0")),
        (cursor, _) => Some(format!("{} {cursor}", at.node)),
    };
    Ok(Page { items, next })
}

fn position(place: Option<&str>) -> Result<Position, StoreError> {
    let Some(place) = place else { return Ok(Position { node: 0, cursor: 0 }) };
    let parts =
        place.split_once(' ').and_then(|(node, cursor)| Some((node.parse().ok()?, cursor.parse().ok()?)));
    let (node, cursor) = parts.ok_or_else(|| StoreError::Backend("no such place".into()))?;
    Ok(Position { node, cursor })
}

/// What this key holds; what is gone meanwhile, or half of a pair, holds nothing.
async fn of_key(store: &RedisStore, key: &str, now: UnixTime) -> Result<Vec<Item>, StoreError> {
    let inner = key.strip_prefix(&store.prefix).and_then(|rest| rest.strip_prefix('{'));
    let Some((name, part)) = inner.and_then(|rest| rest.split_once('}')) else { return Ok(Vec::new()) };
    match part.strip_prefix(':') {
        Some(part) if part == LIST[1] => listed(store, key, name, now).await,
        Some(part) if part == LOG[1] => logged(store, key, now).await,
        Some(_) => Ok(Vec::new()),
        None => Ok(value(store, key, name, now).await?.into_iter().collect()),
    }
}

async fn listed(store: &RedisStore, key: &str, list: &str, now: UnixTime) -> Result<Vec<Item>, StoreError> {
    let mut range = Cmd::new();
    range.arg("ZRANGE").arg(key).arg(0).arg(-1).arg("WITHSCORES");
    let names = store.calls.ask::<Vec<(String, f64)>>(&range).await?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "seconds that were written as such"
    )]
    let ends = names.into_iter().map(|(name, end)| (name, UnixTime(end as u64)));
    let alive = ends.filter(|(_, until)| now < *until);
    Ok(alive.map(|(name, until)| Item::Listed { list: list.to_owned(), name, until }).collect())
}

async fn logged(store: &RedisStore, key: &str, now: UnixTime) -> Result<Vec<Item>, StoreError> {
    let mut range = Cmd::new();
    range.arg("ZRANGE").arg(key).arg(0).arg(-1);
    let entries = store.calls.ask::<Vec<String>>(&range).await?;
    let entries = entries.iter().map(|entry| revocation(entry)).collect::<Result<Vec<_>, _>>()?;
    Ok(entries.into_iter().filter(|one| now < one.until).map(Item::Revocation).collect())
}

async fn value(store: &RedisStore, key: &str, name: &str, now: UnixTime) -> Result<Option<Item>, StoreError> {
    let Some(bytes) = store.bytes(key).await? else { return Ok(None) };
    if let Some((sum, until)) = wire::counter(&bytes) {
        let counter = Item::Counter { key: name.to_owned(), sum, until };
        return Ok((now < until).then_some(counter));
    }
    wire::row(&bytes, now)?.map(|row| Item::record(name, &row)).transpose()
}
