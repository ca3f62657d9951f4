"""Does our part of an Istio gateway work in a real Envoy? What istiod does is done in outline by `istio.py`: this is no Istio."""

from __future__ import annotations

import base64
import http.client
import http.server
import json
import subprocess
import tempfile
import threading
import unittest
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import istio
import renders
from renders import ROOT, objects, rendered
from test_envoy import eventually, free

CASES = ("istio", "istio-extension", "istio-held")
MODULE = ROOT / "target/wicketgate.wasm"


def obtained(name: str) -> str:
    return subprocess.run([ROOT / f"tests/obtain/{name}.sh"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


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


class Upstream(http.server.BaseHTTPRequestHandler):
    """An MCP server that answers every call and remembers what it was sent."""

    protocol_version = "HTTP/1.1"
    seen: list[tuple[str, str, Any]]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.seen.append((self.path, self.headers["Host"], body))
        answer = json.dumps({"jsonrpc": "2.0", "id": body["id"], "result": {"resultType": "complete", "content": []}}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: Any) -> None:
        pass


def values(port: int, more: dict[str, Any]) -> dict[str, Any]:
    rule = {"id": "readers", "allow": {"who": {"scopes": ["mcp:read"]}, "tools": ["get_note"]}}
    client = {"id": "agent", "secret": {"file": "/etc/wicketgate/secrets/agent/secret"}, "grant_types": ["client_credentials"], "scopes": ["mcp:read"]}
    upstream = {"service": "notes", "port": 3001, "path": "/rpc"}
    return {
        "mode": "istio", "keyEncryption": {"existingSecret": "wicketgate-key"},
        "istio": {"gateway": {"credentialName": "c"}} | more,
        "config": {
            "url": f"http://127.0.0.1:{port}", "authorizationServer": {"clients": [client]},
            "servers": [{"name": "notes", "path": "/mcp", "upstream": upstream, "scopes": ["mcp:read"], "rules": [rule]}],
        },
    }


class Gateway:
    """Envoy, the authorization server and an upstream, as the render says."""

    def __init__(self, stack: ExitStack, more: dict[str, Any]) -> None:
        self.folder = stack.enter_context(tempfile.TemporaryDirectory())
        ports = {port: free() for port in (9000, 9001, 9002, 9003)}
        self.port = free()
        self.upstream = http.server.ThreadingHTTPServer(("127.0.0.1", 0), type("Seen", (Upstream,), {"seen": []}))
        self.seen = self.upstream.RequestHandlerClass.seen   # type: ignore[attr-defined]
        threading.Thread(target=self.upstream.serve_forever, daemon=True).start()
        stack.callback(self.upstream.server_close)
        stack.callback(self.upstream.shutdown)
        Path(self.folder, "values.json").write_text(json.dumps(values(self.port, more)))
        text = renders.run(4, "template", "rel", str(renders.CHART), "--namespace", "mcp", "--values", f"{self.folder}/values.json")
        of = objects(text)
        self.start(stack, "wicketgate-auth", ["serve", "--config", self.authorization_server(of, ports)])
        places = {"-auth.": ports[9000], "-internal.": ports[9001], "notes.": self.upstream.server_address[1]}
        document = json.dumps(istio.gateway(of, self.folder, str(MODULE), self.port, places))
        document = document.replace("/dev/stdout", f"{self.folder}/stdout").replace("/var/lib/wicketgate/plugin.wasm", str(MODULE))
        Path(self.folder, "envoy.json").write_text(document)
        arguments = ["--config-path", f"{self.folder}/envoy.json", "--concurrency", "1", "--log-level", "error", "--disable-hot-restart", "--file-flush-interval-msec", "100"]
        self.start(stack, obtained("envoy"), arguments)

    def start(self, stack: ExitStack, program: str, arguments: list[str]) -> None:
        path = program if "/" in program else str(ROOT / "target/debug" / program)
        log = stack.enter_context(Path(self.folder, f"{Path(program).name}.log").open("w"))
        process = subprocess.Popen([path, *arguments], stderr=log)
        stack.callback(process.wait)
        stack.callback(process.terminate)

    def authorization_server(self, of: list[Any], ports: dict[int, int]) -> str:
        [text] = [one["data"]["auth.json"] for one in of if "auth.json" in one.get("data", {})]
        for documented, own in ports.items():
            text = text.replace(f"0.0.0.0:{documented}", f"127.0.0.1:{own}").replace(f"127.0.0.1:{documented}", f"127.0.0.1:{own}")
        text = text.replace("/etc/wicketgate", self.folder).replace("/var/lib/wicketgate", self.folder)
        for name in ("keys", "secrets/agent"):
            Path(self.folder, name).mkdir(parents=True)
        key = subprocess.run([ROOT / "target/debug/wicketgate-auth", "generate-key"], check=True, capture_output=True).stdout
        Path(self.folder, "keys/data.key").write_bytes(key)
        Path(self.folder, "secrets/agent/secret").write_text(SECRET)
        file = Path(self.folder, "auth.json")
        file.write_text(text)
        return str(file)

    def ask(self, method: str, path: str, fields: dict[str, str] | None = None, body: str | None = None) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body, fields or {})
            answer = connection.getresponse()
            text = answer.read().decode()
            return answer.status, json.loads(text) if text.startswith("{") else text
        except OSError as why:
            return 0, str(why)
        finally:
            connection.close()

    def call(self, token: str | None, tool: str) -> tuple[int, Any]:
        meta = {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {},
                "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"}}
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": {}, "_meta": meta}}
        fields = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2026-07-28",
                  "Mcp-Method": "tools/call", "Mcp-Name": tool}
        if token is not None:
            fields["Authorization"] = f"Bearer {token}"
        return self.ask("POST", "/mcp", fields, json.dumps(message))


SECRET = "0123456789abcdef0123456789abcdef"


class Traffic(unittest.TestCase):
    def test_calls_are_decided(self) -> None:
        for more in ({}, {"kind": "TrafficExtension"}, {"holdHeaders": True}):
            with self.subTest(istio=more), ExitStack() as stack:
                gateway = Gateway(stack, more)
                self.assertEqual(200, eventually(lambda: gateway.ask("GET", "/wicketgate/status")[0], 200))   # noqa: B023

                status, metadata = gateway.ask("GET", "/.well-known/oauth-protected-resource/mcp")
                self.assertEqual((200, f"http://127.0.0.1:{gateway.port}/mcp"), (status, metadata["resource"]))
                self.assertEqual(200, gateway.ask("GET", "/.well-known/oauth-authorization-server")[0])
                basic = base64.b64encode(f"agent:{SECRET}".encode()).decode()
                form = urlencode({"grant_type": "client_credentials", "resource": metadata["resource"], "scope": "mcp:read"})
                fields = {"Authorization": f"Basic {basic}", "Content-Type": "application/x-www-form-urlencoded"}
                status, issued = gateway.ask("POST", "/token", fields, form)
                self.assertEqual(200, status, issued)
                token = issued["access_token"]

                self.assertEqual(401, gateway.call(None, "get_note")[0])
                denied = gateway.call(token, "delete_note")
                self.assertIn("Unknown tool", json.dumps(denied[1]))
                for path in ("/wicketgate/callout", "/v1/jwks", "/v1/feed", "/nowhere"):
                    self.assertEqual(404, gateway.ask("GET", path)[0], path)
                # Of none of these has the server seen anything.
                self.assertEqual([], gateway.seen)
                status, result = gateway.call(token, "get_note")
                self.assertEqual((200, []), (status, result.get("result", {}).get("content")), result)
                [(path, host, body)] = gateway.seen
                self.assertEqual(("/rpc", "notes.mcp.svc.cluster.local:3001", "get_note"), (path, host, body["params"]["name"]))
                self.decisions(gateway)

    def decisions(self, gateway: Gateway) -> None:
        def reasons() -> set[str]:
            text = Path(gateway.folder, "stdout").read_text()
            whole = text[: text.rfind("\n") + 1].splitlines()
            return {one["reason"] for one in map(json.loads, whole) if one["record"] == "decision"}

        wanted = {"public_document", "missing_credential", "not_allowed", "unknown_server", "allowed"}
        self.assertEqual(wanted, eventually(reasons, wanted))


if __name__ == "__main__":
    unittest.main()
