"""Does Istio take what the chart renders? Its own discovery server reads the objects and drives a stock Envoy; its agent's code pulls our image.

`make e2e-istio`; not among `make chart`, because Istio is built from its Go module, which takes ten minutes.
"""

from __future__ import annotations

import base64
import http.client
import json
import subprocess
import tempfile
import unittest
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import bodies
import containers
import yaml
from gateway import MODULE, Gateway, Load, allowed, ready
from istiod import NAMESPACE, Discovery, bootstrap, cluster, image, service
from renders import objects, rendered
from test_envoy import eventually, free, pair
from test_istio import PAGE, answers, closed, pages_may_call

CASES = ("istio", "istio-extension", "istio-held")
KINDS: tuple[dict[str, Any], ...] = ({}, {"kind": "TrafficExtension"}, {"holdHeaders": True, "modulePath": str(MODULE)})
ALL = {"public_document", "missing_credential", "not_allowed", "unknown_server", "allowed"}


class Meshed:
    """A gateway that istiod drives: HTTPS with the certificate of a Secret, the module out of a registry."""

    def __init__(self, stack: ExitStack, program: str, of_istio: dict[str, Any], settings: dict[str, str] | None = None, limits: dict[str, str] | None = None,
                 digest: str | None = None, opened: bool = True, origins: list[str] | None = None) -> None:
        self.folder = stack.enter_context(tempfile.TemporaryDirectory())
        self.admin = free()
        registry, own = image(stack, MODULE, self.folder)
        port = free()
        more = {"mode": "istio", "routes": {"enabled": opened}, "wasm": {"image": {"registry": registry, "digest": digest or own}},
                "istio": {"gateway": {"credentialName": "c", "port": port}} | of_istio}

        def make(of: list[Any], folder: str, _: int, places: dict[str, int]) -> Any:
            text = json.dumps([*of, service("notes", 3001), certificate(folder)])
            given = cluster(json.loads(text.replace("/dev/stdout", f"{folder}/stdout")), places)
            self.of = given
            discovery = free()
            self.discovery = Discovery(stack, program, discovery, given, settings)
            return bootstrap(discovery, self.admin)

        self.gateway = Gateway(stack, more, make, limits, port, secure=True, host="mcp.example.com", origins=origins)

    def plugin(self) -> Any:
        [one] = [one for one in self.of if one["kind"] in ("WasmPlugin", "TrafficExtension")]
        return json.loads(json.dumps(one))

    def stat(self, name: str) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self.admin, timeout=5)
        try:
            connection.request("GET", f"/stats?filter={name}")
            lines = connection.getresponse().read().decode().splitlines()
        except OSError:
            return 0
        finally:
            connection.close()
        return sum(int(line.rpartition(": ")[2]) for line in lines)


class Built(unittest.TestCase):
    program: str

    @classmethod
    def setUpClass(cls) -> None:
        program = containers.obtained("istio")
        if program is None:
            raise unittest.SkipTest("Istio's discovery server cannot be built here; the reason stands above")
        cls.program = program


class Agent(Built):
    """The code that pulls images in a gateway's pod."""

    def pull(self, url: str, digest: str) -> tuple[int, bytes, str]:
        folder = self.enterContext(tempfile.TemporaryDirectory())
        done = subprocess.run([str(Path(self.program).parent / "pull"), url, digest, folder], capture_output=True, text=True)
        found = done.stdout.strip().rpartition("\n")[2]
        return done.returncode, Path(found).read_bytes() if done.returncode == 0 else b"", done.stderr

    def test_it_takes_the_image(self) -> None:
        folder = self.enterContext(tempfile.TemporaryDirectory())
        registry, digest = image(self.enterContext(ExitStack()), MODULE, folder)
        of, hexadecimal = f"oci://{registry}/wicketgate/wicketgate-filter", digest.removeprefix("sha256:")
        for url, said in ((f"{of}@{digest}", hexadecimal), (f"{of}:0.1.0", hexadecimal), (f"{of}:0.1.0", "")):
            with self.subTest(url=url, sha256=said):
                code, module, why = self.pull(url, said)
                self.assertEqual(0, code, why)
                self.assertTrue(module == MODULE.read_bytes(), "another module")
        code, _, why = self.pull(f"{of}:0.1.0", "0" * 64)
        self.assertEqual((1, True), (code, "does not match" in why), why)


class Istio(Built):

    def test_istioctl_finds_nothing_wrong(self) -> None:
        for case in CASES:
            with self.subTest(case=case), tempfile.TemporaryDirectory() as folder:
                of = objects(rendered(4, case))
                # What is there before the chart is installed.
                of += [namespace(name) for name in ("mcp", NAMESPACE, "tickets")] + [service("notes", 3001), service("tickets", 8080, "tickets"), gateway_pod()]
                of += [certificate(folder, "mcp-certificate")]
                Path(folder, "all.yaml").write_text(yaml.safe_dump_all(of))
                command = [str(Path(self.program).parent / "istioctl"), "analyze", "--use-kube=false", "--failure-threshold", "Info", "--output", "json", f"{folder}/all.yaml"]
                done = subprocess.run(command, capture_output=True, text=True)
                self.assertEqual((0, []), (done.returncode, json.loads(done.stdout or "[]") or []), done.stderr)

    def test_calls_are_decided(self) -> None:
        for kind in KINDS:
            # The second: a gateway that knows only the clusters that its routes name.
            for settings in ({}, {"PILOT_FILTER_GATEWAY_CLUSTER_CONFIG": "true"}):
                with self.subTest(istio=kind, settings=settings), ExitStack() as stack:
                    answers(self, Meshed(stack, self.program, kind, settings).gateway, ALL)

    def test_pages_may_call(self) -> None:
        for kind in KINDS:
            with self.subTest(istio=kind), ExitStack() as stack:
                pages_may_call(self, Meshed(stack, self.program, kind, origins=[PAGE]).gateway)

    def test_closed_routes_lead_nowhere(self) -> None:
        for kind in KINDS:
            with self.subTest(istio=kind), ExitStack() as stack:
                closed(self, Meshed(stack, self.program, kind, opened=False).gateway)

    def test_bodies_are_held(self) -> None:
        for kind in KINDS:
            for limit in bodies.LIMITS:
                with self.subTest(istio=kind, limit=limit), ExitStack() as stack:
                    gateway = Meshed(stack, self.program, kind, limits=bodies.limits(limit)).gateway
                    ready(gateway)
                    bodies.are_held(self, gateway, limit)

    def test_traps_of_buffers_stay_shut(self) -> None:
        for kind in KINDS:
            with self.subTest(istio=kind), ExitStack() as stack:
                gateway = Meshed(stack, self.program, kind).gateway
                token = ready(gateway)
                bodies.fields_are_changed_in_time(self, gateway, token)
                bodies.nothing_goes_on_while_the_filter_asks(self, gateway)

    def test_no_request_is_lost_while_the_plugin_changes(self) -> None:
        for kind in KINDS[:2]:
            with self.subTest(istio=kind), ExitStack() as stack:
                meshed = Meshed(stack, self.program, kind)
                token = ready(meshed.gateway)
                with Load(meshed.gateway, token) as load:
                    for turn in range(8):
                        tools = ["get_note", "delete_note"] if turn % 2 == 0 else ["get_note"]
                        meshed.discovery.change(with_tools(meshed.plugin(), tools))
                        # It is in force when its other half is.
                        self.assertEqual(len(tools) == 2, eventually(lambda: allowed(meshed.gateway, token), len(tools) == 2))   # noqa: B023
                self.assertGreater(len(load.got), 50)
                self.assertEqual([], load.lost())

    def test_a_bad_policy_leaves_the_last_good_one(self) -> None:
        with ExitStack() as stack:
            meshed = Meshed(stack, self.program, {})
            token = ready(meshed.gateway)
            bad = meshed.plugin()
            bad["spec"]["pluginConfig"]["servers"][0]["nobody"] = "knows this key"
            meshed.discovery.change(bad)
            refused = "extension_config_discovery.*(config_fail|update_rejected)"
            self.assertTrue(eventually(lambda: meshed.stat(refused) > 0, True))
            self.assertEqual(200, meshed.gateway.call(token, "get_note")[0])
            meshed.discovery.change(with_tools(meshed.plugin(), ["get_note", "delete_note"]))
            self.assertTrue(eventually(lambda: allowed(meshed.gateway, token), True))

    def test_an_image_of_another_digest_is_not_run(self) -> None:
        with ExitStack() as stack:
            meshed = Meshed(stack, self.program, {}, digest=f"sha256:{'0' * 64}")
            # The agent puts a filter in its place that denies everything.
            self.assertEqual(403, eventually(lambda: meshed.gateway.ask("GET", "/mcp")[0], 403))
            self.assertEqual(403, meshed.gateway.call("x.y.z", "get_note")[0])
            self.assertEqual([], meshed.gateway.seen)


def with_tools(plugin: Any, tools: list[str]) -> Any:
    spec = plugin["spec"]["wasm"] if plugin["kind"] == "TrafficExtension" else plugin["spec"]
    spec["pluginConfig"]["servers"][0]["rules"][0]["allow"]["tools"] = tools
    return plugin


def certificate(folder: str, name: str = "c") -> Any:
    made = pair("mcp.example.com", folder)
    data = {key: base64.b64encode(text.encode()).decode() for key, text in made.items()}
    return {"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls", "metadata": {"namespace": NAMESPACE, "name": name}, "data": data}


def namespace(name: str) -> Any:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {"istio-injection": "enabled"}}}


def gateway_pod() -> Any:
    metadata = {"namespace": NAMESPACE, "name": "gateway-0", "labels": {"istio": "ingress"}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [{"name": "istio-proxy", "image": "auto"}]}}


if __name__ == "__main__":
    containers.own_network()
    unittest.main(verbosity=2)
