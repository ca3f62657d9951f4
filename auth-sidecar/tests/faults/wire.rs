//! The connection to Redis breaks in the middle of a command: before it is there, or before its answer is here. What happens once
//! happens once, also where the client library asks again for itself.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use wicketgate_auth::clock::{Clock, UnixTime};
use wicketgate_auth::config::{Config, StoreConfig};
use wicketgate_auth::store::StoreError;
use wicketgate_auth::store::backend::{Backend, Row};
use wicketgate_auth::store::redis::RedisStore;

use crate::backend::Fault;
use crate::redis::Redis;
use crate::world::World;

const NOW: UnixTime = UnixTime(1_800_000_000);

/// Carries bytes to a Redis and back; when told, it breaks the connection at the next script.
struct Wire {
    port: u16,
    next: Arc<Mutex<Option<Fault>>>,
}

// === impl Wire ===

impl Wire {
    async fn to(listener: TcpListener, server: u16) -> Self {
        let port = listener.local_addr().unwrap().port();
        let next = Arc::new(Mutex::new(None));
        let wire = Self { port, next: Arc::clone(&next) };
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, server, Arc::clone(&next)));
            }
        });
        wire
    }

    fn breaks(&self, fault: Fault) {
        *self.next.lock().unwrap() = Some(fault);
    }

    fn has_broken(&self) -> bool {
        self.next.lock().unwrap().is_none()
    }
}

async fn carry(mut client: TcpStream, server: u16, next: Arc<Mutex<Option<Fault>>>) {
    let mut server = TcpStream::connect(("127.0.0.1", server)).await.unwrap();
    let (mut asked, mut answered) = ([0; 16_384], [0; 16_384]);
    loop {
        tokio::select! {
            read = client.read(&mut asked) => {
                let Ok(length @ 1..) = read else { return };
                let is_script = asked[..length].windows(4).any(|word| word == b"EVAL");
                let fault = if is_script { next.lock().unwrap().take() } else { None };
                if fault == Some(Fault::NotDone) || server.write_all(&asked[..length]).await.is_err() {
                    return;
                }
                if fault == Some(Fault::AnswerLost) {
                    drop(server.read(&mut answered).await);
                    return;
                }
            }
            read = server.read(&mut answered) => {
                let Ok(length @ 1..) = read else { return };
                if client.write_all(&answered[..length]).await.is_err() {
                    return;
                }
            }
        }
    }
}

fn store(port: u16, topology: &str) -> RedisStore {
    let url = format!("{{redis: {{url: {{file: FOLDER/url}}, topology: {topology}, timeout_ms: 3000}}}}");
    let world = World::prepared(|yaml| yaml.replace("STORE", &url));
    std::fs::write(world.folder.path().join("url"), format!("redis://127.0.0.1:{port}")).unwrap();
    let config = Config::parse(&world.yaml).unwrap();
    let StoreConfig::Redis(config) = &config.store else { panic!("it is Redis") };
    let clock: Arc<dyn Clock> = world.clock.clone();
    RedisStore::new(config, clock).unwrap()
}

/// Runs a command over a wire that breaks. What was done is answered as such; what was not may be refused, and then works.
async fn once<T: PartialEq + std::fmt::Debug>(
    (wire, fault): (&Wire, Fault),
    wanted: T,
    command: impl AsyncFn() -> Result<T, StoreError>,
) {
    wire.breaks(fault);
    let answer = match (command().await, fault) {
        (Err(_), Fault::NotDone) => command().await,
        (answer, _) => answer,
    };
    assert!(wire.has_broken());
    assert_eq!(answer.unwrap(), wanted, "{fault:?}");
}

async fn everything_happens_once(wire: &Wire, store: &RedisStore) {
    let end = NOW.plus(Duration::from_secs(60));
    let json = |row: Option<Row>| row.map(|row| row.json);
    let kept = async |name: &str| json(store.get(name, NOW).await.unwrap());
    let two = Some(b"2".to_vec());
    for fault in [Fault::NotDone, Fault::AnswerLost] {
        let (at, name) = ((wire, fault), format!("x:{fault:?}"));
        // Once without faults, so that the server knows the scripts.
        for (broken, name) in [(None, "x:whole"), (Some(at), name.as_str())] {
            let put = async || store.put(name, b"1".to_vec(), end).await;
            let swap = async |row: Row| store.swap(name, row, Some((b"2".to_vec(), end))).await;
            let take = async || store.take(name, NOW).await.map(json);
            let put_new = async || store.put_new(name, b"3".to_vec(), end, NOW).await;
            let remove = async || store.remove(name).await;
            let Some(at) = broken else {
                put().await.unwrap();
                let row = store.get(name, NOW).await.unwrap().unwrap();
                assert!(swap(row.clone()).await.unwrap() && !swap(row).await.unwrap());
                assert_eq!((take().await.unwrap(), take().await.unwrap()), (two.clone(), None));
                assert!(put_new().await.unwrap() && !put_new().await.unwrap());
                remove().await.unwrap();
                continue;
            };
            once(at, (), put).await;
            let row = store.get(name, NOW).await.unwrap().unwrap();
            once(at, true, async || swap(row.clone()).await).await;
            assert!(!swap(row).await.unwrap(), "once");
            once(at, two.clone(), take).await;
            assert_eq!((take().await.unwrap(), kept(name).await), (None, None), "once");
            once(at, true, put_new).await;
            assert!(!put_new().await.unwrap(), "once");
            let row = store.get(name, NOW).await.unwrap().unwrap();
            once(at, true, async || store.swap(name, row.clone(), None).await).await;
            assert_eq!(kept(name).await, None);
            put().await.unwrap();
            once(at, (), remove).await;
            assert_eq!(kept(name).await, None);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_one_redis() {
    let Ok(redis) = Redis::of("single") else { return };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let wire = Wire::to(listener, redis.servers[0].port).await;
    everything_happens_once(&wire, &store(wire.port, "single")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_cluster_whose_library_asks_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let announced = listener.local_addr().unwrap().port().to_string();
    let options = [
        "--cluster-enabled",
        "yes",
        "--cluster-announce-ip",
        "127.0.0.1",
        "--cluster-announce-port",
        &announced,
    ];
    let Ok(redis) = Redis::single_with(&options) else { return };
    let server = &redis.servers[0];
    let mut connection = server.connection();
    redis::cmd("CLUSTER").arg("ADDSLOTSRANGE").arg(0).arg(16_383).exec(&mut connection).unwrap();
    crate::redis::until("the cluster is whole", || {
        let info = redis::cmd("CLUSTER").arg("INFO").query::<String>(&mut server.connection()).unwrap();
        info.contains("cluster_state:ok")
    });
    let wire = Wire::to(listener, server.port).await;
    everything_happens_once(&wire, &store(wire.port, "cluster")).await;
}
