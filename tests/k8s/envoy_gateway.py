"""What Envoy Gateway makes of the objects of a render, in outline: enough to put our part before a real Envoy.

Names and the order of filters are those that its own translator was seen to write (1.9.1). SecurityPolicies are left out: nothing may depend on
one that is not accepted.
"""

from __future__ import annotations

import base64
import json
from typing import Any

from istio import MANAGER, ROUTER, WASM, cluster

RECORD = "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog"
CEL = "type.googleapis.com/envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter"
BUFFER = "type.googleapis.com/envoy.extensions.filters.http.buffer.v3"
TLS = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"
#: What a policy's patches select.
OURS = "..http_filters[?(@.typed_config.config.name=='wicketgate')].typed_config.config"


def spec(of: list[Any], kind: str) -> Any:
    [one] = [one for one in of if one["kind"] == kind]
    return one["spec"]


def meant(of: list[Any], kind: str, route: Any, gateway: str) -> Any:
    """The policy of a kind that holds for a route: the most specific one, whole. None where there is none."""
    found: dict[int, Any] = {}
    for one in (one for one in of if one["kind"] == kind):
        for target in one["spec"].get("targetRefs", []):
            own = {"HTTPRoute": route["metadata"]["name"], "Gateway": gateway}[target["kind"]]
            if target["name"] == own and "sectionName" not in target:
                found[0 if target["kind"] == "HTTPRoute" else 1] = one
        for selector in one["spec"].get("targetSelectors", []):
            if selector["kind"] == "HTTPRoute" and selector["matchLabels"].items() <= route["metadata"]["labels"].items():
                found[0] = one
    return found[min(found)] if found else None


def gateway(of: list[Any], module: str, port: int, places: dict[str, int]) -> Any:
    client, proxy = (spec(of, kind) for kind in ("ClientTrafficPolicy", "EnvoyProxy"))
    [policy] = [one for one in of if one["kind"] == "EnvoyExtensionPolicy" and "wasm" in one["spec"]]
    [wasm] = policy["spec"]["wasm"]
    [traffic] = [one["spec"] for one in of if one["kind"] == "BackendTrafficPolicy" and "requestBuffer" in one["spec"]]
    own_gateway = client_target(client)
    name = f"envoy.filters.http.wasm/envoyextensionpolicy/{policy['metadata']['namespace']}/{policy['metadata']['name']}/wasm/0"
    config: Any = {
        "name": wasm["name"], "root_id": wasm["rootID"],
        "configuration": {"@type": "type.googleapis.com/google.protobuf.StringValue", "value": json.dumps(wasm["config"], sort_keys=True)},
        "vm_config": {"vm_id": name.partition("/")[2], "runtime": "envoy.wasm.runtime.v8", "code": {"local": {"filename": module}}},
    }
    limit = int(traffic["requestBuffer"]["limit"])
    ours = {"name": name, "disabled": True, "typed_config": {"@type": WASM, "config": config}}
    buffer = {"name": "envoy.filters.http.buffer", "disabled": True, "typed_config": {"@type": f"{BUFFER}.Buffer", "max_request_bytes": limit}}
    assert proxy["filterOrder"] == [{"name": "envoy.filters.http.wasm", "before": "envoy.filters.http.buffer"}]
    filters = [ours, buffer, {"name": "envoy.filters.http.router", "typed_config": {"@type": ROUTER}}]
    patch(of, config)
    filtered = {name: {"@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", "config": {}}}
    buffered = {"envoy.filters.http.buffer": {"@type": f"{BUFFER}.BufferPerRoute", "buffer": {"max_request_bytes": limit}}}
    by_host: dict[str, list[Any]] = {}
    clusters = []
    for route in (one for one in of if one["kind"] == "HTTPRoute"):
        protected = "wasm" in (meant(of, "EnvoyExtensionPolicy", route, own_gateway) or {"spec": {}})["spec"]
        its_traffic = (meant(of, "BackendTrafficPolicy", route, own_gateway) or {"spec": {}})["spec"]
        for at, rule in enumerate(route["spec"]["rules"]):
            cluster_name = f"httproute/{route['metadata']['namespace']}/{route['metadata']['name']}/rule/{at}"
            [backend] = rule["backendRefs"]
            where = next(port for word, port in places.items() if word.strip(".-") == backend["name"].rpartition("-")[2])
            clusters.append(cluster(cluster_name, {"": where}) | in_tls(of, backend["name"]))
            for match in rule["matches"]:
                made = entry(route, rule, match, cluster_name, its_traffic)
                made["typed_per_filter_config"] = (filtered if protected else {}) | (buffered if "requestBuffer" in its_traffic else {})
                for host in route["spec"]["hostnames"]:
                    by_host.setdefault(host, []).append(made)
    hosts = [{"name": host, "domains": [host, f"{host}:*"], "routes": sorted(routes, key=rank)} for host, routes in by_host.items()]
    connections = {
        "@type": MANAGER, "stat_prefix": "gateway", "use_remote_address": True, "normalize_path": True, "merge_slashes": True,
        "path_with_escaped_slashes_action": "UNESCAPE_AND_REDIRECT", "request_timeout": client["timeout"]["http"]["requestReceivedTimeout"],
        "route_config": {"virtual_hosts": hosts}, "http_filters": filters, "access_log": [log(one) for one in proxy["telemetry"]["accessLog"]["settings"]],
    }
    network = {"name": "envoy.filters.network.http_connection_manager", "typed_config": connections}
    listener = {
        "name": "mcp/rel-wicketgate/https", "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
        "per_connection_buffer_limit_bytes": int(client["connection"]["bufferLimit"]), "filter_chains": [{"filters": [network]}],
    }
    return {"node": {"id": "gateway", "cluster": "gateway"}, "static_resources": {"listeners": [listener], "clusters": clusters}}


def client_target(client: Any) -> str:
    """The Gateway that all of a render is about."""
    [target] = client["targetRefs"]
    return str(target["name"])


def in_tls(of: list[Any], service: str) -> Any:
    """How a Service is met that a BackendTLSPolicy means, by what `of` holds of a cluster besides."""
    policies = [one["spec"]["validation"] for one in of if one["kind"] == "BackendTLSPolicy" for target in one["spec"]["targetRefs"] if target["name"] == service]
    if not policies:
        return {}
    [validation] = policies
    [reference] = validation["caCertificateRefs"]
    [authority] = [one["data"]["ca.crt"] for one in of if (one["kind"], one["metadata"]["name"]) == (reference["kind"], reference["name"])]
    common: Any = {"validation_context": {"trusted_ca": {"inline_string": authority}}}
    client = spec(of, "EnvoyProxy").get("backendTLS")
    if client:
        [pair] = [one["data"] for one in of if (one["kind"], one["metadata"]["name"]) == ("Secret", client["clientCertificateRef"]["name"])]
        crt, key = ({"inline_string": base64.b64decode(pair[name]).decode()} for name in ("tls.crt", "tls.key"))
        common["tls_certificates"] = [{"certificate_chain": crt, "private_key": key}]
    typed = {"@type": TLS, "sni": validation["hostname"], "auto_sni_san_validation": True, "common_tls_context": common}
    return {"transport_socket": {"name": "envoy.transport_sockets.tls", "typed_config": typed}}


def entry(route: Any, rule: Any, match: Any, cluster_name: str, traffic: Any) -> Any:
    path = match["path"]
    action: Any = {"cluster": cluster_name}
    if "timeouts" in rule:
        action["timeout"] = rule["timeouts"]["request"]
    if "streamIdleTimeout" in traffic.get("timeout", {}).get("http", {}):
        action["idle_timeout"] = traffic["timeout"]["http"]["streamIdleTimeout"]
    for one in rule.get("filters", []):
        assert one["type"] == "URLRewrite", one
        rewrite = one["urlRewrite"]
        action["host_rewrite_literal"] = rewrite["hostname"]
        if "path" in rewrite:
            action["prefix_rewrite"] = rewrite["path"]["replacePrefixMatch"]
    how = "path" if path["type"] == "Exact" else "path_separated_prefix"
    name = f"httproute/{route['metadata']['namespace']}/{route['metadata']['name']}/rule/match"
    return {"name": name, "match": {how: path["value"]}, "route": action}


def rank(route: Any) -> tuple[bool, int]:
    """Exact paths come first, then the longest."""
    match = route["match"]
    return "path" not in match, -len(next(iter(match.values())))


def log(setting: Any) -> Any:
    form = setting["format"]
    fields = {"text_format_source": {"inline_string": form["text"]}} if form["type"] == "Text" else {"json_format": form["json"]}
    [sink] = setting["sinks"]
    out: Any = {"name": "file", "typed_config": {"@type": RECORD, "path": sink["file"]["path"], "log_format": fields}}
    if "matches" in setting:
        [expression] = setting["matches"]
        typed = {"@type": CEL, "expression": expression}
        out["filter"] = {"extension_filter": {"name": "envoy.access_loggers.extension_filters.cel", "typed_config": typed}}
    return out


def patch(of: list[Any], config: Any) -> None:
    for policy in (one for one in of if one["kind"] == "EnvoyPatchPolicy"):
        for one in policy["spec"]["jsonPatches"]:
            assert (one["operation"]["op"], one["operation"]["jsonPath"]) == ("add", OURS), one
            assert one["name"] == f"{policy['metadata']['namespace']}/{policy['spec']['targetRef']['name']}/https", one
            config[one["operation"]["path"]] = one["operation"]["value"]
