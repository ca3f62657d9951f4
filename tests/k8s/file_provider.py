"""Envoy Gateway itself, told by files what is in the cluster: it pulls our image, serves the module, starts Envoy and drives it over xDS.

Without a cluster it knows no Services and no addresses, so the harness swaps what a cluster gives: a Backend for each Service, the program of Envoy,
and, because the two certificates that Envoy Gateway makes for itself come from two authorities here, the one that Envoy shows when it fetches the
module, and where it fetches it. Its ports are fixed: it needs a network of its own.
"""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import yaml
from test_envoy import pair
from translated import walk

SYSTEM = "envoy-gateway-system"
ENVOY = "1.40.0"


class FileProvider:
    def __init__(self, stack: ExitStack, program: str, envoy: str, folder: str, of: list[Any], places: dict[str, int]) -> None:
        self.home, self.objects = Path(folder, "home"), Path(folder, "objects")
        binary = self.home / f"data/envoy-versions/{ENVOY}/bin/envoy"
        binary.parent.mkdir(parents=True)
        binary.symlink_to(envoy)
        self.objects.mkdir()
        environment = os.environ | {"HOME": str(self.home)}
        subprocess.run([program, "certgen", "--local", "--config-home", f"{self.home}/config"], check=True, capture_output=True, env=environment)
        self.given = given(of, places, self.home / "config", folder)
        self.put()
        host = {"configHome": f"{self.home}/config", "dataHome": f"{self.home}/data", "stateHome": f"{self.home}/state", "runtimeDir": f"{self.home}/run"}
        custom = {"resource": {"type": "File", "file": {"paths": [str(self.objects)]}}, "infrastructure": {"type": "Host", "host": host}}
        configuration = {
            "apiVersion": "gateway.envoyproxy.io/v1alpha1", "kind": "EnvoyGateway", "gateway": {"controllerName": "gateway.envoyproxy.io/gatewayclass-controller"},
            "provider": {"type": "Custom", "custom": custom}, "logging": {"level": {"default": "info"}},
            "extensionApis": {"enableBackend": True, "enableEnvoyPatchPolicy": True},
        }
        Path(folder, "envoy-gateway.yaml").write_text(yaml.safe_dump(configuration))
        self.log = Path(folder, "envoy-gateway.log")
        log = stack.enter_context(self.log.open("w"))
        process = subprocess.Popen([program, "server", "--config-path", f"{folder}/envoy-gateway.yaml"], stdout=log, stderr=log, env=environment, start_new_session=True)
        stack.callback(process.wait)
        stack.callback(process.terminate)

    def put(self) -> None:
        """Writes them aside and puts them in place in one step: half a file tears the gateway down."""
        beside = self.objects / ".all.yaml"
        beside.write_text(yaml.safe_dump_all(self.given))
        beside.replace(self.objects / "all.yaml")

    def conditions(self) -> dict[str, dict[str, str]]:
        """What it has said last of each object, out of its log: by kind and key each condition, `True` or why not."""
        out: dict[str, dict[str, str]] = {}
        told = re.findall(r"Got new status for (\w+)\n(.*?)\n\t(\{\"runner\".*?\})\n", self.log.read_text(), re.DOTALL)
        for kind, text, tail in told:
            found = [one for one in walk(yaml.safe_load(text)) if "type" in one and "status" in one]
            out[f"{kind} {json.loads(tail)['key']}"] = {
                one["type"]: "True" if one["status"] == "True" else f"{one['status']}: {one['reason']}: {one['message']}" for one in found}
        return out


def given(of: list[Any], places: dict[str, int], config: Path, folder: str) -> list[Any]:
    out = [one for one in of if one["apiVersion"].startswith(("gateway.networking.k8s.io/", "gateway.envoyproxy.io/")) or one["kind"] in ("ConfigMap", "Secret")]
    out = json.loads(json.dumps(out).replace("/dev/stdout", f"{folder}/stdout"))
    controller = {"controllerName": "gateway.envoyproxy.io/gatewayclass-controller"}
    out.append({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "GatewayClass", "metadata": {"name": "eg"}, "spec": controller})
    backends: dict[str, Any] = {}
    for route in [one for one in out if one["kind"] == "HTTPRoute"]:
        for rule in route["spec"]["rules"]:
            for reference in rule["backendRefs"]:
                name = reference["name"]
                port = next((port for word, port in places.items() if word.strip("-.") == name.rpartition("-")[2]), 9)
                spec = {"endpoints": [{"ip": {"address": "127.0.0.1", "port": port}}]}
                backends[name] = {"apiVersion": "gateway.envoyproxy.io/v1alpha1", "kind": "Backend", "metadata": {"namespace": "mcp", "name": name}, "spec": spec}
                reference |= {"group": "gateway.envoyproxy.io", "kind": "Backend"}
                reference.pop("port")
    for policy in [one for one in out if one["kind"] == "BackendTLSPolicy"]:
        for target in policy["spec"]["targetRefs"]:
            target |= {"group": "gateway.envoyproxy.io", "kind": "Backend"}
    for proxy in [one for one in out if one["kind"] == "EnvoyProxy"]:
        proxy["spec"]["provider"] = {"type": "Host", "host": {"envoyVersion": ENVOY}}
    made = {name: text.encode() for name, text in pair("mcp.example.com", folder).items()}
    own = {file.name: file.read_bytes() for file in (config / "certs/envoy").iterdir()}
    out += [*backends.values(), secret("mcp", "c", made), secret(SYSTEM, "envoy", own), bridge(config)]
    return out


def secret(namespace: str, name: str, files: dict[str, bytes]) -> Any:
    data = {key: base64.b64encode(content).decode() for key, content in files.items()}
    return {"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls", "metadata": {"namespace": namespace, "name": name}, "data": data}


def bridge(config: Path) -> Any:
    """Where Envoy fetches the module, and by whose certificate it knows that place."""
    authority = "/transport_socket/typed_config/common_tls_context/validation_context/trusted_ca/filename"
    address = "/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address/address"
    patches = [
        {"type": "type.googleapis.com/envoy.config.cluster.v3.Cluster", "name": "wasm_cluster", "operation": {"op": "replace", "path": path, "value": value}}
        for path, value in ((authority, str(config / "certs/envoy/ca.crt")), (address, "127.0.0.1"))
    ]
    spec = {"targetRef": {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "rel-wicketgate"}, "type": "JSONPatch", "jsonPatches": patches}
    return {"apiVersion": "gateway.envoyproxy.io/v1alpha1", "kind": "EnvoyPatchPolicy", "metadata": {"namespace": "mcp", "name": "harness"}, "spec": spec}
