"""Does our part of an Istio gateway work in a real Envoy? What istiod does is done in outline by `istio.py`: this is no Istio."""

from __future__ import annotations

import json
import subprocess
import tempfile
import unittest
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import istio
from gateway import MODULE, Gateway, obtained
from renders import objects, rendered
from test_envoy import eventually

CASES = ("istio", "istio-extension", "istio-held")


class Patches(unittest.TestCase):
    def documents(self) -> Any:
        for case in CASES:
            with self.subTest(case=case), tempfile.TemporaryDirectory() as folder:
                yield case, folder, istio.gateway(objects(rendered(4, case)), folder, str(MODULE))

    def test_envoy_accepts_what_becomes_of_them(self) -> None:
        for _, folder, document in self.documents():
            file = Path(folder, "envoy.json")
            file.write_text(json.dumps(document).replace("/var/lib/wicketgate/plugin.wasm", str(MODULE)))
            command = [obtained("envoy"), "--mode", "validate", "--log-level", "warning", "--config-path", file]
            done = subprocess.run(command, capture_output=True, text=True)
            self.assertEqual(0, done.returncode, done.stderr[-2000:])

    def test_the_filter_is_off_for_the_authorization_server_alone(self) -> None:
        for _, _, document in self.documents():
            [listener] = document["static_resources"]["listeners"]
            [ours] = [one["name"] for one in istio.manager(listener)["http_filters"] if "wicketgate" in one["name"]]
            off = {one["name"] for one in istio.routes(listener) if ours in one.get("typed_per_filter_config", {})}
            self.assertEqual({"authorization_server"}, off)

    def test_a_buffer_stands_behind_the_filter_where_headers_are_not_held(self) -> None:
        for case, _, document in self.documents():
            [listener] = document["static_resources"]["listeners"]
            filters = istio.manager(listener)["http_filters"]
            mcp = [one for one in istio.routes(listener) if one["name"].startswith("mcp_")]
            buffered = {"envoy.filters.http.buffer" in one.get("typed_per_filter_config", {}) for one in mcp}
            if case == "istio-held":
                self.assertEqual((2, "wicketgate", {False}), (len(filters), filters[0]["name"], buffered))
                self.assertTrue(filters[0]["typed_config"]["config"]["allow_on_headers_stop_iteration"])
            else:
                self.assertEqual(("envoy.filters.http.buffer", True), (filters[1]["name"], filters[1]["disabled"]))
                self.assertEqual({True}, buffered)
            self.assertEqual({("0s", "3600s")}, {(one["route"]["timeout"], one["route"]["idle_timeout"]) for one in mcp})


class Traffic(unittest.TestCase):
    def test_calls_are_decided(self) -> None:
        """The first twice: as Istio names what a WasmPlugin becomes until it translates them, and since."""
        for more, translating in (({}, False), ({}, True), ({"kind": "TrafficExtension"}, True), ({"holdHeaders": True}, True)):
            with self.subTest(istio=more, translating=translating), ExitStack() as stack:

                def make(of: list[Any], folder: str, port: int, places: dict[str, int]) -> Any:
                    return istio.gateway(of, folder, str(MODULE), port, places, translating)   # noqa: B023

                gateway = Gateway(stack, {"mode": "istio", "routes": {"enabled": True}, "istio": {"gateway": {"credentialName": "c"}} | more}, make)
                answers(self, gateway, {"public_document", "missing_credential", "not_allowed", "unknown_server", "allowed"})
                self.assertEqual(200, gateway.ask("GET", "/wicketgate/status")[0])


    def test_pages_may_call(self) -> None:
        for more in ({}, {"kind": "TrafficExtension"}, {"holdHeaders": True}):
            with self.subTest(istio=more), ExitStack() as stack:

                def make(of: list[Any], folder: str, port: int, places: dict[str, int]) -> Any:
                    return istio.gateway(of, folder, str(MODULE), port, places)

                chosen = {"mode": "istio", "routes": {"enabled": True}, "istio": {"gateway": {"credentialName": "c"}} | more}
                pages_may_call(self, Gateway(stack, chosen, make, origins=[PAGE]))

    def test_closed_routes_lead_nowhere(self) -> None:
        for more in ({}, {"holdHeaders": True}):
            with self.subTest(istio=more), ExitStack() as stack:

                def make(of: list[Any], folder: str, port: int, places: dict[str, int]) -> Any:
                    return istio.gateway(of, folder, str(MODULE), port, places)

                gateway = Gateway(stack, {"mode": "istio", "routes": {"enabled": False}, "istio": {"gateway": {"credentialName": "c"}} | more}, make)
                closed(self, gateway)


def closed(case: unittest.TestCase, gateway: Gateway) -> None:
    """The filter decides, so that somebody can see that it does, and nothing goes on."""
    case.assertEqual(200, eventually(lambda: gateway.ask("GET", "/.well-known/oauth-protected-resource/mcp")[0], 200))
    case.assertEqual(200, eventually(lambda: gateway.ask("GET", "/.well-known/oauth-authorization-server")[0], 200))
    case.assertEqual(401, gateway.call(None, "get_note")[0])
    token = gateway.token(f"{gateway.origin}/mcp")
    # The filter has the keys when it knows what the token does not allow.
    case.assertTrue(eventually(lambda: "Unknown tool" in str(gateway.call(token, "delete_note")[1]), True))
    case.assertEqual(503, gateway.call(token, "get_note")[0])
    case.assertEqual([], gateway.seen)


#: Whose pages may call.
PAGE = "https://app.example.com"


def pages_may_call(case: unittest.TestCase, gateway: Gateway) -> None:
    """A browser asks first, and lets a page read what is answered; no page of elsewhere."""
    case.assertEqual(200, eventually(lambda: gateway.ask("GET", "/.well-known/oauth-protected-resource/mcp")[0], 200))
    for origin, may in ((PAGE, True), ("https://elsewhere.example.com", False)):
        asked = {"Origin": origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
        status, fields = gateway.fields_of("OPTIONS", "/mcp", asked)
        case.assertEqual(may, fields.get("access-control-allow-origin") == origin, (status, fields))
        if may:
            case.assertEqual(200, status)
            case.assertIn("authorization", fields["access-control-allow-headers"])
        status, fields = gateway.fields_of("POST", "/mcp", {"Origin": origin, "Content-Type": "application/json"}, "{}")
        case.assertEqual((401 if may else 403, may), (status, fields.get("access-control-allow-origin") == origin), fields)
        if may:
            # Where a client learns whom it must ask for a token.
            case.assertIn("www-authenticate", fields["access-control-expose-headers"])
    case.assertEqual([], gateway.seen)


def answers(case: unittest.TestCase, gateway: Gateway, reasons: set[str]) -> None:
    """What a gateway must answer, whichever makes it: of what is denied the server sees nothing."""
    document = "/.well-known/oauth-protected-resource/mcp"
    case.assertEqual(200, eventually(lambda: gateway.ask("GET", document)[0], 200))
    status, metadata = gateway.ask("GET", document)
    case.assertEqual((200, f"{gateway.origin}/mcp"), (status, metadata["resource"]))
    # The filter answers before the authorization server listens.
    case.assertEqual(200, eventually(lambda: gateway.ask("GET", "/.well-known/oauth-authorization-server")[0], 200))
    token = gateway.token(metadata["resource"])
    # The filter may not have the keys yet: then it is 503, and never a verdict.
    case.assertEqual(200, eventually(lambda: gateway.call(token, "delete_note")[0], 200))

    case.assertEqual(401, gateway.call(None, "get_note")[0])
    case.assertIn("Unknown tool", json.dumps(gateway.call(token, "delete_note")[1]))
    case.assertEqual(404, gateway.ask("GET", "/wicketgate/callout")[0])
    for path in ("/wicketgate/callout/v1/jwks", "/v1/jwks", "/v1/feed", "/nowhere"):
        case.assertEqual(404, gateway.ask("GET", path)[0], path)
    case.assertEqual([], gateway.seen)
    status, result = gateway.call(token, "get_note")
    case.assertEqual((200, []), (status, result.get("result", {}).get("content")), result)
    [(path, host, body)] = gateway.seen
    case.assertEqual(("/rpc", "notes.mcp.svc.cluster.local", "get_note"), (path, host.partition(":")[0], body["params"]["name"]))
    # `unavailable` stands for calls before the keys had come.
    case.assertEqual(reasons, eventually(lambda: gateway.reasons() - {"unavailable"}, reasons))


if __name__ == "__main__":
    unittest.main()
