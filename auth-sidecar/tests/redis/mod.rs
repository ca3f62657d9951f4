//! Real Redis servers on loopback, as many as a topology needs. They end with the value that holds them.
#![allow(dead_code, reason = "not every suite needs every topology")]

pub(crate) mod tls;

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use redis::{Client, Commands as _};

use self::tls::Authority;

/// So long everything here may take to be ready.
const PATIENCE: Duration = Duration::from_secs(30);
/// The name that sentinels know the master by.
const MASTER: &str = "wicket";

/// What servers are started with.
pub(crate) struct Kit {
    program: PathBuf,
    /// They speak TLS alone, with what this authority vouches for.
    tls: Option<Arc<Authority>>,
}

/// One server.
pub(crate) struct Server {
    pub(crate) port: u16,
    tls: Option<Arc<Authority>>,
    process: Process,
    command: Vec<String>,
    folder: tempfile::TempDir,
}

/// A process that ends with us, however we end: a shell ends it when its standard input closes.
struct Process {
    shell: Child,
    id: String,
}

/// Servers that work as one, and how a configuration names them.
pub(crate) struct Redis {
    pub(crate) servers: Vec<Server>,
    pub(crate) sentinels: Vec<Server>,
    /// The `store` of a configuration, in YAML flow style, but for the URL.
    pub(crate) topology: String,
}

/// The program, or why there is none.
pub(crate) fn program() -> Result<PathBuf, String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/obtain/redis.sh");
    let ran = Command::new(script).stdin(Stdio::null()).output().unwrap();
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if ran.status.success() { Ok(said(&ran.stdout).into()) } else { Err(said(&ran.stderr)) }
}

// === impl Kit ===

impl Kit {
    /// Servers of this authority, or such that speak in clear.
    pub(crate) fn of(tls: Option<Authority>) -> Result<Self, String> {
        Ok(Self { program: program()?, tls: tls.map(Arc::new) })
    }

    fn start(&self, arguments: &[String]) -> Server {
        let (port, folder) = (free_port(), tempfile::tempdir().unwrap());
        let mut command = vec![self.program.display().to_string()];
        command.extend(arguments.iter().cloned());
        let always = ["--bind", "127.0.0.1", "--save", "", "--daemonize", "no"].map(str::to_owned);
        command.extend(always);
        command.extend(match &self.tls {
            Some(tls) => tls.options(port),
            None => vec!["--port".into(), port.to_string()],
        });
        command.extend(["--dir".into(), folder.path().display().to_string()]);
        let server = Server { port, tls: self.tls.clone(), process: Process::run(&command), command, folder };
        server.wait();
        server
    }
}

// === impl Server ===

impl Server {
    pub(crate) fn url(&self) -> String {
        self.url_of("")
    }

    /// The URL with a user and `@`, or nothing, before the host.
    pub(crate) fn url_of(&self, user: &str) -> String {
        match self.tls {
            Some(_) => format!("rediss://{user}localhost:{}", self.port),
            None => format!("redis://{user}127.0.0.1:{}", self.port),
        }
    }

    fn client(&self) -> Client {
        match &self.tls {
            Some(tls) => Client::build_with_tls(self.url(), tls.certificates()).unwrap(),
            None => Client::open(self.url()).unwrap(),
        }
    }

    /// A blocking connection, for looking at what is there.
    pub(crate) fn connection(&self) -> redis::Connection {
        self.client().get_connection().unwrap()
    }

    /// Names and values of all that lies under a prefix, as `name kind value`.
    pub(crate) fn dump(&self, prefix: &str) -> Vec<Vec<u8>> {
        let mut connection = self.connection();
        let names: Vec<String> = connection.keys(format!("{prefix}*")).unwrap();
        let mut dump = |name: String| {
            let kind: String = redis::cmd("TYPE").arg(&name).query(&mut connection).unwrap();
            let value: Vec<Vec<u8>> = match kind.as_str() {
                "string" => vec![connection.get(&name).unwrap()],
                "zset" => connection.zrange_withscores(&name, 0, -1).unwrap(),
                "hash" => connection.hgetall(&name).unwrap(),
                other => unreachable!("{name} is a {other}"),
            };
            [format!("{name} {kind} ").into_bytes(), value.join(&b' ')].concat()
        };
        names.into_iter().map(&mut dump).collect()
    }

    /// Ends it at once, as a crash does.
    pub(crate) fn kill(&mut self) {
        self.process.end();
    }

    /// Starts it again, at the same place.
    pub(crate) fn start_again(&mut self) {
        self.process = Process::run(&self.command);
        self.wait();
    }

    /// Stops it in its tracks (SIGSTOP), or lets it go on (SIGCONT).
    pub(crate) fn signal(&self, signal: &str) {
        assert!(self.process.signal(signal));
    }

    fn is_in_cluster_of(&self, nodes: usize, replicas: usize) -> bool {
        let mut connection = self.connection();
        let mut ask =
            |command: &str, what: &str| redis::cmd(command).arg(what).query::<String>(&mut connection);
        let (info, nodes_known) = (ask("CLUSTER", "INFO").unwrap(), ask("CLUSTER", "NODES").unwrap());
        let replication = ask("INFO", "replication").unwrap();
        let follows = replication.contains("master_link_status:up")
            || replication.contains(&format!("connected_slaves:{replicas}"));
        info.contains("cluster_state:ok") && nodes_known.matches("connected").count() == nodes && follows
    }

    /// Whether the cluster goes on without the server at this port, as this one sees it.
    pub(crate) fn goes_on_without(&self, port: u16) -> bool {
        let mut connection = self.connection();
        let mut ask = |what: &str| redis::cmd("CLUSTER").arg(what).query::<String>(&mut connection).unwrap();
        let is_gone = |node: &str| node.contains(&format!(":{port}@")) && node.contains("fail");
        ask("NODES").lines().any(is_gone) && ask("INFO").contains("cluster_state:ok")
    }

    fn wait(&self) {
        until("a server answers", || {
            let answer = self.client().get_connection().and_then(|mut c| c.ping::<String>());
            answer.is_ok()
        });
    }
}

// === impl Process ===

impl Process {
    fn run(command: &[String]) -> Self {
        let script = r#""$@" >/dev/null & echo $!; read -r _; kill -9 $!; wait"#;
        let mut shell = Command::new("sh");
        shell.args(["-c", script, "sh"]).args(command).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut shell = shell.stderr(Stdio::null()).spawn().unwrap();
        let mut id = String::new();
        BufReader::new(shell.stdout.take().unwrap()).read_line(&mut id).unwrap();
        Self { shell, id: id.trim().to_owned() }
    }

    fn signal(&self, signal: &str) -> bool {
        Command::new("kill").args([signal, &self.id]).stderr(Stdio::null()).status().unwrap().success()
    }

    fn end(&mut self) {
        drop(self.shell.stdin.take());
        self.shell.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

// === impl Redis ===

impl Redis {
    /// Servers of this topology, which speak TLS alone where it ends so.
    pub(crate) fn of(topology: &str) -> Result<Self, String> {
        match topology.strip_suffix(" over TLS") {
            Some(topology) => {
                Self::of_kit(topology, &Kit::of(Some(Authority::of(&["localhost", "127.0.0.1"])))?)
            }
            None => Self::of_kit(topology, &Kit::of(None)?),
        }
    }

    /// Such servers of this topology.
    pub(crate) fn of_kit(topology: &str, kit: &Kit) -> Result<Self, String> {
        let mut redis = match topology {
            "single" => Self::single(kit, &[]),
            "sentinel" => Self::sentinel(kit),
            "cluster" => Self::cluster(kit, 3, 0),
            "cluster with replicas" => Self::cluster(kit, 6, 1),
            other => return Err(format!("no topology is called {other}")),
        };
        redis.topology += &kit.tls.as_ref().map(|tls| tls.trusted()).unwrap_or_default();
        Ok(redis)
    }

    /// One server with further options.
    pub(crate) fn single_with(more: &[&str]) -> Result<Self, String> {
        Ok(Self::single(&Kit::of(None)?, more))
    }

    fn single(kit: &Kit, more: &[&str]) -> Self {
        let options = ["--appendonly", "yes", "--appendfsync", "always"];
        let options: Vec<_> = options.iter().chain(more).map(|&option| option.to_owned()).collect();
        Self { servers: vec![kit.start(&options)], sentinels: vec![], topology: "topology: single".into() }
    }

    /// A master, a replica, and three sentinels that watch them.
    fn sentinel(kit: &Kit) -> Self {
        let master = kit.start(&[]);
        let following = ["--replicaof".into(), "127.0.0.1".into(), master.port.to_string()];
        let replica = kit.start(&following);
        until("the replica follows", || {
            let role =
                redis::cmd("INFO").arg("replication").query::<String>(&mut replica.connection()).unwrap();
            role.contains("master_link_status:up")
        });
        let sentinels: Vec<_> = (0..3).map(|_| Self::watch(kit, master.port)).collect();
        until("the sentinels know each other and the replica", || {
            sentinels.iter().all(|sentinel| {
                let known = redis::cmd("INFO").arg("sentinel").query::<String>(&mut sentinel.connection());
                known.unwrap().contains("slaves=1,sentinels=3")
            })
        });
        let topology = format!("topology: sentinel, master: {MASTER}");
        Self { servers: vec![master, replica], sentinels, topology }
    }

    fn watch(kit: &Kit, master: u16) -> Server {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("sentinel.conf");
        let lines = format!(
            "sentinel monitor {MASTER} 127.0.0.1 {master} 2\nsentinel down-after-milliseconds {MASTER} 1500\n\
             sentinel failover-timeout {MASTER} 3000\n"
        );
        std::fs::write(&file, lines).unwrap();
        let arguments = [file.display().to_string(), "--sentinel".into()];
        let mut server = kit.start(&arguments);
        // Sentinels rewrite their file.
        server.folder = folder;
        server
    }

    /// So many servers that share the keys, each master with so many replicas.
    fn cluster(kit: &Kit, nodes: usize, replicas: usize) -> Self {
        let node = |_| {
            let options = [
                "--appendonly",
                "yes",
                "--cluster-enabled",
                "yes",
                "--cluster-node-timeout",
                "2000",
                "--cluster-port",
            ];
            let bus = free_port().to_string();
            let arguments: Vec<_> = options.into_iter().chain([bus.as_str()]).map(str::to_owned).collect();
            kit.start(&arguments)
        };
        let servers: Vec<_> = (0..nodes).map(node).collect();
        let mut create = Command::new(kit.program.with_file_name("redis-cli"));
        create
            .args(kit.tls.as_ref().map(|tls| tls.options_of_client()).unwrap_or_default())
            .args(["--cluster", "create"])
            .args(servers.iter().map(|one| format!("127.0.0.1:{}", one.port)))
            .args(["--cluster-replicas", &replicas.to_string(), "--cluster-yes"]);
        let ran = create.stdin(Stdio::null()).output().unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stdout));
        until("the cluster is whole", || servers.iter().all(|one| one.is_in_cluster_of(nodes, replicas)));
        Self { servers, sentinels: vec![], topology: "topology: cluster".into() }
    }

    /// Where the sentinels say that the master is.
    pub(crate) fn master_port(&self) -> Option<u16> {
        let mut connection = self.sentinels.first()?.connection();
        let asked = redis::cmd("SENTINEL").arg("get-master-addr-by-name").arg(MASTER).query(&mut connection);
        let (_, port): (String, u16) = asked.ok()?;
        Some(port)
    }

    /// Those that a configuration names, and a user and `@`, or nothing, before each host.
    pub(crate) fn urls(&self, user: &str) -> String {
        let asked = if self.sentinels.is_empty() { &self.servers } else { &self.sentinels };
        asked.iter().map(|one| one.url_of(user)).collect::<Vec<_>>().join(",")
    }

    /// The `store` of a configuration, with the URL in this file.
    pub(crate) fn store(&self, url_file: &Path, more: &str) -> String {
        std::fs::write(url_file, self.urls("")).unwrap();
        format!("{{redis: {{url: {{file: {}}}, {}{more}}}}}", url_file.display(), self.topology)
    }
}

/// Never the same twice: the system gives a port again that nobody has bound yet.
pub(crate) fn free_port() -> u16 {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    loop {
        let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        if GIVEN.lock().unwrap().insert(port) {
            return port;
        }
    }
}

/// Asks until it is so.
pub(crate) fn until(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
