"""Do the pods run that the chart renders by its defaults? Our images from a registry on loopback, in podman and runc, as a kubelet runs them in outline.

`make e2e-pods`; not among `make chart`, because the static programs take minutes to build, and because only root may make containers.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import socket
import socketserver
import subprocess
import sys
import threading
import time
import unittest
from contextlib import ExitStack, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import renders
from containers import Engine, Pod, connects, mount, obtained, own_network, pre_stop, until
from gateway import SECRET, Caller, values
from renders import ROOT, objects
from test_compose import composed
from test_images import push

sys.path.insert(0, str(ROOT / "k8s/images"))
import oci  # noqa: E402

IMAGES = ROOT / "target/images"
TAG = "0.1.0"
#: The documented ones: the network is the test's own.
PUBLIC, SERVER = 8080, 3001
NOTE = {"id": "ideas"}
RULE = {"id": "readers", "allow": {"who": {"scopes": ["mcp:read"]}, "tools": ["get_note", "run_report"]}}


def libraries(program: str) -> dict[str, bytes]:
    """By their places, those that a program names."""
    said = subprocess.run(["ldd", program], capture_output=True, text=True).stdout
    return {path.lstrip("/"): Path(path).read_bytes() for path in re.findall(r"(/\S+) \(", said)}


def envoy_image(folder: Path) -> str:
    """Stands in for Envoy's own image, which cannot be had here: the same program, and the libraries that it names."""
    program = obtained("envoy")
    assert program is not None
    files = {"usr/local/bin/envoy": Path(program).read_bytes()} | libraries(program)
    return oci.write(oci.Image([files], ["/usr/local/bin/envoy"]), folder, "distroless-v1.40.0")


def chart_values(registry: str, digests: dict[str, str]) -> dict[str, Any]:
    """Names of hosts, who may do what, and where images are; all else is the chart's own."""
    out = values(f"http://localhost:{PUBLIC}")
    [server] = out["config"]["servers"]
    server |= {"upstream": {"service": "rel-wicketgate-sample", "port": SERVER}, "rules": [RULE]}
    out["secrets"] = ["agent"]
    out["global"] = {"imageRegistry": registry}
    out["image"], out["wasm"] = {"digest": digests["wicketgate-auth"]}, {"image": {"digest": digests["wicketgate-filter"]}}
    sample = f"{registry}/wicketgate/wicketgate-sample-server@{digests['wicketgate-sample-server']}"
    out["mcpServers"] = [{"name": "sample", "image": sample, "port": SERVER, "args": ["--listen", f"0.0.0.0:{SERVER}", "--any-host"]}]
    return out


class Stage:
    """What all tests here share, because packing Envoy takes a while: podman, and the images in its registry."""

    def __init__(self, stack: ExitStack, program: str) -> None:
        self.folder = Path(stack.enter_context(TemporaryDirectory(dir=ROOT / "target")))
        self.folder.chmod(0o755)
        self.engine = Engine(stack, program, self.folder)
        self.digests = json.loads((IMAGES / "digests.json").read_text())
        connection = http.client.HTTPConnection(self.engine.registry, timeout=60)
        stack.callback(connection.close)
        for name in self.digests:
            push(IMAGES / name, connection, f"wicketgate/{name}")
        envoy_image(self.folder / "envoy")
        push(self.folder / "envoy", connection, "envoyproxy/envoy")
        image = f"{self.engine.registry}/wicketgate/wicketgate-auth@{self.digests['wicketgate-auth']}"
        self.key = self.engine.run("--rm", "--network", "none", image, "generate-key").encode()


STAGE: Stage


def setUpModule() -> None:
    global STAGE
    program = obtained("podman")
    if program is None:
        raise unittest.SkipTest("rendered pods do not run here; the reason stands above")
    with ExitStack() as stack:
        STAGE = Stage(stack, program)
        unittest.addModuleCleanup(stack.pop_all().close)


class Pods(unittest.TestCase):
    def setUp(self) -> None:
        self.engine, self.folder, self.digests = STAGE.engine, STAGE.folder, STAGE.digests
        self.secrets = {"wicketgate-key": {"data.key": STAGE.key}, "agent": {"secret": SECRET.encode()}}

    def rendered(self, **more: Any) -> list[Any]:
        document = chart_values(self.engine.registry, self.digests)
        document["config"]["servers"][0] |= more
        file = self.folder / "values.json"
        file.write_text(json.dumps(document))
        return objects(renders.run(4, "template", "rel", str(renders.CHART), "--namespace", "mcp", "--values", str(file)))

    def start(self, of: list[Any], name: str) -> Pod:
        [template] = [one["spec"]["template"] for one in of if one["kind"] == "Deployment" and one["metadata"]["name"] == name]
        pod = Pod(self.engine, of, template, self.folder, self.secrets, HOSTS)
        self.addCleanup(pod.remove)
        pod.start()
        pod.wait_started()
        return pod

    def token(self, caller: Caller) -> str:
        token = caller.token(f"http://localhost:{PUBLIC}/mcp")
        # The filter may not have the keys yet.
        self.decided(caller, token)
        return token

    def decided(self, caller: Caller, token: str) -> None:
        said = []
        until(lambda: said.append(caller.call(token, "get_note", NOTE)) or said[-1][0] == 200, lambda: f"not decided: {said[-1:]}")

    def test_the_rendered_pods_run(self) -> None:
        """One story, because each part costs a start: it comes up, decides, takes another policy, ends in time, and knows all of it again."""
        of = self.rendered()
        server, pod = self.start(of, "rel-wicketgate-sample"), self.start(of, "rel-wicketgate")
        caller = Caller(PUBLIC)
        for one in (server, pod):
            for container in one.spec["containers"]:
                for kind in ("readinessProbe", "livenessProbe"):
                    until(lambda: one.probe(container["name"], kind), f"{container['name']}: {kind}")   # noqa: B023
        with self.subTest("nobody is root, and nothing can be written"):
            for one in (server, pod):
                for container in one.spec["containers"]:
                    self.is_confined(one, container)
        token = self.token(caller)
        with self.subTest("calls are decided"):
            self.assertEqual(401, caller.call(None, "get_note", NOTE)[0])
            self.assertEqual("Ideas", caller.call(token, "get_note", NOTE)[1]["result"]["structuredContent"]["title"])
            self.assertIn("Unknown tool", json.dumps(caller.call(token, "search_notes", {"query": "report"})[1]))
            self.assertIn('"reason":"not_allowed"', pod_records(pod, '"reason":"not_allowed"'))
        with self.subTest("the test of the chart passes"):
            self.helm_test_passes(of)
        with self.subTest("another policy is taken over while it runs"):
            wider = {"id": "all", "allow": {"who": {"scopes": ["mcp:read"]}, "tools": ["*"]}}
            [data] = [one["data"] for one in self.rendered(rules=[wider]) if "filter.json" in one.get("data", {})]
            mount(pod.volumes["filter"], {name: text.encode() for name, text in data.items()})
            until(lambda: "result" in caller.call(token, "search_notes", {"query": "report"})[1], "the other policy is not in force")
        with self.subTest("a pod that ends serves until it does, and ends in time"):
            self.drains(pod, caller, token)
        with self.subTest("what it has given out counts after a restart"):
            pod = self.start(of, "rel-wicketgate")
            self.decided(caller, token)

    def is_confined(self, pod: Pod, container: Any) -> None:
        pid = self.engine("inspect", "--format", "{{.State.Pid}}", pod.container(container["name"]))
        status = dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line)
        self.assertEqual({"65532"}, set(status["Uid"].split()))
        self.assertEqual({"65532"}, set(status["Gid"].split()))
        self.assertEqual({0}, {int(status[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")})
        self.assertEqual(("1", "2"), (status["NoNewPrivs"], status["Seccomp"]))
        places = {line.split()[4]: line.split()[5].split(",") for line in Path(f"/proc/{pid}/mountinfo").read_text().splitlines()}
        self.assertIn("ro", places["/"])
        own = {one["mountPath"] for one in container.get("volumeMounts", []) if not one.get("readOnly")}
        system = re.compile(r"/(dev|proc|sys)(/|$)|/etc/(hosts|hostname|resolv.conf)$|/run/")
        self.assertEqual(own, {place for place, how in places.items() if "rw" in how and not system.match(place)})

    def helm_test_passes(self, of: list[Any]) -> None:
        [test] = [one for one in of if one["kind"] == "Pod"]
        [service] = [one for one in of if one["kind"] == "Service" and one["metadata"]["name"] == "rel-wicketgate"]
        server = self.enterContext(socketserver.ThreadingTCPServer(("127.0.0.1", service["spec"]["ports"][0]["port"]), Service))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.shutdown)
        pod = Pod(self.engine, of, test, self.folder, self.secrets, HOSTS)
        self.addCleanup(pod.remove)
        [container] = pod.spec["containers"]
        pod.run(container)
        self.assertEqual(0, pod.exit_code(container["name"]), pod.log(container["name"]))

    def drains(self, pod: Pod, caller: Caller, token: str) -> None:
        """While `preStop` sleeps, new connections are served and a call that is under way is answered; then SIGTERM ends both containers, themselves."""
        seconds = {pre_stop(one) for one in pod.spec["containers"]}
        self.assertEqual(1, len(seconds), "both end together")
        late: list[tuple[int, Any]] = []
        under_way = threading.Thread(target=lambda: late.append(caller.call(token, "run_report", {"seconds": 2})))
        under_way.start()
        deadline = time.monotonic() + max(seconds)
        answers = []
        while time.monotonic() < deadline:
            answers.append(caller.call(token, "get_note", NOTE)[0])
        self.assertEqual({200}, set(answers))
        under_way.join()
        self.assertEqual(200, late[0][0], late)
        # Not 137, which is SIGKILL's.
        self.assertEqual({"envoy": 0, "authorization-server": 0}, pod.terminate())
        self.assertFalse(connects(PUBLIC))


def stand_in(engine: Engine, folder: Path, image: str, program: str, inside: str) -> None:
    """Another's image, which cannot be had here: its program, where the image has it, and the libraries that it names."""
    files = {inside: Path(program).read_bytes()} | libraries(program)
    name, _, tag = image.rpartition(":")
    # Valkey's is named by the command.
    oci.write(oci.Image([files], [] if "valkey" in image else [f"/{inside}"]), folder / name.replace("/", "-"), tag)
    connection = http.client.HTTPConnection(engine.registry, timeout=60)
    push(folder / name.replace("/", "-"), connection, name)
    connection.close()


class Compose(unittest.TestCase):
    """The parts of k8s/compose, each profile as podman-compose puts it together. Programs of others stand in for their images; there is none of Grafana
    and Prometheus."""

    def start(self, profile: str) -> dict[str, Any]:
        parts = {name: one for name, one in composed(profile).items()}
        place = STAGE.folder / f"compose{profile}"
        shutil.copytree(renders.ROOT / "k8s/compose", place / "k8s/compose")
        shutil.copytree(renders.ROOT / "envoy/policies", place / "envoy/policies")
        (place / "k8s/compose/secrets").mkdir()
        for name, content in (("data.key", STAGE.key), ("demo.password", b"correct horse")):
            (place / "k8s/compose/secrets" / name).write_bytes(content)
        self.addCleanup(lambda: [STAGE.engine("volume", "rm", "--force", f"compose-{name}", check=False) for name in ("module", "store", "redis")])
        self.addCleanup(lambda: [STAGE.engine("rm", "--force", "--time", "1", name, check=False) for name in reversed(parts)])
        # In the order in which they wait for one another.
        for name in sorted(parts, key=["module", "redis", "otel", "opa", "envoy", "authorization-server", "sample"].index):
            compose_run(STAGE.engine, place / "k8s/compose", name, parts[name])
        until(lambda: Caller(PUBLIC).ask("GET", "/.well-known/oauth-protected-resource/mcp")[0] == 200, lambda: STAGE.engine.log("envoy"))
        until(lambda: Caller(PUBLIC).ask("GET", "/.well-known/oauth-authorization-server")[0] == 200, lambda: STAGE.engine.log("authorization-server"))
        return parts

    def other(self, name: str, image: str, program: str, inside: str) -> None:
        found = obtained(program)
        if found is None:
            self.skipTest(f"the profile {name} was not started: its program cannot be had here; the reason stands above")
        self.assertEqual(image, composed(name)[name]["image"].rpartition(":")[0])
        stand_in(STAGE.engine, STAGE.folder, composed(name)[name]["image"], found, inside)

    def test_it_comes_up_and_ends(self) -> None:
        parts = self.start("")
        self.assertEqual({"module", "envoy", "authorization-server", "sample"}, set(parts))
        self.assertEqual(401, Caller(PUBLIC).call(None, "get_note", NOTE)[0])
        self.assertEqual(200, Caller(9902).ask("GET", "/ready")[0])
        [_, *command] = parts["authorization-server"]["healthcheck"]["test"]
        STAGE.engine("exec", "authorization-server", *command)
        for name in ("envoy", "authorization-server", "sample"):
            STAGE.engine("stop", "--time", "20", name)
            self.assertEqual("0", STAGE.engine("inspect", "--format", "{{.State.ExitCode}}", name), name)

    def test_records_lie_in_redis_with_that_profile(self) -> None:
        self.other("redis", "valkey/valkey", "redis", "usr/local/bin/valkey-server")
        # As the image's own folder would have it, which its volume takes over.
        STAGE.engine("volume", "create", "--opt", "type=tmpfs", "--opt", "device=tmpfs", "--opt", "o=uid=999,gid=999", "compose-redis")
        self.start("redis")
        self.assertEqual(200, Caller(PUBLIC).ask("GET", "/jwks")[0])
        with socket.create_connection(("127.0.0.1", 6379), timeout=10) as connection:
            connection.sendall(b"KEYS *\r\n")
            self.assertIn(b"wicketgate:", connection.recv(1 << 16))

    def test_traces_come_to_the_collector_with_that_profile(self) -> None:
        self.other("otel", "otel/opentelemetry-collector", "otelcol", "otelcol")
        self.start("otel")
        Caller(PUBLIC).ask("POST", "/token", {"Content-Type": "application/x-www-form-urlencoded"}, "grant_type=nothing")
        until(lambda: "POST /token" in STAGE.engine.log("otel"), lambda: STAGE.engine.log("otel"))

    def test_policies_can_be_tried_with_that_profile(self) -> None:
        self.other("opa", "openpolicyagent/opa", "opa", "opa")
        self.start("opa")
        asked = {"input": {"server": "sample"}}
        said: list[Any] = []
        until(lambda: said.append(Caller(8181).ask("POST", "/v1/data/mcp/authz", {"Content-Type": "application/json"}, json.dumps(asked))) or said[-1][0] == 200,
              lambda: STAGE.engine.log("opa"))
        self.assertIn("allow", said[-1][1]["result"])


def compose_run(engine: Engine, place: Path, name: str, one: Any) -> None:
    """A service as compose starts it. `network_mode` is not carried out: all share the network of the test, as they share Envoy's."""
    known = {"user", "read_only", "cap_drop", "security_opt", "restart", "image", "command", "volumes", "network_mode", "ports", "depends_on", "mem_limit", "healthcheck"}
    known |= {"profiles", "environment"}
    assert set(one) <= known, set(one) - known
    arguments = ["--name", name, "--user", one["user"], "--memory", one.get("mem_limit", "1g")]
    arguments += ["--network", "none" if one.get("network_mode") == "none" else "host"]
    arguments += ["--read-only", "--read-only-tmpfs=false"] if one["read_only"] else []
    arguments += [part for dropped in one["cap_drop"] for part in ("--cap-drop", dropped)]
    arguments += [part for option in one["security_opt"] for part in ("--security-opt", option.removesuffix(":true"))]
    arguments += [part for key, value in one.get("environment", {}).items() for part in ("--env", f"{key}={value}")]
    # The folder in which Valkey's image starts.
    arguments += ["--workdir", "/data"] if name == "redis" else []
    for volume in one.get("volumes", []):
        arguments += ["--volume", f"{(place / volume.partition(':')[0]).resolve()}:{volume.partition(':')[2]}" if volume.startswith(".") else f"compose-{volume}"]
    # It is waited for where others wait for its end.
    more = [] if one["restart"] == "no" else ["--detach"]
    engine.run(*more, *arguments, f"{engine.registry}/{one['image']}", *one["command"])


#: Names of Services, which a cluster resolves.
HOSTS = {"rel-wicketgate-sample.mcp.svc.cluster.local": "127.0.0.1", "rel-wicketgate": "127.0.0.1"}


def pod_records(pod: Pod, wanted: str) -> str:
    until(lambda: wanted in pod.log("envoy"), f"{wanted} is not among the records")
    return pod.log("envoy")


class Service(socketserver.BaseRequestHandler):
    """A Service of the cluster, as far as the test of the chart needs one: what comes goes on to the public port."""

    def handle(self) -> None:
        with socket.create_connection(("127.0.0.1", PUBLIC)) as server:
            back = threading.Thread(target=carry, args=(server, self.request))
            back.start()
            carry(self.request, server)
            back.join()


def carry(source: socket.socket, target: socket.socket) -> None:
    try:
        while content := source.recv(1 << 16):
            target.sendall(content)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        # One side has gone: so does the other.
        for one in (source, target):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


if __name__ == "__main__":
    # Who is not root is told why nothing runs.
    if os.geteuid() == 0:
        own_network()
    unittest.main(verbosity=2)
