//! Where records lie in several places, one may be away while another takes what is written.

use std::sync::Arc;
use std::time::Duration;

use wicketgate_auth::clock::UnixTime;
use wicketgate_auth::oauth::scope::ScopeSet;
use wicketgate_auth::secret::Digest;
use wicketgate_auth::store::grant::{Binding, Code, Grant, Redeemed, Redemption, Rotated, Rotation};

use crate::backend::{Fault, Plan, spread};

const GRACE: Duration = Duration::from_secs(10);
const LONG: Duration = Duration::from_secs(3_600);

fn at(seconds: u64) -> UnixTime {
    UnixTime(1_800_000_000 + seconds)
}

pub(crate) fn grant(id: &str) -> Grant {
    Grant {
        id: id.to_owned(),
        client_id: "c".to_owned(),
        subject: "alice".to_owned(),
        auth_time: at(0),
        scope: ScopeSet::default(),
        resources: vec![],
        redirect_uri: "https://a.example/cb".to_owned(),
        challenge: Digest::of("challenge"),
        document: None,
        code: Code { digest: Digest::of("code"), expires_at: at(60), used: false, used_at: None },
        refresh: None,
        binding: Binding::default(),
        opaque_tokens: vec![],
        created_at: at(0),
        expires_at: at(60),
        revoked_at: None,
    }
}

fn rotation(presented: &str, successor: &str) -> Rotation {
    Rotation {
        presented: Digest::of(presented),
        successor: Digest::of(successor),
        sealed_successor: "sealed".to_owned(),
        refresh_idle: LONG,
        grace: GRACE,
        refresh_jkt: None,
        access_token: GRACE,
    }
}

/// An error is no rotation: the client asks again when the time of grace is over, and must not be taken for a thief.
#[tokio::test]
async fn a_rotation_that_fails_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let plan = Arc::new(Plan::default());
    let store = spread(&folder.path().join("auth.redb"), &plan);
    for number in 1..=4 {
        let id = format!("g{number}");
        store.put_grant(grant(&id)).await.unwrap();
        let redemption = Redemption {
            code: Digest::of("code"),
            refresh: Some(Digest::of("r0")),
            refresh_idle: LONG,
            refresh_absolute: LONG,
            refresh_jkt: None,
            grace: Duration::ZERO,
            access_token: GRACE,
        };
        assert_eq!(store.redeem(&id, redemption, at(0)).await.unwrap(), Redeemed::First);
        let seen = store.see_grant(&id, at(1)).await.unwrap().unwrap();
        plan.fail((0, number), Fault::NotDone);
        let answer = store.rotate_seen(seen, rotation("r0", "r1"), at(1)).await;
        let failed = plan.failed().map(|(command, _)| command);
        plan.end();
        assert_eq!(answer.is_err(), failed.is_some(), "{number}");
        assert_eq!(failed.is_none(), number == 4, "each of three commands failed: {failed:?}");
        let presented = if failed.is_some() { "r0" } else { "r1" };
        let again = store.rotate(&id, rotation(presented, "r2"), at(60)).await.unwrap();
        assert_eq!(again, Rotated::Fresh, "{failed:?}");
    }
}
