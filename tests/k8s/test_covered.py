"""Does the filter stand before every route to an MCP server, at every step of what Helm does? And what may pages, proxies and probes do there?"""

from __future__ import annotations

import json
import unittest
from collections.abc import Iterator
from typing import Any

import envoy_gateway
import renders
import yaml
from renders import ROOT, objects, rendered
from test_envoy import configuration, manager, routes

#: Of the servers of `ci/envoy-gateway-values.yaml`: one is taken out, one is called otherwise and stays where it is.
ONE_LESS = ("--set-json", json.dumps({"config": {"servers": [yaml.safe_load((renders.CHART / "ci/envoy-gateway-values.yaml").read_text())["config"]["servers"][0]]}}))
RENAMED = ("--set", "config.servers[0].name=notes2")
#: A Gateway of somebody else.
FOREIGN = ("--set", "envoyGateway.gateway.create=false,envoyGateway.gateway.name=edge,routes.enabled=true")


def of_the_mesh(*arguments: str) -> list[Any]:
    return [one for one in objects(rendered(4, "envoy-gateway", *arguments)) if "." in one["apiVersion"].partition("/")[0]]


def key(one: Any) -> tuple[str, str]:
    return one["kind"], one["metadata"]["name"]


def steps(before: list[Any], after: list[Any]) -> Iterator[tuple[str, list[Any]]]:
    """What is there after each step of an upgrade: Helm knows none of these kinds, so it applies them by the names of their kinds, then takes out
    what is left over in the same order, but for what is to be kept."""
    there = {key(one): one for one in before}
    yield "before", list(there.values())
    for one in sorted(after, key=lambda one: str(one["kind"])):
        there[key(one)] = one
        yield f"with {key(one)}", list(there.values())
    gone = {key(one) for one in before} - {key(one) for one in after}
    for name in sorted(gone, key=lambda name: name[0]):
        if there[name]["metadata"].get("annotations", {}).get("helm.sh/resource-policy") != "keep":
            del there[name]
            yield f"without {name}", list(there.values())


def open_routes(there: list[Any], gateway: str) -> list[str]:
    """Routes to MCP servers without the filter, or without what holds headers back behind it."""
    if gateway != "edge" and ("Gateway", gateway) not in {key(one) for one in there}:
        return []
    out = []
    for route in (one for one in there if one["kind"] == "HTTPRoute"):
        to = {backend["name"] for rule in route["spec"]["rules"] for backend in rule.get("backendRefs", [])}
        if to & {"notes", "tickets"}:
            for kind, what in (("EnvoyExtensionPolicy", "wasm"), ("BackendTrafficPolicy", "requestBuffer")):
                policy = envoy_gateway.meant(there, kind, route, gateway)
                if policy is None or what not in policy["spec"]:
                    out.append(f"{route['metadata']['name']}: {kind}")
    return out


class EnvoyGateway(unittest.TestCase):
    def test_no_route_is_open_at_any_step(self) -> None:
        for whose, gateway in (((), "rel-wicketgate"), (FOREIGN, "edge")):
            all_of, one_less, renamed = (of_the_mesh(*whose, *more) for more in ((), ONE_LESS, RENAMED))
            self.assertNotEqual([], open_routes([one for one in all_of if one["kind"] != "EnvoyExtensionPolicy"], gateway))
            ways = {"install": ([], all_of), "a server less": (all_of, one_less), "renamed": (all_of, renamed), "uninstall": (all_of, [])}
            for way, (before, after) in ways.items():
                for step, there in steps(before, after):
                    with self.subTest(gateway=gateway, way=way, step=step):
                        self.assertEqual([], open_routes(there, gateway))

    def test_a_gateway_of_ours_has_the_filter_for_every_route_but_the_authorization_server_s(self) -> None:
        there = of_the_mesh()
        foreign = {"kind": "HTTPRoute", "metadata": {"name": "somebody-else-s", "labels": {}}}
        for route in [*(one for one in there if one["kind"] == "HTTPRoute"), foreign]:
            policy = envoy_gateway.meant(there, "EnvoyExtensionPolicy", route, "rel-wicketgate")
            assert policy is not None
            self.assertEqual(route["metadata"]["name"] != "rel-wicketgate-auth", "wasm" in policy["spec"], route["metadata"]["name"])

    def test_a_policy_of_somebody_else_for_the_gateway_takes_the_filter_from_no_server(self) -> None:
        """Of two policies for one Gateway the older one wins, and ours would not count there."""
        there = of_the_mesh()
        for one in there:
            if one["kind"] in ("EnvoyExtensionPolicy", "BackendTrafficPolicy"):
                one["spec"]["targetRefs"] = [target for target in one["spec"]["targetRefs"] if target["kind"] != "Gateway"]
        self.assertEqual([], open_routes(there, "rel-wicketgate"))

    def test_routes_and_patches_mean_one_listener(self) -> None:
        for case, more in (("envoy-gateway", ()), ("envoy-gateway-patched", ()), ("envoy-gateway-patched", ("--set", "envoyGateway.gateway.listener=secure"))):
            with self.subTest(case=case, more=more):
                of, name = objects(rendered(4, case, *more)), "secure" if more else "https"
                self.assertEqual({name}, {parent["sectionName"] for one in of if one["kind"] == "HTTPRoute" for parent in one["spec"]["parentRefs"]})
                patched = {patch["name"].rpartition("/")[2] for one in of if one["kind"] == "EnvoyPatchPolicy" for patch in one["spec"]["jsonPatches"]}
                self.assertLessEqual(patched, {name})
                self.assertEqual("patched" in case, bool(patched))

    def test_what_the_class_says_holds_besides(self) -> None:
        [proxy] = [one["spec"] for one in of_the_mesh() if one["kind"] == "EnvoyProxy"]
        self.assertEqual("StrategicMerge", proxy["mergeType"])

    def test_idle_connections_end_here_first(self) -> None:
        for whose, gateway in (((), "rel-wicketgate"), (FOREIGN, "edge")):
            there = of_the_mesh(*whose)
            for route in (one for one in there if one["kind"] == "HTTPRoute"):
                policy = envoy_gateway.meant(there, "BackendTrafficPolicy", route, gateway)
                assert policy is not None
                self.assertEqual("4s", policy["spec"]["timeout"]["http"]["connectionIdleTimeout"], route["metadata"]["name"])


class Closed(unittest.TestCase):
    """Where a gateway may run without the filter, its routes lead nowhere until that is said."""

    def test_no_call_goes_on_unless_it_is_said(self) -> None:
        held = ("--set", "istio.gateway.create=false,istio.gateway.name=edge/public,istio.gateway.namespace=edge,istio.gateway.selector.app=edge")
        for case, more, open_by_itself in (("istio", (), False), ("istio-extension", (), False), ("istio-held", (), True), ("istio-held", held, False),
                                           ("envoy-gateway", (), True), ("envoy-gateway-patched", (), False)):
            for said, opened in (("null", open_by_itself), ("false", False), ("true", True)):
                with self.subTest(case=case, more=more, said=said):
                    of = objects(rendered(4, case, *more, "--set", f"routes.enabled={said}"))
                    text = json.dumps([one for one in of if one["kind"] in ("HTTPRoute", "VirtualService")])
                    self.assertEqual(opened, '"notes' in text.replace('"notes-', ""), text)
                    # The filter stands there all the same.
                    self.assertTrue(any(word in json.dumps(of) for word in ("WasmPlugin", "TrafficExtension", '"wasm"', "wasm.v3.Wasm")))

    def test_a_route_that_is_closed_is_of_the_filter(self) -> None:
        [service, *_] = [one for one in objects(rendered(4, "istio", "--set", "routes.enabled=false")) if one["kind"] == "VirtualService"]
        mcp = [one for one in service["spec"]["http"] if one["name"].startswith("mcp_")]
        self.assertEqual([503], [one["directResponse"]["status"] for one in mcp])
        [patches] = [one["spec"]["configPatches"] for one in objects(rendered(4, "istio", "--set", "routes.enabled=false")) if one["kind"] == "EnvoyFilter"]
        for patch in patches:
            if patch["applyTo"] == "HTTP_ROUTE":
                # A route that answers for itself has no other action.
                self.assertNotIn("route", patch["patch"]["value"])


class Istio(unittest.TestCase):
    def test_all_objects_mean_the_same_pods(self) -> None:
        own = ("--set", "istio.gateway.selector=null,istio.gateway.namespace=null")
        for case, more, pods, namespace in (("istio", (), {"istio": "ingress"}, "istio-ingress"), ("istio", own, {"istio": "ingress"}, "istio-ingress"),
                                            ("istio-held", (), {"istio": "ingress"}, "istio-ingress"), ("istio-extension", (), {"app": "edge"}, "edge")):
            with self.subTest(case=case, more=more):
                seen = []
                for one in objects(rendered(4, case, *more)):
                    spec = one.get("spec", {})
                    if one["kind"] in ("WasmPlugin", "TrafficExtension"):
                        seen.append((spec["selector"]["matchLabels"], one["metadata"]["namespace"]))
                    elif one["kind"] == "EnvoyFilter":
                        seen.append((spec["workloadSelector"]["labels"], one["metadata"]["namespace"]))
                    elif one["kind"] == "Gateway":
                        seen.append((spec["selector"], one["metadata"]["namespace"]))
                self.assertEqual([(pods, namespace)] * len(seen), seen)
                self.assertGreater(len(seen), 1)

    def test_idle_connections_end_here_first(self) -> None:
        of = objects(rendered(4, "istio"))
        rules = {one["spec"]["host"]: (one["metadata"]["namespace"], one["spec"]["trafficPolicy"]["connectionPool"]["http"]["idleTimeout"]) for one in of if one["kind"] == "DestinationRule"}
        hosts = {to["destination"]["host"] for one in of if one["kind"] == "VirtualService" for route in one["spec"]["http"] for to in route.get("route", [])}
        self.assertEqual(hosts, set(rules))
        # Beside the Service: Istio looks for it nowhere else but where the gateway is.
        self.assertEqual({host: (host.split(".")[1], "4s") for host in hosts}, rules)
        none = objects(rendered(4, "istio", "--set", "istio.upstreamDestinationRules=false"))
        self.assertEqual(2, len([one for one in none if one["kind"] == "DestinationRule"]))


class Pages(unittest.TestCase):
    """Pages of a server's `origins` may call it, as they may where `wicketgate render envoy` draws Envoy."""

    ORIGINS = ("--set", "config.servers[0].origins={https://App.Example.com:443,http://localhost:8080}", "--set", "config.servers[0].upstream.params={Region}")

    def drawn(self) -> Any:
        text = (ROOT / "filter/cli/src/envoy/parts/cors.yaml").read_text()
        origins = "\n    ".join(f"- {{exact: {one}}}" for one in ("https://app.example.com", "http://localhost:8080"))
        return yaml.safe_load(text.replace("<<origins>>", origins).replace("<<params>>", ", mcp-param-region"))["envoy.filters.http.cors"]

    def test_mode_standalone_has_what_the_command_line_draws(self) -> None:
        [text] = [one["data"]["envoy.yaml"] for one in objects(rendered(4, "standalone", *self.ORIGINS)) if "envoy.yaml" in one.get("data", {})]
        document = yaml.safe_load(text)
        own = {one["name"]: one.get("typed_per_filter_config", {}).get("envoy.filters.http.cors") for one in routes(document)}
        self.assertEqual(self.drawn(), own.pop("mcp_notes"))
        self.assertEqual({None}, set(own.values()))
        [public] = [one for one in document["static_resources"]["listeners"] if one["name"] == "public"]
        self.assertEqual(["envoy.filters.http.cors", "wicketgate", "envoy.filters.http.router"], [one["name"] for one in manager(public)["http_filters"]])
        self.assertNotIn("cors", configuration("standalone") or "cors")

    def test_istio_has_it_before_the_filter(self) -> None:
        for case in ("istio", "istio-extension", "istio-held"):
            with self.subTest(case=case):
                [patches] = [one["spec"]["configPatches"] for one in objects(rendered(4, case, *self.ORIGINS)) if one["kind"] == "EnvoyFilter"]
                # The last that is put first is the first.
                first = [one["patch"]["value"]["name"] for one in patches if one["applyTo"] == "HTTP_FILTER" and one["patch"]["operation"] == "INSERT_FIRST"]
                self.assertEqual("cors_before_the_filter", first[-1])
                told = {one["match"]["routeConfiguration"]["vhost"]["route"]["name"]: one["patch"]["value"].get("typed_per_filter_config", {}).get(first[-1])
                        for one in patches if one["applyTo"] == "HTTP_ROUTE"}
                self.assertEqual(self.drawn(), told.pop("mcp_notes"))
                self.assertLessEqual(set(told.values()), {None})

    def test_envoy_gateway_has_it(self) -> None:
        [cors] = [one["spec"] for one in of_the_mesh(*self.ORIGINS) if one["kind"] == "SecurityPolicy" and "cors" in one["spec"]]
        drawn = self.drawn()
        self.assertEqual([{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": "rel-wicketgate-mcp-notes", "sectionName": "mcp"}], cors["targetRefs"])
        self.assertEqual([one["exact"] for one in drawn["allow_origin_string_match"]], cors["cors"]["allowOrigins"])
        for ours, theirs in (("allowMethods", "allow_methods"), ("allowHeaders", "allow_headers"), ("exposeHeaders", "expose_headers")):
            self.assertEqual(drawn[theirs], ", ".join(cors["cors"][ours]))
        self.assertEqual(drawn["max_age"] + "s", cors["cors"]["maxAge"])


class Around(unittest.TestCase):
    def test_envoy_stays_ready_while_redis_is_away(self) -> None:
        for case in ("standalone", "production", "istio-extension"):
            with self.subTest(case=case):
                containers = {one["name"]: one for object_ in objects(rendered(4, case)) if object_["kind"] == "Deployment" for one in object_["spec"]["template"]["spec"]["containers"]}
                readiness, startup = (json.dumps(containers["authorization-server"][name]) for name in ("readinessProbe", "startupProbe"))
                # `healthcheck` asks whether the store answers.
                self.assertIn("healthcheck", startup)
                self.assertEqual("envoy" not in containers, "healthcheck" in readiness)

    def test_addresses_behind_proxies_are_told_everywhere(self) -> None:
        for case in ("standalone", "istio", "envoy-gateway"):
            for hops in (0, 2):
                with self.subTest(case=case, hops=hops):
                    of = objects(rendered(4, case, "--set", f"envoy.trustedHops={hops}"))
                    [own] = [json.loads(one["data"]["auth.json"]) for one in of if "auth.json" in one.get("data", {})]
                    self.assertEqual(hops + 1, own["forwarded"]["trusted_hops"])
                    text = json.dumps(of)
                    self.assertEqual(hops == 2, any(word in text for word in ('"xff_num_trusted_hops": 2', '"numTrustedHops": 2', "xff_num_trusted_hops: 2")))

    def test_servers_that_are_asked_whether_they_are_well_can_be(self) -> None:
        asking = ("--set-json", 'config.authorizationServer.mcp_servers={"every":"30s"}', "--set-json", 'mcpServers=[{"name":"sample","image":"a:1","port":80}]')
        for case in ("istio", "envoy-gateway"):
            policies = {one["metadata"]["name"]: one["spec"] for one in objects(rendered(4, case, *asking)) if one["kind"] == "NetworkPolicy"}
            ports = [port["port"] for rule in policies["rel-wicketgate"]["egress"] for port in rule.get("ports", [])]
            self.assertLessEqual({3001, 8080}, set(ports), case)
            self.assertIn("authorization-server", json.dumps(policies["rel-wicketgate-sample"]["ingress"]))

    def test_no_policy_of_the_network_is_there_where_none_is_wanted(self) -> None:
        of = objects(rendered(4, "dev", "--set", "networkPolicy.enabled=false"))
        self.assertEqual([], [one["metadata"]["name"] for one in of if one["kind"] == "NetworkPolicy"])
        self.assertTrue(any(one["metadata"]["name"] == "rel-wicketgate-sample" for one in of))

    def test_a_list_that_is_empty_is_one(self) -> None:
        of = objects(rendered(4, "standalone", "--set-json", 'config.servers[0].resource={"scopes":[],"default_scopes":[]}'))
        [own] = [json.loads(one["data"]["auth.json"]) for one in of if "auth.json" in one.get("data", {})]
        self.assertEqual(([], []), (own["resources"][0]["scopes"], own["resources"][0]["default_scopes"]))

    def test_the_test_of_a_release_asks_for_what_its_servers_answer(self) -> None:
        """A server that lets anybody in, or not the pod that asks, says no 401."""
        anonymous = '{"id":"all","allow":{"who":"anonymous","tools":["*"]}}'
        bearer = '{"name":"b","path":"/b","upstream":{"service":"b","port":1},"rules":[{"id":"all","allow":{"who":"any","tools":["*"]}}]}'
        for more, asked in (((), "/mcp=401"), (("--set-json", f"config.servers[0].rules=[{anonymous}]"), ""),
                            (("--set-json", f"config.servers[0].rules=[{anonymous}]", "--set-json", f"config.servers[1]={bearer}"), "/b=401"),
                            (("--set-json", 'config.servers[0].addresses={"allow":["192.0.2.0/24"]}'), "")):
            with self.subTest(more=more):
                [pod] = [one for one in objects(rendered(4, "standalone", *more)) if one["kind"] == "Pod"]
                said = [one for one in pod["spec"]["containers"][0]["command"] if one.endswith("=401")]
                self.assertEqual([asked] if asked else [], [one[one.index("/", 8):] for one in said])


if __name__ == "__main__":
    unittest.main()
