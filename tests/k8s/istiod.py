"""Istio's own discovery server (tests/k8s/discovery) before a stock Envoy: what it is given of a render, and what Envoy is started with."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import tempfile
import threading
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO, Any

from test_images import oci, serve

NAMESPACE = "istio-ingress"
#: Filters that are in Istio's build of Envoy alone.
STOCK = {"PILOT_ENABLE_METADATA_EXCHANGE": "false", "PILOT_ENABLE_ALPN_FILTER": "false"}
GROUPS = (".istio.io/",)


class Discovery:
    """Serves what it makes of objects, and of those that change."""

    def __init__(self, stack: ExitStack, program: str, port: int, of: list[Any], settings: dict[str, str] | None = None) -> None:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        self.log = Path(folder, "log")
        log = stack.enter_context(self.log.open("w"))
        environment = os.environ | STOCK | (settings or {})
        self.process = subprocess.Popen([program, f"127.0.0.1:{port}", folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, env=environment)
        stack.enter_context(self.process)
        stack.callback(self.process.terminate)
        self.said: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self.hear, args=(log,), daemon=True).start()
        self.say(of, "ready")

    def hear(self, log: IO[str]) -> None:
        """Istio's own log comes by the same way as answers, and must be read, or it waits."""
        for line in self.process.stdout or ():
            if line.strip() in ("ready", "changed") or line.startswith("wrong:"):
                self.said.put(line.strip())
            else:
                with suppress(ValueError):
                    log.write(line)
                    log.flush()
        self.said.put("it has ended")

    def change(self, one: Any) -> None:
        self.say(one, "changed")

    def say(self, document: Any, wanted: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(document) + "\n")
        self.process.stdin.flush()
        answer = self.said.get(timeout=60)
        assert answer == wanted, f"{answer}\n{self.log.read_text()[-3000:]}"


def bootstrap(discovery: int, admin: int, namespace: str = NAMESPACE) -> Any:
    """Of a gateway's pod, as Istio's agent writes it, as far as a stock Envoy has it."""
    source = {"ads": {}, "resource_api_version": "V3"}
    address = {"socket_address": {"address": "127.0.0.1", "port_value": discovery}}
    metadata = {"NAMESPACE": namespace, "ISTIO_VERSION": "1.31.0", "CLUSTER_ID": "Kubernetes", "LABELS": {"istio": "ingress"}}
    http2 = {"@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions", "explicit_http_config": {"http2_protocol_options": {}}}
    xds = {
        "name": "xds-grpc", "type": "STATIC", "connect_timeout": "2s",
        "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": http2},
        "load_assignment": {"cluster_name": "xds-grpc", "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}]},
    }
    grpc = {"api_type": "DELTA_GRPC", "transport_api_version": "V3", "set_node_on_first_message_only": True, "grpc_services": [{"envoy_grpc": {"cluster_name": "xds-grpc"}}]}
    return {
        "node": {"id": f"router~127.0.0.1~gateway-0.{namespace}~{namespace}.svc.cluster.local", "cluster": f"gateway.{namespace}", "metadata": metadata},
        "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": admin}}},
        "dynamic_resources": {"ads_config": grpc, "lds_config": source, "cds_config": source},
        "static_resources": {"clusters": [xds]},
    }


def cluster(of: list[Any], places: dict[str, int]) -> list[Any]:
    """What istiod sees: the render's part that is for it, and Services with their endpoints, where `places` says by the last word of their names."""
    out = [one for one in of if any(group in one["apiVersion"] for group in GROUPS) or one["kind"] in ("Service", "Secret")]
    for service in [one for one in out if one["kind"] == "Service"]:
        metadata, ports = service["metadata"], service["spec"]["ports"]
        where = next((port for word, port in places.items() if word.strip("-.") == metadata["name"].rpartition("-")[2]), 9)
        service["spec"].setdefault("clusterIP", "10.0.0.1")
        out.append({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
            "metadata": {"namespace": metadata["namespace"], "name": metadata["name"], "labels": {"kubernetes.io/service-name": metadata["name"]}},
            "ports": [{"name": port["name"], "port": where, "protocol": "TCP"} for port in ports],
            "endpoints": [{"addresses": ["127.0.0.1"], "conditions": {"ready": True}}],
        })
    return out


def service(name: str, port: int, namespace: str = "mcp") -> Any:
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"namespace": namespace, "name": name}, "spec": {"ports": [{"name": "http", "port": port, "targetPort": port}]}}


def image(stack: ExitStack, module: Path, folder: str) -> tuple[str, str]:
    """The module as an image in a registry on loopback: where that is, and the digest."""
    layout = Path(folder, "image")
    made = oci.Image([{"wicketgate-pod": b"", "var/lib/wicketgate-module/": b""}, {"plugin.wasm": module.read_bytes()}], [], {}, {"module.wasm.image/variant": "compat"})
    digest = oci.write(made, layout, "0.1.0")
    return serve(stack, {"wicketgate/wicketgate-filter": layout}), digest
