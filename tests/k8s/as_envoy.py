#!/usr/bin/env python3
"""Stands where the end-to-end tests start Envoy, and starts one that istiod drives: with the gateway that the chart renders, instead of envoy/envoy.yaml.

`make e2e-istio` names it as Envoy (`WICKETGATE_ENVOY`), with the Python of `requirements.txt` first on PATH. Of the test's own come the policy
and its changes, clusters besides, what stands behind, the port. Of the chart come the routes, the order of filters, bounds, time limits and
records. A test that wants `hold_headers` gets `istio.holdHeaders`, the others a WasmPlugin whose module comes out of a registry. What a
test changes of the listener cannot be carried over, and is refused.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import renders
import yaml
from containers import obtained
from istiod import NAMESPACE, Discovery, bootstrap, cluster, image, service
from renders import ROOT, objects
from test_envoy import free

#: Where the filter asks the authorization server, and how a route is called, in the tests' policies.
OWN_CLUSTER, OWN_ROUTE = "auth_internal", "mcp"
#: The line of all requests, as envoy/envoy.yaml writes it: what is not the filter's is told by the cluster.
REQUESTS = ("%START_TIME% %REQ(:METHOD)% %PATH(NQ:ORIG_OR_PATH)% %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %BYTES_RECEIVED% %BYTES_SENT% "
            "%DURATION%ms CLUSTER %REQ(X-REQUEST-ID)%\n")
OF_THE_SERVER = "has(xds.route_name) && xds.route_name.startsWith('authorization_server')"


class World:
    """What a test has laid down for its Envoy."""

    def __init__(self, configuration: Path) -> None:
        self.state = configuration.parent
        document = yaml.load(configuration.read_text(), yaml.CSafeLoader)
        reference = yaml.load((ROOT / "envoy/envoy.yaml").read_text(), yaml.CSafeLoader)
        assert without_places(document) == without_places(reference), "the test changes Envoy's listener, which is the chart's here"
        [listener] = document["static_resources"]["listeners"]
        clusters = {one["name"]: one for one in document["static_resources"]["clusters"]}
        own = {one["name"] for one in reference["static_resources"]["clusters"]}
        self.port = listener["address"]["socket_address"]["port_value"]
        self.admin = document["admin"]["address"]["socket_address"]["port_value"]
        self.ports = {name: endpoint(clusters[name]) for name in own}
        #: What an operator of the mesh would add.
        self.more = [one for name, one in clusters.items() if name not in own]
        [own_route] = [one["route"] for one in routes(document) if one["name"] == OWN_ROUTE]
        #: The server's path, and the host by which it is asked.
        self.path, self.authority = own_route["prefix_rewrite"], own_route["host_rewrite_literal"]
        self.held = bool(self.policy({})["hold_headers"])

    def filter(self) -> Any:
        [one] = yaml.load((self.state / "filter.yaml").read_text(), yaml.CSafeLoader)["resources"]
        return one["typed_config"]["config"]

    def module(self) -> str:
        return str(self.filter()["vm_config"]["code"]["local"]["filename"])

    def policy(self, clusters: dict[str, str]) -> Any:
        """The test's own, by the names that things have here."""
        policy = renamed(json.loads(self.filter()["configuration"]["value"]), clusters)
        for server in policy["servers"]:
            if "routes" in server.get("match", {}):
                # The reference has one route for all.
                server["match"]["routes"] = [f"mcp_s{at}" for at in range(len(hosts(policy)))]
        return policy

    def values(self, registry: str, digest: str) -> Any:
        policy = self.policy({})
        limits = [one["limits"] for one in policy["servers"] if "limits" in one]
        sizes = {key: one[key] for one in limits for key in ("request_bytes", "response_bytes") if key in one}
        rules = [{"id": "all", "allow": {"who": "any", "tools": ["*"]}}]
        servers = [{"name": f"s{at}", "host": host, "path": "/mcp", "rules": rules, "limits": sizes, "upstream": {"service": "upstream", "port": 3001, "path": self.path}}
                   for at, host in enumerate(hosts(policy))]
        return {
            "mode": "istio", "keyEncryption": {"existingSecret": "k"}, "wasm": {"image": {"registry": registry, "digest": digest}},
            "config": {"url": f"http://127.0.0.1:{self.port}", "servers": servers},
            "routes": {"enabled": True},
            "istio": {"gateway": {"create": False, "name": f"{NAMESPACE}/plain", "namespace": NAMESPACE, "selector": {"istio": "ingress"}}, "holdHeaders": self.held, "modulePath": self.module()},
        }


def renamed(document: Any, clusters: dict[str, str]) -> Any:
    if isinstance(document, list):
        return [renamed(one, clusters) for one in document]
    if isinstance(document, dict):
        return {key: clusters.get(one, one) if key == "cluster" else renamed(one, clusters) for key, one in document.items()}
    return document


def hosts(policy: Any) -> list[str]:
    return list(dict.fromkeys(urlsplit(one["url"]).netloc for one in policy["servers"]))


def routes(document: Any) -> list[Any]:
    [listener] = document["static_resources"]["listeners"]
    [manager] = [one["typed_config"] for one in listener["filter_chains"][0]["filters"]]
    return [route for host in manager["route_config"]["virtual_hosts"] for route in host["routes"]]


def without_places(document: Any) -> Any:
    """The listener as far as no test's own ports and paths stand in it, and without Envoy's buffer filter, which the chart has itself."""
    [listener] = json.loads(json.dumps(document["static_resources"]["listeners"]))
    listener.pop("address")
    [manager] = [one["typed_config"] for one in listener["filter_chains"][0]["filters"]]
    for log in manager["access_log"]:
        log["typed_config"].pop("path")
    for route in routes({"static_resources": {"listeners": [listener]}}):
        for name in ("prefix_rewrite", "host_rewrite_literal"):
            route.get("route", {}).pop(name, None)
    manager["http_filters"] = [one for one in manager["http_filters"] if one["name"] != "envoy.filters.http.buffer"]
    for one in manager["http_filters"]:
        one.get("config_discovery", {}).pop("config_source", None)
    return listener


def endpoint(one: Any) -> int:
    [lb] = one["load_assignment"]["endpoints"]
    return int(lb["lb_endpoints"][0]["endpoint"]["address"]["socket_address"]["port_value"])


def logs(of: list[Any], state: Path) -> list[Any]:
    """The chart's records, where the tests look for them; of all requests the line that they know."""
    out = []
    for log in of:
        if log["name"] != "requests":
            log["typed_config"]["path"] = str(state / "audit.jsonl")
            out.append(log)
            continue
        [cel] = [one["filter"]["and_filter"]["filters"][1] for one in of if one["name"] == "decisions"]
        for name, expression in (("auth_public", OF_THE_SERVER), ("%UPSTREAM_CLUSTER%", f"!({OF_THE_SERVER})")):
            own = json.loads(json.dumps(cel))
            own["extension_filter"]["typed_config"]["expression"] = expression
            text = {"text_format_source": {"inline_string": REQUESTS.replace("CLUSTER", name)}}
            typed = {"@type": log["typed_config"]["@type"], "path": str(state / "access.log"), "log_format": text}
            out.append({"name": f"requests_{len(out)}", "filter": {"and_filter": {"filters": [log["filter"], own]}}, "typed_config": typed})
    return out


class Gateway:
    """The render's objects, with the test's policy."""

    def __init__(self, of: list[Any], world: World) -> None:
        self.world = world
        [envoy_filter] = [one for one in of if one["kind"] == "EnvoyFilter"]
        values = [patch["patch"]["value"] for patch in envoy_filter["spec"]["configPatches"]]
        for value in values:
            if "access_log" in value.get("typed_config", {}):
                value["typed_config"]["access_log"] = logs(value["typed_config"]["access_log"], world.state)
        if world.held:
            self.object = envoy_filter
            [self.holder] = [value["typed_config"]["config"]["configuration"] for value in values if value.get("name") == "wicketgate"]
            given = json.loads(self.holder["value"])
        else:
            [self.object] = [one for one in of if one["kind"] == "WasmPlugin"]
            given = self.object["spec"]["pluginConfig"]
        [own] = [issuer["jwks"]["cluster"] for issuer in given["issuers"]]
        routed = [route for one in of if one["kind"] == "VirtualService" for route in one["spec"]["http"] if route["name"].startswith("mcp_")]
        for route in routed:
            route["rewrite"]["authority"] = world.authority
        destination = routed[0]["route"][0]["destination"]
        self.clusters = {OWN_CLUSTER: own, "mcp_upstream": f"outbound|{destination['port']['number']}||{destination['host']}"}
        self.of = of

    def with_policy(self) -> Any:
        policy = self.world.policy(self.clusters)
        if self.world.held:
            self.holder["value"] = json.dumps(policy)
        else:
            self.object["spec"]["pluginConfig"] = policy
        return self.object

    def objects(self) -> list[Any]:
        self.with_policy()
        port = {"number": self.world.port, "name": "http", "protocol": "HTTP"}
        plain = {"apiVersion": "networking.istio.io/v1", "kind": "Gateway", "metadata": {"namespace": NAMESPACE, "name": "plain"},
                 "spec": {"selector": {"istio": "ingress"}, "servers": [{"port": port, "hosts": ["*"]}]}}
        ports = self.world.ports
        return cluster([*self.of, plain, service("upstream", 3001)], {"upstream": ports["mcp_upstream"], "auth": ports["auth_public"], "internal": ports[OWN_CLUSTER]})


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--config-path", type=Path, required=True)
    own, rest = parser.parse_known_args()
    program = obtained("istio")
    assert program is not None
    envoy = subprocess.run([ROOT / "tests/obtain/envoy.sh", "1.40"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    world = World(own.config_path)
    with ExitStack() as stack:
        registry, digest = image(stack, Path(world.module()), str(world.state))
        (world.state / "values.json").write_text(json.dumps(world.values(registry, digest)))
        gateway = Gateway(objects(renders.run(4, "template", "rel", str(renders.CHART), "--namespace", "mcp", "--values", str(world.state / "values.json"))), world)
        port = free()
        discovery = Discovery(stack, program, port, gateway.objects())
        document = bootstrap(port, world.admin)
        document["static_resources"]["clusters"] += world.more
        (world.state / "istio.json").write_text(json.dumps(document))
        # It ends with us, however we end.
        die = ctypes.CDLL(None).prctl
        running = subprocess.Popen([envoy, "--config-path", str(world.state / "istio.json"), *rest], preexec_fn=lambda: die(1, signal.SIGKILL))
        for one in (signal.SIGTERM, signal.SIGINT):
            signal.signal(one, lambda number, _: running.send_signal(number))
        return watch(running, gateway, discovery)


def watch(running: subprocess.Popen[bytes], gateway: Gateway, discovery: Discovery) -> int:
    """Until Envoy ends: whenever the test's policy changes, the object that holds it does."""
    file = gateway.world.state / "filter.yaml"
    told = changed(file)
    while running.poll() is None:
        time.sleep(0.05)
        now = changed(file)
        if now != told:
            told = now
            discovery.change(gateway.with_policy())
    return running.returncode


def changed(file: Path) -> tuple[int, int]:
    found = file.stat()
    return found.st_mtime_ns, found.st_ino


if __name__ == "__main__":
    os.chdir(ROOT)
    sys.exit(main())
