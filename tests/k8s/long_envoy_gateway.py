"""Does Envoy Gateway take what the chart renders? Its own translator says so of every object, and what it makes of them carries calls.

`make e2e-envoy-gateway`; not among `make chart`, because the translator is built from its Go module, which takes ten minutes.
"""

from __future__ import annotations

import json
import tempfile
import unittest
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import bodies
import containers
import in_tls
import renders
from file_provider import FileProvider
from gateway import MODULE, Gateway, Load, allowed, obtained, ready, values
from istiod import image
from renders import objects
from test_envoy import eventually, free
from test_istio import PAGE, answers, pages_may_call
from translated import Translation

ALL = {"public_document", "missing_credential", "not_allowed", "unknown_server", "allowed"}
CASES: tuple[dict[str, Any], ...] = ({}, {"patchPolicy": True})


def chosen(more: dict[str, Any]) -> dict[str, Any]:
    return {"mode": "envoyGateway", "envoyGateway": {"gateway": {"certificateSecret": "c"}} | more}


def rendered(folder: str, more: dict[str, Any], port: int = 8080) -> list[Any]:
    Path(folder, "own.json").write_text(json.dumps(values(f"http://localhost:{port}") | chosen(more)))
    return objects(renders.run(4, "template", "rel", str(renders.CHART), "--namespace", "mcp", "--values", f"{folder}/own.json"))


class Translated(unittest.TestCase):
    program: str

    @classmethod
    def setUpClass(cls) -> None:
        program = containers.obtained("envoy-gateway", "translator")
        if program is None:
            raise unittest.SkipTest("the translator of Envoy Gateway cannot be built here; the reason stands above")
        cls.program = program

    def translation(self, of: list[Any], folder: str, places: dict[str, int]) -> Translation:
        return Translation(self.program, of, str(MODULE), folder, places)

    def test_every_object_is_accepted(self) -> None:
        for more in CASES:
            with self.subTest(envoyGateway=more), tempfile.TemporaryDirectory() as folder:
                found = self.translation(rendered(folder, more), folder, {})
                conditions = found.conditions()
                kinds = {where.split(" ")[0] for where in conditions}
                expected = {"Gateway", "HTTPRoute", "EnvoyExtensionPolicy", "BackendTrafficPolicy", "ClientTrafficPolicy", "SecurityPolicy"}
                self.assertLessEqual(expected, kinds)
                # `Programmed` of a Gateway needs an address, which a cluster gives.
                wrong = {where: {c: why for c, why in of_one.items() if why != "True" and not (c == "Programmed" and where.startswith("Gateway "))}
                         for where, of_one in conditions.items()}
                self.assertEqual({}, {where: why for where, why in wrong.items() if why})
                programmed = {c["type"]: c["status"] for one in found.patches for a in one["status"]["ancestors"] for c in a["conditions"]}
                self.assertEqual({"Accepted": "True", "Programmed": "True"} if more else {}, programmed)

    def test_the_filter_asks_a_cluster_that_is_there(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            of = rendered(folder, {})
            found = self.translation(of, folder, {})
            clusters = {one["name"] for one in found.resources("cluster.v3.Cluster")}
            [policy] = [one["spec"]["wasm"][0]["config"] for one in of if one["kind"] == "EnvoyExtensionPolicy" and "wasm" in one["spec"]]
            self.assertIn(policy["issuers"][0]["jwks"]["cluster"], clusters)

    def filtered(self, found: Translation) -> dict[str, bool]:
        """By the name of each route to something, whether the filter is on there."""
        return {route["name"]: any("wasm" in name for name in route.get("typed_per_filter_config", {}))
                for one in found.resources("route.v3.RouteConfiguration") for host in one["virtual_hosts"] for route in host["routes"]}

    def test_no_route_of_a_gateway_of_ours_is_without_the_filter_but_the_authorization_server_s(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            of = rendered(folder, {})
            # What an upgrade has not taken out yet, and what is somebody else's.
            [own] = [one for one in of if one["kind"] == "HTTPRoute" and one["metadata"]["name"] == "rel-wicketgate-mcp-notes"]
            old = json.loads(json.dumps(own))
            old["metadata"] |= {"name": "rel-wicketgate-mcp-old", "labels": {}}
            old["spec"]["rules"][0]["matches"][0]["path"]["value"] = "/old"
            found = self.filtered(self.translation([*of, old], folder, {}))
            off = {name for name, on in found.items() if not on}
            self.assertTrue(off)
            self.assertEqual({"httproute/mcp/rel-wicketgate-auth"}, {"/".join(name.split("/")[:3]) for name in off}, found)
            self.assertTrue(any("-mcp-old/" in name for name in found))

    def test_a_route_that_an_upgrade_leaves_behind_has_the_filter_at_a_gateway_of_somebody_else(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            of = rendered(folder, {"gateway": {"create": False, "name": "edge"}})
            [own_gateway] = [one for one in rendered(folder, {}) if one["kind"] == "Gateway"]
            own_gateway["metadata"]["name"] = "edge"
            [own] = [one for one in of if one["kind"] == "HTTPRoute" and one["metadata"]["name"] == "rel-wicketgate-mcp-notes"]
            old, foreign = (json.loads(json.dumps(own)) for _ in range(2))
            old["metadata"]["name"] = "rel-wicketgate-mcp-old"
            foreign["metadata"] |= {"name": "somebody-else-s", "labels": {}}
            for one, path in ((old, "/old"), (foreign, "/other")):
                one["spec"]["rules"] = one["spec"]["rules"][:1]
                one["spec"]["rules"][0]["matches"][0]["path"]["value"] = path
            found = self.filtered(self.translation([*of, own_gateway, old, foreign], folder, {}))
            on = {"/".join(name.split("/")[2:3]) for name, filtered in found.items() if filtered}
            self.assertEqual({"rel-wicketgate-mcp-notes", "rel-wicketgate-mcp-old"}, on, found)

    def test_a_route_that_is_closed_leads_nowhere(self) -> None:
        """And has the filter, which the gateway gets so before anything can go on."""
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "own.json").write_text(json.dumps(values("http://localhost:8080") | chosen({}) | {"routes": {"enabled": False}}))
            of = objects(renders.run(4, "template", "rel", str(renders.CHART), "--namespace", "mcp", "--values", f"{folder}/own.json"))
            found = self.translation(of, folder, {})
            [mcp] = [route for one in found.resources("route.v3.RouteConfiguration") for host in one["virtual_hosts"] for route in host["routes"]
                     if "-mcp-notes/rule/0" in route["name"]]
            self.assertEqual((500, True), (mcp["direct_response"]["status"], self.filtered(found)[mcp["name"]]), mcp)

    def test_pages_may_call(self) -> None:
        with ExitStack() as stack:
            pages_may_call(self, Gateway(stack, chosen({}), self.make, origins=[PAGE]))

    def test_the_filter_stands_before_the_buffer(self) -> None:
        for more in CASES:
            with self.subTest(envoyGateway=more), tempfile.TemporaryDirectory() as folder:
                document = self.translation(rendered(folder, more), folder, {}).bootstrap(1)
                [listener] = document["static_resources"]["listeners"]
                chain = listener.get("default_filter_chain") or listener["filter_chains"][0]
                filters = chain["filters"][-1]["typed_config"]["http_filters"]
                names = [one["name"].split("/")[0] for one in filters]
                self.assertLess(names.index("envoy.filters.http.wasm"), names.index("envoy.filters.http.buffer"), names)
                [wasm] = [one["typed_config"]["config"] for one in filters if one["name"].startswith("envoy.filters.http.wasm")]
                self.assertEqual(bool(more), wasm.get("allow_on_headers_stop_iteration", False))
                self.assertGreaterEqual(listener["per_connection_buffer_limit_bytes"], 16 << 20)

    def test_it_is_told_how_to_meet_the_authorization_server_in_tls(self) -> None:
        for client in (None, ("authority", in_tls.CLIENT)):
            with self.subTest(client=client), tempfile.TemporaryDirectory() as folder:
                meeting = in_tls.Meeting(folder, client=client)
                found = self.translation([*rendered(folder, meeting.values()), *meeting.objects()], folder, {})
                met = {where: of_one for where, of_one in found.conditions().items() if where.startswith("BackendTLSPolicy ")}
                accepted = {"Accepted": "True", "ResolvedRefs": "True"}
                self.assertEqual({f"BackendTLSPolicy rel-wicketgate-{name}": accepted for name in ("auth", "internal")}, met)
                clusters = [one for one in found.resources("cluster.v3.Cluster") if "-auth/" in one["name"] or "-callout/" in one["name"]]
                self.assertGreater(len(clusters), 3)
                for one in clusters:
                    [way] = one["transport_socket_matches"]
                    typed = way["transport_socket"]["typed_config"]
                    common = typed["common_tls_context"]
                    names = common["combined_validation_context"]["default_validation_context"]["match_typed_subject_alt_names"]
                    self.assertEqual((in_tls.NAME, [{"san_type": "DNS", "matcher": {"exact": in_tls.NAME}}]), (typed["sni"], names), one["name"])
                    self.assertEqual(bool(client), "tls_certificate_sds_secret_configs" in common)

    def make(self, of: list[Any], folder: str, port: int, places: dict[str, int]) -> Any:
        return self.translation(of, folder, places).bootstrap(port)

    def meets(self, stack: ExitStack, **certificates: tuple[str, str]) -> tuple[in_tls.Meeting, Gateway]:
        meeting = in_tls.Meeting(stack.enter_context(tempfile.TemporaryDirectory()), **certificates)
        return meeting, in_tls.gateway(stack, meeting, chosen(meeting.values()), self.make)

    def test_gateway_and_authorization_server_meet_in_tls(self) -> None:
        for certificates in ({}, {"client": ("authority", in_tls.CLIENT)}):
            with self.subTest(certificates=certificates), ExitStack() as stack:
                meeting, gateway = self.meets(stack, **certificates)
                in_tls.carries_calls(self, meeting, gateway)
                in_tls.is_renewed(self, meeting, gateway)

    def test_who_is_not_believed_lets_nobody_in(self) -> None:
        for whose, by, name in in_tls.WRONG:
            with self.subTest(whose=whose, by=by, name=name), ExitStack() as stack:
                meeting, gateway = self.meets(stack, **{whose: (by, name)})
                in_tls.lets_nobody_in(self, meeting, gateway)

    def test_calls_are_decided(self) -> None:
        for more in CASES:
            with self.subTest(envoyGateway=more), ExitStack() as stack:
                # Here a SecurityPolicy stands before the internal API besides, which has no such path; the filter comes first.
                answers(self, Gateway(stack, chosen(more), self.make), ALL)

    def test_bodies_are_held(self) -> None:
        for more in CASES:
            for limit in bodies.LIMITS:
                with self.subTest(envoyGateway=more, limit=limit), ExitStack() as stack:
                    gateway = Gateway(stack, chosen(more), self.make, bodies.limits(limit))
                    ready(gateway)
                    bodies.are_held(self, gateway, limit)

    def test_traps_of_buffers_stay_shut(self) -> None:
        """What breaks with other filters in this chain, beside large bodies."""
        def make(of: list[Any], folder: str, port: int, places: dict[str, int]) -> Any:
            for one in of:
                if one["kind"] == "ClientTrafficPolicy":
                    # The time is there in every render, and too long to be waited for.
                    self.assertEqual("30s", one["spec"]["timeout"]["http"]["requestReceivedTimeout"])
                    one["spec"]["timeout"]["http"]["requestReceivedTimeout"] = "2s"
            return self.make(of, folder, port, places)

        for more in CASES:
            with self.subTest(envoyGateway=more), ExitStack() as stack:
                gateway = Gateway(stack, chosen(more), make)
                token = ready(gateway)
                bodies.fields_are_changed_in_time(self, gateway, token)
                bodies.nothing_goes_on_while_the_filter_asks(self, gateway)
                bodies.a_body_that_never_ends_does(self, gateway, token)

    def test_the_cluster_that_is_asked_is_called_the_same_where_others_are_merged(self) -> None:
        """Clusters of one Service are one where an EnvoyProxy says so, and are called after it, but for those of a route with a policy of its own."""
        def make(of: list[Any], folder: str, port: int, places: dict[str, int]) -> Any:
            [proxy] = [one for one in of if one["kind"] == "EnvoyProxy"]
            proxy["spec"]["mergeBackends"] = {}
            return self.make(of, folder, port, places)

        with ExitStack() as stack:
            answers(self, Gateway(stack, chosen({}), make), ALL)

    def test_the_cluster_that_is_asked_may_have_another_name(self) -> None:
        """As other versions call it."""
        def make(of: list[Any], folder: str, port: int, places: dict[str, int]) -> Any:
            document = json.dumps(self.make(of, folder, port, places))
            self.assertIn('"httproute/mcp/rel-wicketgate-callout/rule/0"', document)
            return json.loads(document.replace('"httproute/mcp/rel-wicketgate-callout/rule/0"', '"another/name"'))

        with ExitStack() as stack:
            answers(self, Gateway(stack, chosen({"calloutCluster": "another/name"}), make), ALL)


class EndToEnd(unittest.TestCase):
    """Envoy Gateway itself, told by files what is in the cluster."""

    program: str

    @classmethod
    def setUpClass(cls) -> None:
        program = containers.obtained("envoy-gateway")
        if program is None:
            raise unittest.SkipTest("Envoy Gateway cannot be built here; the reason stands above")
        cls.program = program

    def gateway(self, stack: ExitStack, more: dict[str, Any], limits: dict[str, str] | None = None, digest: str | None = None,
                meeting: in_tls.Meeting | None = None) -> tuple[Gateway, FileProvider]:
        port, started = free(), []
        registry, own = image(stack, MODULE, stack.enter_context(tempfile.TemporaryDirectory()))

        def make(of: list[Any], folder: str, _: int, places: dict[str, int]) -> None:
            started.append(FileProvider(stack, self.program, obtained("envoy"), folder, of, places))

        values = chosen({"gateway": {"certificateSecret": "c", "port": port}} | more) | {"wasm": {"image": {"registry": registry, "digest": digest or own}}}
        if meeting:
            return in_tls.gateway(stack, meeting, values, make, port=port, secure=True, host="mcp.example.com"), started[0]
        return Gateway(stack, values, make, limits, port, secure=True, host="mcp.example.com"), started[0]

    def test_calls_are_decided_and_everything_is_accepted(self) -> None:
        for more in CASES:
            with self.subTest(envoyGateway=more), ExitStack() as stack:
                gateway, provider = self.gateway(stack, more)
                answers(self, gateway, ALL)
                conditions = provider.conditions()
                kinds = {where.split(" ")[0] for where in conditions}
                expected = {"Gateway", "HTTPRoute", "EnvoyExtensionPolicy", "BackendTrafficPolicy", "ClientTrafficPolicy", "SecurityPolicy", "EnvoyPatchPolicy"}
                self.assertLessEqual(expected, kinds)
                wrong = {where: {c: why for c, why in of_one.items() if why != "True"} for where, of_one in conditions.items()}
                self.assertEqual({}, {where: why for where, why in wrong.items() if why})

    def test_gateway_and_authorization_server_meet_in_tls(self) -> None:
        with ExitStack() as stack:
            meeting = in_tls.Meeting(stack.enter_context(tempfile.TemporaryDirectory()), client=("authority", in_tls.CLIENT))
            gateway, provider = self.gateway(stack, meeting.values(), meeting=meeting)
            in_tls.carries_calls(self, meeting, gateway)
            accepted = {"Accepted": "True", "ResolvedRefs": "True"}
            for name in ("auth", "internal"):
                self.assertEqual(accepted, provider.conditions()[f"BackendTLSPolicy mcp/rel-wicketgate-{name}"])

    def test_bodies_are_held(self) -> None:
        for more in CASES:
            with self.subTest(envoyGateway=more), ExitStack() as stack:
                gateway, _ = self.gateway(stack, more, bodies.limits("4MiB"))
                ready(gateway)
                bodies.are_held(self, gateway, "4MiB")

    def test_no_request_is_lost_while_the_policy_changes(self) -> None:
        with ExitStack() as stack:
            gateway, provider = self.gateway(stack, {})
            token = ready(gateway)
            with Load(gateway, token) as load:
                for turn in range(4):
                    tools = ["get_note", "delete_note"] if turn % 2 == 0 else ["get_note"]
                    [policy] = [one for one in provider.given if one["kind"] == "EnvoyExtensionPolicy" and "wasm" in one["spec"]]
                    policy["spec"]["wasm"][0]["config"]["servers"][0]["rules"][0]["allow"]["tools"] = tools
                    provider.put()
                    self.assertEqual(len(tools) == 2, eventually(lambda: allowed(gateway, token), len(tools) == 2))
            self.assertGreater(len(load.got), 20)
            self.assertEqual([], load.lost())

    def test_a_bad_policy_leaves_the_last_good_one(self) -> None:
        """Envoy Gateway calls it accepted and sends it; Envoy, which has the module already, refuses the listener. One that starts with it answers 503."""
        with ExitStack() as stack:
            gateway, provider = self.gateway(stack, {})
            token = ready(gateway)
            [policy] = [one for one in provider.given if one["kind"] == "EnvoyExtensionPolicy" and "wasm" in one["spec"]]
            server = policy["spec"]["wasm"][0]["config"]["servers"][0]
            server["nobody"] = "knows this key"
            provider.put()
            self.assertTrue(eventually(lambda: "Envoy rejected the last update" in provider.log.read_text(), True), provider.log.read_text()[-3000:])
            self.assertEqual(200, gateway.call(token, "get_note")[0])
            self.assertFalse(allowed(gateway, token))
            self.assertEqual(401, gateway.call(None, "get_note")[0])
            del server["nobody"]
            server["rules"][0]["allow"]["tools"] = ["get_note", "delete_note"]
            provider.put()
            self.assertTrue(eventually(lambda: allowed(gateway, token), True))

    def test_an_image_of_another_digest_is_not_run(self) -> None:
        with ExitStack() as stack:
            gateway, provider = self.gateway(stack, {}, digest=f"sha256:{'0' * 64}")
            refused = "EnvoyExtensionPolicy mcp/rel-wicketgate"
            self.assertTrue(eventually(lambda: provider.conditions().get(refused, {}).get("Accepted", "True") != "True", True), provider.conditions())
            self.assertEqual(500, eventually(lambda: gateway.call("x.y.z", "get_note")[0], 500))
            self.assertEqual([], gateway.seen)


if __name__ == "__main__":
    # Envoy Gateway listens at fixed ports, on all addresses.
    containers.own_network()
    obtained("envoy")
    unittest.main(verbosity=2)
