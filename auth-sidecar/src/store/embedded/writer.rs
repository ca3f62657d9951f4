//! How do many small writes become few commits? One thread takes what has queued up, runs it in one transaction,
//! commits, and only then answers. (A commit costs some milliseconds of disk; operations cost microseconds.)

use std::sync::{Arc, mpsc};
use std::thread;

use redb::Database;
use tokio::sync::oneshot;

use super::super::StoreError;
use super::tables::{self, Tx};

/// Operations per commit at most: a bound on how long the first of them waits.
const MOST_PER_COMMIT: usize = 64;
/// Operations that may wait; more are refused, so that memory stays bounded when the disk stalls.
const MOST_WAITING: usize = 4_096;

/// The writer thread's front. When it is dropped, the thread finishes what is queued and ends.
pub(super) struct Writer {
    queue: Option<mpsc::SyncSender<Box<dyn Job>>>,
    thread: Option<thread::JoinHandle<()>>,
}

/// One operation that waits for its commit.
trait Job: Send {
    /// Runs it. An error of the storage itself aborts the whole transaction.
    fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), StoreError>;
    /// Answers its caller, after the commit or its failure.
    fn answer(self: Box<Self>, committed: Result<(), String>);
}

struct Operation<F, T> {
    work: Option<F>,
    outcome: Result<T, StoreError>,
    caller: oneshot::Sender<Result<T, StoreError>>,
}

// === impl Writer ===

impl Writer {
    pub(super) fn start(database: Arc<Database>) -> Result<Self, StoreError> {
        let (queue, jobs) = mpsc::sync_channel(MOST_WAITING);
        let thread = thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || write_until_closed(&database, &jobs))
            .map_err(tables::backend)?;
        Ok(Self { queue: Some(queue), thread: Some(thread) })
    }

    pub(super) async fn run<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        let (caller, answer) = oneshot::channel();
        let job = Box::new(Operation { work: Some(work), outcome: Err(StoreError::Closed), caller });
        let queue = self.queue.as_ref().ok_or(StoreError::Closed)?;
        queue.try_send(job).map_err(|error| match error {
            mpsc::TrySendError::Full(_) => StoreError::Backend("too many operations are waiting".into()),
            mpsc::TrySendError::Disconnected(_) => StoreError::Closed,
        })?;
        answer.await.map_err(|_| StoreError::Closed)?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take() {
            // An error means that the thread panicked: nothing is left to finish.
            drop(thread.join());
        }
    }
}

// === impl Operation ===

impl<F, T> Job for Operation<F, T>
where
    T: Send,
    F: FnOnce(&mut Tx<'_>) -> Result<T, StoreError> + Send,
{
    fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        let Some(work) = self.work.take() else { return Ok(()) };
        self.outcome = work(tx);
        match &self.outcome {
            Err(StoreError::Backend(why)) => Err(StoreError::Backend(why.clone())),
            // A record that cannot be read is found before anything is written: the others go on.
            _ => Ok(()),
        }
    }

    fn answer(self: Box<Self>, committed: Result<(), String>) {
        let outcome = match committed {
            Ok(()) => self.outcome,
            Err(why) => Err(StoreError::Backend(why)),
        };
        // The caller may have gone away; what was committed stays.
        drop(self.caller.send(outcome));
    }
}

fn write_until_closed(database: &Database, jobs: &mpsc::Receiver<Box<dyn Job>>) {
    while let Ok(first) = jobs.recv() {
        let mut batch = vec![first];
        batch.extend(jobs.try_iter().take(MOST_PER_COMMIT - 1));
        let committed = commit(database, &mut batch).map_err(|error| error.to_string());
        for job in batch {
            job.answer(committed.clone());
        }
    }
}

fn commit(database: &Database, batch: &mut [Box<dyn Job>]) -> Result<(), StoreError> {
    let transaction = tables::begin(database)?;
    {
        let mut tx = Tx::of(&transaction)?;
        for job in batch {
            job.run(&mut tx)?;
        }
    }
    transaction.commit().map_err(tables::backend)
}
