//! What time is it at the server? How far its clock is from ours, so that it can tell when a command comes too late.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use redis::RedisResult;

use super::connection::Connection;

/// The distance of the server's clock from ours, in milliseconds.
#[derive(Default)]
pub(super) struct ServerTime(AtomicI64);

// === impl ServerTime ===

impl ServerTime {
    /// Asks the server. What the question itself took is halved between the way there and back.
    pub(super) async fn learn(&self, connection: &mut Connection) -> RedisResult<()> {
        let asked = ours();
        let (seconds, micros) = redis::cmd("TIME").query_async::<(i64, i64)>(connection).await?;
        let halfway = asked.midpoint(ours());
        self.0.store(seconds * 1_000 + micros / 1_000 - halfway, Ordering::Relaxed);
        Ok(())
    }

    /// The server's time after `span`, in milliseconds.
    pub(super) fn after(&self, span: Duration) -> i64 {
        let span = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
        ours().saturating_add(self.0.load(Ordering::Relaxed)).saturating_add(span)
    }

    /// How far the server's clock is from ours, either way.
    pub(super) fn distance(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::Relaxed).unsigned_abs())
    }
}

fn ours() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
