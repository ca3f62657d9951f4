//! The pod of mode `standalone` without Kubernetes: its containers as processes, its volumes as folders.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use serde_json::{Value, json};
use tokio::process::Command;
use wicketgate_e2e::client::http::Http;
use wicketgate_e2e::process::Service;
use wicketgate_e2e::ready::Login;
use wicketgate_e2e::sidecar::random_text;
use wicketgate_e2e::upstream::{Upstream, start_sample};
use wicketgate_e2e::world::wait_for;
use wicketgate_e2e::{envoy, files, layout, ports};

pub(super) struct Pod {
    pub(super) origin: String,
    pub(super) mcp: String,
    /// The listener for probes and metrics.
    pub(super) operations: String,
    pub(super) login: Login,
    pub(super) http: Http,
    state: PathBuf,
    values: Value,
    services: Vec<Service>,
}

/// What the containers were given, and where it lies here.
struct Places {
    state: PathBuf,
    module: PathBuf,
    ports: [(u16, u16); 7],
}

// === impl Pod ===

impl Pod {
    /// Renders, starts everything and returns when the filter answers.
    pub(super) async fn start(name: &str, rules: &str) -> Self {
        let port = ports::free().unwrap();
        let state = layout::root().join("target/worlds").join(format!("{name}-{port}"));
        let _ = fs::remove_dir_all(&state);
        for folder in ["keys", "store", "secrets/users", "filter"] {
            files::create_directory(&state.join(folder)).unwrap();
        }
        let (upstream_service, upstream) = start_sample(ports::free().unwrap(), &state).unwrap();
        let password = random_text(18).unwrap();
        files::write_private(&state.join("secrets/users/demo"), &password).unwrap();
        files::write_private(&state.join("keys/data.key"), &generate_key().await).unwrap();
        let free = |documented: u16| (documented, ports::free().unwrap());
        let places = Places {
            state: state.clone(),
            module: layout::filter_module().unwrap(),
            ports: [(8080, port), free(9000), free(9001), free(9002), free(9003), free(9901), free(9902)],
        };
        let origin = format!("http://127.0.0.1:{port}");
        let mut pod = Self {
            mcp: format!("{origin}/mcp"),
            operations: format!("http://127.0.0.1:{}", places.port(9902)),
            login: Login { user: "demo".into(), password },
            http: Http::new().unwrap(),
            values: values(&origin, &upstream, rules),
            services: vec![upstream_service],
            origin,
            state,
        };

        let data = pod.render().await;
        for (file, rendered) in [("envoy.yaml", &data["envoy.yaml"]), ("auth.json", &data["auth.json"])] {
            files::write_private(&pod.state.join(file), &places.put_in(rendered)).unwrap();
        }
        pod.mount_filter(&data["filter.json"].replace(MODULE, places.module.to_str().unwrap()));

        let mut auth = Command::new(layout::binary("wicketgate-auth").unwrap());
        auth.args(["serve", "--config"]).arg(pod.state.join("auth.json"));
        let auth = Service::spawn("sidecar", auth, &pod.state.join("sidecar.log")).unwrap();
        let mut envoy = Command::new(layout::obtain("envoy").unwrap());
        envoy
            .arg("--config-path")
            .arg(pod.state.join("envoy.yaml"))
            .args(["--concurrency", "2", "--log-level", "warning", "--disable-hot-restart"])
            .args(["--file-flush-interval-msec", "200", "--drain-time-s", "1"]);
        let mut envoy = Service::spawn("envoy", envoy, &pod.state.join("envoy.log")).unwrap();
        // What the start-up probe asks, and what needs keys besides.
        for path in ["/.well-known/oauth-protected-resource/mcp", "/wicketgate/status"] {
            let url = format!("{}{path}", pod.origin);
            wait_for("the rendered Envoy", Some(&mut envoy), || ok(&pod.http, &url)).await.unwrap();
        }
        pod.services.extend([auth, envoy]);
        pod
    }

    /// Renders with other rules and turns the link, as the kubelet does when a ConfigMap has changed.
    pub(super) async fn change_policy(&mut self, rules: &str) {
        self.values["config"]["servers"][0]["rules"] = yaml(rules);
        let module = layout::filter_module().unwrap();
        let filter = self.render().await["filter.json"].replace(MODULE, module.to_str().unwrap());
        self.mount_filter(&filter);
    }

    /// The reasons of all decisions so far, once there are some.
    pub(super) async fn reasons(&self) -> BTreeSet<String> {
        let records = self.state.join("stdout.jsonl");
        wait_for("a denied call among the records", None, || async {
            let text = fs::read_to_string(&records).unwrap_or_default();
            if text.contains("\"not_allowed\"") { Ok(()) } else { Err(text) }
        })
        .await
        .unwrap();
        let text = fs::read_to_string(&records).unwrap();
        let complete = text.rfind('\n').map_or("", |end| text.get(..end).unwrap_or_default());
        let records = complete.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let decisions = records.filter(|record| record["record"] == "decision");
        decisions.filter_map(|record| record["reason"].as_str().map(str::to_owned)).collect()
    }

    /// Stops it and removes its folder: for a test that passed.
    pub(super) async fn stop(mut self) {
        for service in self.services.iter_mut().rev() {
            service.stop().await;
        }
        let _ = fs::remove_dir_all(&self.state);
    }

    /// The data of all ConfigMaps that Helm renders.
    async fn render(&self) -> BTreeMap<String, String> {
        let file = self.state.join("values.json");
        files::write_private(&file, &self.values.to_string()).unwrap();
        let mut helm = Command::new(layout::obtain("helm").unwrap());
        helm.args(["template", "rel"]).arg(layout::root().join("k8s/chart")).arg("--values").arg(&file);
        let output = helm.output().await.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        let objects = text.split("\n---\n").map(yaml).filter(|one| one["kind"] == "ConfigMap");
        let data = objects.flat_map(|one| one["data"].as_object().unwrap().clone());
        data.map(|(name, text)| (name, text.as_str().unwrap().to_owned())).collect()
    }

    /// As a ConfigMap is mounted: the file is a link through `..data`, which turns from one folder to the next.
    fn mount_filter(&self, filter: &str) {
        let volume = self.state.join("filter");
        let version = format!("..{}", fs::read_dir(&volume).unwrap().count());
        fs::create_dir(volume.join(&version)).unwrap();
        fs::write(volume.join(&version).join("filter.json"), filter).unwrap();
        symlink(&version, volume.join("..data_tmp")).unwrap();
        fs::rename(volume.join("..data_tmp"), volume.join("..data")).unwrap();
        if !volume.join("filter.json").exists() {
            symlink("..data/filter.json", volume.join("filter.json")).unwrap();
        }
    }
}

const MODULE: &str = "/var/lib/wicketgate-module/plugin.wasm";

// === impl Places ===

impl Places {
    fn port(&self, documented: u16) -> u16 {
        self.ports.iter().find(|(from, _)| *from == documented).unwrap().1
    }

    /// The rendered text with this pod's ports and folders. Every place that must be replaced must be there.
    fn put_in(&self, text: &str) -> String {
        let folder = |name: &str| self.state.join(name).to_str().unwrap().to_owned();
        let folders = [
            ("/etc/wicketgate/filter", folder("filter")),
            ("/etc/wicketgate/keys", folder("keys")),
            ("/etc/wicketgate/secrets", folder("secrets")),
            ("/var/lib/wicketgate", folder("store")),
            ("/dev/stdout", folder("stdout.jsonl")),
            ("0.0.0.0:", "127.0.0.1:".to_owned()),
            ("address: \"0.0.0.0\"", "address: 127.0.0.1".to_owned()),
        ];
        let ports = self.ports.iter().flat_map(|(from, to)| {
            [
                (format!("port_value: {from}}}"), format!("port_value: {to}}}")),
                (format!("127.0.0.1:{from}\""), format!("127.0.0.1:{to}\"")),
                (format!("0.0.0.0:{from}\""), format!("127.0.0.1:{to}\"")),
            ]
        });
        let all: Vec<_> = ports
            .chain(folders.map(|(from, to)| (from.to_owned(), to)))
            .filter(|(from, _)| text.contains(from))
            .collect();
        let all: Vec<_> = all.iter().map(|(from, to)| (from.as_str(), to.clone())).collect();
        let out = envoy::substitute(text, &all).unwrap();
        for left in ["/etc/wicketgate", "/dev/stdout", "0.0.0.0:"] {
            assert!(!out.contains(left), "{left} is still there:\n{out}");
        }
        out
    }
}

/// What has no default, and a user to log in as.
fn values(origin: &str, upstream: &Upstream, rules: &str) -> Value {
    json!({
        "config": {
            "url": origin,
            "servers": [{
                "name": "sample", "path": "/mcp", "scopes": ["mcp:read"], "rules": yaml(rules),
                "upstream": {"host": upstream.host, "port": upstream.port},
            }],
            "authorizationServer": {
                "registration": {"open": true},
                "users": [{"name": "demo", "password": {"file": "/etc/wicketgate/secrets/users/demo"}}],
            },
        },
        "keyEncryption": {"existingSecret": "wicketgate-key"},
    })
}

fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap_or_else(|why| panic!("{why}: {text}"))
}

async fn generate_key() -> String {
    let mut command = Command::new(layout::binary("wicketgate-auth").unwrap());
    String::from_utf8(command.arg("generate-key").output().await.unwrap().stdout).unwrap()
}

async fn ok(http: &Http, url: &str) -> Result<(), String> {
    let answer = http.get(url, &[]).await.map_err(|failure| failure.0)?;
    if answer.status == 200 { Ok(()) } else { Err(format!("{url} answered {}", answer.status)) }
}
