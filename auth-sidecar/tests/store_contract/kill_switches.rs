//! What was withdrawn from a user or a client all at once.

use std::sync::atomic::{AtomicU64, Ordering};

use wicketgate_auth::clock::{Clock, ManualClock, UnixTime};
use wicketgate_auth::oauth::client::{Client, DynamicRegistration};
use wicketgate_auth::oauth::scope::ScopeSet;
use wicketgate_auth::secret::Digest;
use wicketgate_auth::store::Store;
use wicketgate_auth::store::feed::{Kind, Place};
use wicketgate_auth::store::grant::{Grant, Redeemed, Rotated};
use wicketgate_auth::store::records::{Consent, ConsentKey, Session};

use super::{at, grant, redemption, rotated};

/// What is withdrawn at 5 and at 7.
#[derive(Clone, Copy)]
enum Switch {
    User,
    GrantsOfUser,
    SessionsOfUser,
    Client,
}

/// Each look at it takes a second.
struct Slow(AtomicU64);

/// What lives after a switch, of those made at 5 and at 8: grants, consents, sessions.
const CASES: [(&str, Switch, [bool; 3]); 4] = [
    ("a", Switch::User, [false, false, false]),
    ("b", Switch::GrantsOfUser, [false, false, true]),
    ("c", Switch::SessionsOfUser, [true, true, false]),
    ("d", Switch::Client, [false, false, true]),
];

pub(super) async fn contract(store: &Store) {
    for (name, switch, lives) in CASES {
        let (user, client) = (format!("user-{name}"), format!("client-{name}"));
        made(store, &user, &client, 5).await;
        made(store, &user, "another", 5).await;
        let place = store.news(None, at(5)).await.unwrap().place;
        let named = match switch {
            Switch::SessionsOfUser => None,
            Switch::Client => Some((Kind::Client, client.clone())),
            _ => Some((Kind::Subject, user.clone())),
        };
        let told = async |place: &Place| {
            let news = store.news(Some(place.clone()), at(8)).await.unwrap();
            let told = news.revocations.into_iter().map(|one| ((one.kind, one.name), one.before));
            (told.collect::<Vec<_>>(), news.place)
        };
        let mut here = place.clone();
        for now in [5, 7] {
            switch.throw(store, (&user, &client), &ManualClock::at(at(now))).await;
            let (news, there) = told(&here).await;
            let wanted = named.clone().map(|named| (named, Some(at(now + 1))));
            assert_eq!(news, wanted.into_iter().collect::<Vec<_>>(), "{name} at {now}");
            here = there;
        }
        made(store, &user, &client, 8).await;
        assert_eq!(living(store, &user, &client, 5).await, lives, "{name}");
        assert_eq!(living(store, &user, &client, 8).await, [true; 3], "{name}: what came later");
        let others = living(store, &user, "another", 5).await;
        let spared = if matches!(switch, Switch::Client) { [true; 3] } else { lives };
        assert_eq!(others, spared, "{name}: another client's");

        let wanted = named.map(|named| (named, Some(at(8))));
        assert_eq!(told(&place).await.0, wanted.into_iter().collect::<Vec<_>>(), "{name}: once");
    }
    meanwhile(store).await;
    rotation(store).await;
}

/// Who came in the second that began while a switch was being thrown saw nothing of it.
async fn meanwhile(store: &Store) {
    for (name, switch, lives) in CASES {
        let (user, client) = (format!("user-meanwhile-{name}"), format!("client-meanwhile-{name}"));
        let place = store.news(None, at(4)).await.unwrap().place;
        switch.throw(store, (&user, &client), &Slow(AtomicU64::new(at(4).0))).await;
        for when in [5, 6] {
            made(store, &user, &client, when).await;
        }
        assert_eq!(living(store, &user, &client, 5).await, lives, "{name}");
        assert_eq!(living(store, &user, &client, 6).await, [true; 3], "{name}: what came later");
        let news = store.news(Some(place), at(8)).await.unwrap().revocations;
        let before: Vec<_> = news.iter().map(|one| one.before).collect();
        let wanted = if matches!(switch, Switch::SessionsOfUser) { vec![] } else { vec![Some(at(6))] };
        assert_eq!(before, wanted, "{name}");
    }
    // What a client may still get until it is gone ends at gateways, too.
    store.put_client(super::client("dismissed"), at(60), at(0)).await.unwrap();
    let place = store.news(None, at(4)).await.unwrap().place;
    assert!(store.dismiss_client("dismissed", &Slow(AtomicU64::new(at(4).0))).await.unwrap());
    let news = store.news(Some(place), at(8)).await.unwrap().revocations;
    let [gone] = news.as_slice() else { unreachable!("{news:?}") };
    // It is looked at to find the client, three times until that is gone, and then twice.
    assert_eq!((gone.kind, gone.name.as_str(), gone.before), (Kind::Client, "dismissed", Some(at(11))));
    leaving(store).await;
}

/// A client that leaves by itself may get more until it is gone, too.
async fn leaving(store: &Store) {
    let token = Digest::of("token");
    let dynamic = DynamicRegistration {
        issued_at: at(0),
        metadata: serde_json::Map::new(),
        registration_token: Some(token),
    };
    let leaving = Client { dynamic: Some(dynamic), ..super::client("leaving") };
    store.put_client(leaving, at(60), at(0)).await.unwrap();
    let place = store.news(None, at(4)).await.unwrap().place;
    assert!(store.remove_client("leaving", token, &Slow(AtomicU64::new(at(4).0))).await.unwrap());
    let news = store.news(Some(place), at(8)).await.unwrap().revocations;
    let [gone] = news.as_slice() else { unreachable!("{news:?}") };
    assert_eq!((gone.kind, gone.name.as_str(), gone.before), (Kind::Client, "leaving", Some(at(6))));
}

/// What a refresh token of a withdrawn grant gives, where the store is asked beside the change.
async fn rotation(store: &Store) {
    let (user, client) = ("user-rotating", "client-rotating");
    let grants = [5, 8].map(|when| name(user, client, when));
    for (id, when) in grants.iter().zip([5, 8]) {
        made(store, user, client, when).await;
        let code = redemption(&format!("code-{id}"), &format!("{id} 0"));
        assert_eq!(store.redeem(id, code, at(when)).await.unwrap(), Redeemed::First);
    }
    store.withdraw_grants_of_user(user, &ManualClock::at(at(7))).await.unwrap();
    let [before, after] = grants;
    let rotate = async |id: &str, from: u8, to: u8| {
        store.rotate(id, rotated(&format!("{id} {from}"), &format!("{id} {to}")), at(9)).await.unwrap()
    };
    for attempt in ["at first", "again, in the time of grace"] {
        assert_eq!(rotate(&before, 0, 1).await, Rotated::Refused, "{attempt}");
    }
    assert!(!store.grant(&before, at(9)).await.unwrap().unwrap().is_live());
    assert_eq!(rotate(&after, 0, 1).await, Rotated::Fresh);
    assert_eq!(rotate(&after, 1, 2).await, Rotated::Fresh);
    assert_eq!(rotate(&after, 0, 3).await, Rotated::Reused);
}

// === impl Switch ===

impl Switch {
    async fn throw(self, store: &Store, (user, client): (&str, &str), clock: &dyn Clock) {
        let thrown = match self {
            Self::User => store.withdraw_user(user, clock).await,
            Self::GrantsOfUser => store.withdraw_grants_of_user(user, clock).await,
            Self::SessionsOfUser => store.end_sessions_of_user(user, clock).await,
            Self::Client => store.withdraw_client(client, clock).await,
        };
        thrown.unwrap();
    }
}

// === impl Slow ===

impl Clock for Slow {
    fn now(&self) -> UnixTime {
        UnixTime(self.0.fetch_add(1, Ordering::SeqCst))
    }
}

fn consent_key(user: &str, client: &str, when: u64) -> ConsentKey {
    let (subject, client_id) = (user.to_owned(), client.to_owned());
    ConsentKey { subject, client_id, redirect_uri: format!("https://a.example/{when}"), resources: vec![] }
}

fn name(user: &str, client: &str, when: u64) -> String {
    format!("{user} {client} {when}")
}

/// A grant, a consent and a sign-in of this moment.
async fn made(store: &Store, user: &str, client: &str, when: u64) {
    let name = name(user, client, when);
    let granted = Grant {
        subject: user.to_owned(),
        client_id: client.to_owned(),
        created_at: at(when),
        ..grant(&name, 60)
    };
    store.put_grant(granted).await.unwrap();
    let consent = Consent { scope: ScopeSet::default(), given_at: at(when) };
    store.put_consent(consent_key(user, client, when), consent, at(60)).await.unwrap();
    // Who was signed in at a provider long before begins here all the same.
    let session = Session {
        subject: user.to_owned(),
        auth_time: at(0),
        started_at: at(when),
        seen_at: at(when),
        ends_at: at(60),
    };
    store.put_session(Digest::of(&name), session, at(60)).await.unwrap();
}

async fn living(store: &Store, user: &str, client: &str, when: u64) -> [bool; 3] {
    let name = name(user, client, when);
    let grant = store.grant(&name, at(9)).await.unwrap().is_some_and(|grant| grant.is_live());
    let consent = store.consent(consent_key(user, client, when), at(9)).await.unwrap().is_some();
    let session = store.session(Digest::of(&name), at(9)).await.unwrap().is_some();
    [grant, consent, session]
}
