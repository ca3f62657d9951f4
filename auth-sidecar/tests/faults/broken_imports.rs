//! An import that breaks off leaves what no server uses, and nothing that was withdrawn stands there without what withdraws it.

use std::path::Path;
use std::sync::Arc;

use wicketgate_auth::clock::{ManualClock, UnixTime};
use wicketgate_auth::store::embedded::EmbeddedStore;
use wicketgate_auth::store::transfer::Item;
use wicketgate_auth::store::{Store, StoreError};

use crate::backend::{Fault, Plan, spread};
use crate::spread::grant;

const NOW: UnixTime = UnixTime(1_800_000_000);

fn open(path: &Path) -> Store {
    Store::new(EmbeddedStore::open(path).unwrap())
}

async fn items(store: &Store) -> Vec<Item> {
    let page = store.export(None, NOW).await.unwrap();
    assert!(page.next.is_none());
    page.items
}

/// A used store: a grant whose user was withdrawn, one that was revoked, a list, a counter.
async fn export(path: &Path) -> Vec<Item> {
    let store = open(path);
    store.admit_schema().await.unwrap();
    for id in ["a", "b"] {
        store.put_grant(grant(id)).await.unwrap();
        store.list_grant(&grant(id), NOW.plus(std::time::Duration::from_secs(60)), NOW).await.unwrap();
    }
    store.revoke_grant("b", NOW).await.unwrap();
    store.withdraw_user("alice", &ManualClock::at(NOW)).await.unwrap();
    store.count("x", UnixTime(NOW.0 + 60), NOW).await.unwrap();
    items(&store).await
}

/// Whether an item ends others.
fn withdraws(item: &Item) -> bool {
    match item {
        Item::Record { key, .. } => key.starts_with("kill:"),
        item => matches!(item, Item::Revocation(_)),
    }
}

fn is_schema(item: &Item) -> bool {
    matches!(item, Item::Record { key, .. } if key == "schema")
}

#[tokio::test]
async fn what_breaks_off_is_used_by_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let from = folder.path().join("from.redb");
    let all = export(&from).await;
    let withdrawing = all.iter().filter(|item| withdraws(item)).count();
    assert!(withdrawing == 3 && all.len() > 8, "{all:?}");
    let mut broken = 0;
    for (number, fault) in
        (1..).flat_map(|number| [Fault::NotDone, Fault::AnswerLost].map(|fault| (number, fault)))
    {
        let (plan, path) =
            (Arc::new(Plan::default()), folder.path().join(format!("{number} {fault:?}.redb")));
        plan.fail((0, number), fault);
        let store = spread(&path, &plan);
        let done = store.import_all(items(&open(&from)).await, NOW).await;
        let failed = plan.failed();
        plan.end();
        if failed.is_none() {
            assert_eq!(done.unwrap(), all.len(), "no command is left to fail");
            break;
        }
        assert!(done.is_err());
        drop(store);
        let (left, command) = (open(&path), failed.unwrap().0);
        let there = items(&left).await;
        let is_first = there.iter().all(|item| withdraws(item) || is_schema(item));
        let complete = there.iter().filter(|item| withdraws(item)).count() == withdrawing;
        assert!(is_first || complete, "{number} {fault:?}: {there:?}");
        match (command.as_str(), fault) {
            ("put_new schema", Fault::NotDone) => assert!(there.is_empty(), "nothing has begun"),
            ("put schema", Fault::AnswerLost) => left.admit_schema().await.unwrap(),
            _ => {
                broken += 1;
                let refused = left.admit_schema().await.unwrap_err();
                assert!(matches!(refused, StoreError::UnfinishedImport), "{refused}");
                assert!(left.signing_keys().await.is_err());
                let again = left.import_all(items(&open(&from)).await, NOW).await.unwrap_err();
                assert!(again.to_string().contains("remove it and import again"), "{again}");
            }
        }
    }
    assert!(broken >= 2 * (all.len() - 1), "{broken}");
}
