"""What istiod makes of the objects of a render, in outline: enough to put our part of a gateway before a real Envoy.

istiod does not look into values of an EnvoyFilter; here they are merged as it would. Names are those of its sources (`pilot/pkg`).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

WASM = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm"
MANAGER = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
ROUTER = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"


def manager(listener: Any) -> Any:
    return listener["filter_chains"][0]["filters"][0]["typed_config"]


def routes(listener: Any) -> list[Any]:
    return [route for host in manager(listener)["route_config"]["virtual_hosts"] for route in host["routes"]]


def merged(one: Any, other: Any) -> Any:
    """As messages of protobuf are merged: members one by one, lists one after the other."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one | {key: merged(one[key], value) if key in one else value for key, value in other.items()}
    if isinstance(one, list) and isinstance(other, list):
        return one + other
    return other


def cluster_of(destination: Any) -> str:
    return f"outbound|{destination['port']['number']}||{destination['host']}"


def routes_of(service: Any) -> list[Any]:
    """A VirtualService: one route for each match, all with the name of their entry."""
    out = []
    for one in service["spec"]["http"]:
        assert set(one) <= {"name", "match", "route", "rewrite", "timeout", "retries", "directResponse"}, one
        for match in one["match"]:
            [(how, path)] = match["uri"].items()
            route: Any = {"name": one["name"], "match": {"path" if how == "exact" else how: path}}
            if "directResponse" in one:
                direct = one["directResponse"]
                route["direct_response"] = direct | ({"body": {"inline_string": direct["body"]["string"]}} if "body" in direct else {})
            else:
                [to] = one["route"]
                assert one["retries"] == {"attempts": 0}, one["name"]
                route["route"] = {"cluster": cluster_of(to["destination"]), "timeout": one.get("timeout", "0s")}
                rewrite = one.get("rewrite", {})
                if "authority" in rewrite:
                    route["route"]["host_rewrite_literal"] = rewrite["authority"]
                if "uriRegexRewrite" in rewrite:
                    regex = rewrite["uriRegexRewrite"]
                    route["route"]["regex_rewrite"] = {"pattern": {"regex": regex["match"]}, "substitution": regex["rewrite"]}
            out.append(route)
    return out


def plugin(of: list[Any], folder: str, module: str, translating: bool) -> Any:
    """The filter that a WasmPlugin becomes: by ECDS, here from a file. None where there is none. `translating`: as Istio does it since it makes
    TrafficExtensions of WasmPlugins."""
    one = next((one for one in of if one["kind"] in ("WasmPlugin", "TrafficExtension")), None)
    if one is None:
        return None
    spec = one["spec"] if one["kind"] == "WasmPlugin" else one["spec"]["wasm"]
    own = f"{one['metadata']['namespace']}.{one['metadata']['name']}"
    name = f"extensions.istio.io/{one['kind'].lower()}/{own}"
    if translating and one["kind"] == "WasmPlugin":
        name = f"extensions.istio.io/trafficextension/{own}~istio-translated-wasmplugin"
    config = {
        "name": name, "root_id": spec["pluginName"], "failure_policy": spec["failStrategy"],
        "configuration": {"@type": "type.googleapis.com/google.protobuf.StringValue", "value": json.dumps(spec["pluginConfig"])},
        "vm_config": {"runtime": "envoy.wasm.runtime.v8", "code": {"local": {"filename": module}}},
    }
    typed = {"@type": "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig", "name": name, "typed_config": {"@type": WASM, "config": config}}
    Path(folder, "ecds.json").write_text(json.dumps({"resources": [typed]}))
    source = {"resource_api_version": "V3", "path_config_source": {"path": f"{folder}/ecds.json"}}
    return {"name": name, "config_discovery": {"config_source": source, "type_urls": [WASM]}}


def gateway(of: list[Any], folder: str, module: str, port: int = 8443, places: dict[str, int] | None = None, translating: bool = True) -> Any:
    """The gateway's bootstrap. `places` says where each Service is, by a word of its name, on loopback."""
    [envoy_filter] = [one for one in of if one["kind"] == "EnvoyFilter"]
    hosts = [{"name": one["metadata"]["name"], "domains": [name for host in one["spec"]["hosts"] for name in (host, f"{host}:*")], "routes": routes_of(one)}
             for one in of if one["kind"] == "VirtualService"]
    filters: list[Any] = [{"name": "envoy.filters.http.router", "typed_config": {"@type": ROUTER}}]
    ours = plugin(of, folder, module, translating)
    if ours is not None:
        filters.insert(0, ours)
    connections: Any = {"@type": MANAGER, "stat_prefix": "gateway", "use_remote_address": True, "route_config": {"virtual_hosts": hosts}, "http_filters": filters}
    listener: Any = {"name": "gateway", "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}}
    for patch in envoy_filter["spec"]["configPatches"]:
        value, operation = patch["patch"]["value"], patch["patch"]["operation"]
        if patch["applyTo"] == "LISTENER":
            listener = merged(listener, value)
        elif patch["applyTo"] == "NETWORK_FILTER":
            connections = merged(connections, value["typed_config"])
        elif patch["applyTo"] == "HTTP_FILTER":
            filters = [value, *filters] if operation == "INSERT_FIRST" else [*filters[:-1], value, filters[-1]]
            connections["http_filters"] = filters
        else:
            wanted = patch["match"]["routeConfiguration"]["vhost"]["route"]["name"]
            meant = [(host, at) for host in hosts for at, route in enumerate(host["routes"]) if route["name"] == wanted]
            assert meant, f"{wanted} is no route"
            for host, at in meant:
                host["routes"][at] = merged(host["routes"][at], value)
    listener["filter_chains"] = [{"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": connections}]}]
    names = sorted({route["route"]["cluster"] for host in hosts for route in host["routes"] if "route" in route})
    return {"node": {"id": "gateway", "cluster": "gateway"}, "static_resources": {"listeners": [listener], "clusters": [cluster(name, places or {}) for name in names]}}


def cluster(name: str, places: dict[str, int]) -> Any:
    port = next((port for word, port in places.items() if word in name), 9)
    endpoint = {"endpoint": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}}}
    return {"name": name, "connect_timeout": "2s", "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]}}
