//! How long does an answer take when questions come at their own pace? They are counted from when they were due, so that who
//! waits for a slow one before it counts, too.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;

use super::lane::Lane;
use crate::wire::{HERE, Wire};

/// Questions that may be under way at once; more than ever are.
const CONNECTIONS: usize = 64;

/// Lets requests of one kind come so many times a second; microseconds of each answer, sorted.
pub(super) async fn ask(lane: &Lane, pace: u32, span: Duration) -> Vec<u64> {
    let (due, questions) = mpsc::unbounded_channel();
    let questions = Arc::new(Mutex::new(questions));
    let mut tasks = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let mut wire = Wire::open(lane.port, HERE).await;
        let (request, questions) = (lane.request(), Arc::clone(&questions));
        tasks.spawn(async move {
            let mut latencies = Vec::new();
            loop {
                let next: Option<Instant> = questions.lock().await.recv().await;
                let Some(due) = next else { return latencies };
                wire.send(&request).await;
                let answer = wire.answer().await.expect("an answer");
                latencies.push(u64::try_from(due.elapsed().as_micros()).unwrap_or(u64::MAX));
                assert_eq!(answer.status, 200);
            }
        });
    }
    // A thread of its own: timers of the runtime are right to a millisecond only.
    let clock = thread::spawn(move || {
        let began = Instant::now();
        let mut moment = began;
        while moment < began + span {
            thread::sleep(moment.saturating_duration_since(Instant::now()));
            if due.send(moment).is_err() {
                return;
            }
            moment += Duration::from_secs(1) / pace;
        }
    });
    let mut latencies: Vec<u64> = tasks.join_all().await.into_iter().flatten().collect();
    clock.join().unwrap();
    latencies.sort_unstable();
    latencies
}
