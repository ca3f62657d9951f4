"""What Envoy Gateway's own translator (tests/k8s/translator) makes of a render, as a bootstrap for an Envoy of ours.

Swapped, because there is no control plane: endpoints, routes and secrets stand inline, the listener is on loopback and without TLS, the module comes
from a file, and the cluster by which Envoy would fetch it is left out.
"""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path
from typing import Any

import yaml

TYPE = "type.googleapis.com/envoy.config"
#: What Envoy Gateway reads; all else is not for it.
GROUPS = ("gateway.networking.k8s.io/", "gateway.envoyproxy.io/")
OF_CORE = ("Service", "ConfigMap", "Secret")


class Translation:
    """The statuses of all objects, and what Envoy is told."""

    def __init__(self, program: str, of: list[Any], module: str, folder: str, places: dict[str, int]) -> None:
        text = "\n---\n".join(yaml.safe_dump(one) for one in given(of, folder, places))
        done = subprocess.run([program, module], input=text, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-2000:]
        out = json.loads(done.stdout)
        self.xds: dict[str, list[Any]] = out["xds"]
        self.objects: dict[str, Any] = out["objects"]
        self.patches: list[Any] = out["patches"]
        self.module = module

    def resources(self, kind: str) -> list[Any]:
        return self.xds.get(f"{TYPE}.{kind}", [])

    def conditions(self) -> dict[str, dict[str, str]]:
        """By kind and name, each condition of each policy, route and listener: `True`, or why not."""
        out: dict[str, dict[str, str]] = {}
        for one in (one for all_of in self.objects.values() if isinstance(all_of, list) for one in all_of):
            found = [condition for condition in walk(one.get("status")) if "type" in condition and "status" in condition]
            if found:
                where = f"{one.get('kind')} {one['metadata']['name']}"
                out[where] = {c["type"]: "True" if c["status"] == "True" else f"{c['status']}: {c['reason']}: {c['message']}" for c in found}
        return out

    def bootstrap(self, port: int) -> Any:
        endpoints = {one["cluster_name"]: one for one in self.resources("endpoint.v3.ClusterLoadAssignment")}
        clusters = []
        for one in self.resources("cluster.v3.Cluster"):
            if one["name"] == "wasm_cluster":
                continue
            if one.get("type") == "EDS":
                name = one.pop("eds_cluster_config", {}).get("service_name", one["name"])
                one |= {"type": "STATIC", "load_assignment": endpoints[name] | {"cluster_name": one["name"]}}
            clusters.append(one)
        routes = {one["name"]: one for one in self.resources("route.v3.RouteConfiguration")}
        [listener] = [one for one in self.resources("listener.v3.Listener") if "envoy-gateway-proxy" not in one["name"]]
        listener["address"] = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
        chains = [*listener.get("filter_chains", []), *([listener["default_filter_chain"]] if "default_filter_chain" in listener else [])]
        for chain in chains:
            chain.pop("transport_socket", None)
            for network in chain["filters"]:
                connections = network["typed_config"]
                if "rds" in connections:
                    connections["route_config"] = routes[connections.pop("rds")["route_config_name"]]
        # Without a place where it would be asked for, a secret is one of these.
        secrets = {one["name"]: one for one in self.xds.get("type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret", [])}
        for inner in walk(clusters):
            inner.pop("sds_config", None)
        for inner in walk(listener):
            code = inner.get("code", {})
            if isinstance(code, dict) and "remote" in code:
                inner["code"] = {"local": {"filename": self.module}}
        return {"node": {"id": "gateway", "cluster": "gateway"}, "static_resources": {"listeners": [listener], "clusters": clusters, "secrets": list(secrets.values())}}


def walk(value: Any) -> list[Any]:
    """All mappings within."""
    if isinstance(value, dict):
        return [value, *(one for inner in value.values() for one in walk(inner))]
    return [one for inner in value for one in walk(inner)] if isinstance(value, list) else []


def given(of: list[Any], folder: str, places: dict[str, int]) -> list[Any]:
    """What the translator reads: the render's part that is for it, and what is in the cluster already."""
    out = [one for one in of if one["apiVersion"].startswith(GROUPS) or one["kind"] in OF_CORE]
    controller = {"controllerName": "gateway.envoyproxy.io/gatewayclass-controller"}
    out.append({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "GatewayClass", "metadata": {"name": "eg"}, "spec": controller})
    metadata = {"namespace": "mcp", "name": "notes"}
    out.append({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": [{"name": "http", "port": 3001, "targetPort": 3001}]}})
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", f"{folder}/k", "-days", "2"]
    crt = subprocess.run(command, check=True, capture_output=True).stdout
    data = {"tls.crt": base64.b64encode(crt).decode(), "tls.key": base64.b64encode(Path(folder, "k").read_bytes()).decode()}
    out.append({"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls", "metadata": {"namespace": "mcp", "name": "c"}, "data": data})
    slices = []
    for service in (one for one in out if one["kind"] == "Service"):
        service["spec"].setdefault("clusterIP", "127.0.0.1")
        name = service["metadata"]["name"]
        where = next((port for word, port in places.items() if word.strip("-.") == name.rpartition("-")[2]), 9)
        slices.append({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
            "metadata": {"namespace": "mcp", "name": name, "labels": {"kubernetes.io/service-name": name}},
            "ports": [{"name": service["spec"]["ports"][0]["name"], "port": where, "protocol": "TCP"}],
            "endpoints": [{"addresses": ["127.0.0.1"], "conditions": {"ready": True}}],
        })
    return out + slices
