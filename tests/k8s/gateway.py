"""The parts that stand around a rendered gateway: an upstream that remembers, the authorization server of the render, a real Envoy."""

from __future__ import annotations

import base64
import http.client
import http.server
import json
import select
import socket
import ssl
import subprocess
import tempfile
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import renders
from renders import ROOT, objects
from test_envoy import eventually, free, mount

MODULE = ROOT / "target/wicketgate.wasm"
SECRET = "0123456789abcdef0123456789abcdef"
#: (objects, folder, port, where each Service is) -> the bootstrap of the gateway; None where it has started one itself.
Maker = Callable[[list[Any], str, int, dict[str, int]], Any]


def obtained(name: str) -> str:
    return subprocess.run([ROOT / f"tests/obtain/{name}.sh"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


class Upstream(http.server.BaseHTTPRequestHandler):
    """An MCP server that answers every call and remembers what it was sent."""

    protocol_version = "HTTP/1.1"
    seen: list[tuple[str, str, Any]]
    #: Names and values of each, in lower case.
    fields: list[dict[str, str]]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.fields.append({name.lower(): value for name, value in self.headers.items()})
        self.seen.append((self.path, self.headers["Host"], body))
        answer = json.dumps({"jsonrpc": "2.0", "id": body["id"], "result": {"resultType": "complete", "content": []}}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: Any) -> None:
        pass


def values(origin: str) -> dict[str, Any]:
    """One server, one rule, and two clients that get tokens in their own name; those of the second must be asked about."""
    rule = {"id": "readers", "allow": {"who": {"scopes": ["mcp:read"]}, "tools": ["get_note"]}}
    client: Any = {"id": "agent", "secret": {"file": "/etc/wicketgate/secrets/agent/secret"}, "grant_types": ["client_credentials"], "scopes": ["mcp:read"]}
    clients = [client, client | {"id": "opaque", "access_tokens": "opaque"}]
    upstream = {"service": "notes", "port": 3001, "path": "/rpc"}
    return {
        "keyEncryption": {"existingSecret": "wicketgate-key"},
        "config": {
            "url": origin, "authorizationServer": {"clients": clients},
            "servers": [{"name": "notes", "path": "/mcp", "upstream": upstream, "scopes": ["mcp:read"], "rules": [rule]}],
        },
    }


class Listening:
    """A connection that stops sending when it is answered: a gateway refuses what is too large before it has all of it."""

    def send(self, data: Any) -> None:
        if self.sock is None:   # type: ignore[has-type]
            # Whatever its name is.
            self._create_connection = lambda address, *more: socket.create_connection(("127.0.0.1", address[1]), *more)
            self.connect()   # type: ignore[attr-defined]
        rest = memoryview(data.encode() if isinstance(data, str) else data)
        while rest and not select.select([self.sock], [], [], 0)[0]:
            try:
                super().send(rest[: 1 << 14])   # type: ignore[misc]
            except OSError:
                # What it has said is there to be read.
                return
            rest = rest[1 << 14 :]


class Plain(Listening, http.client.HTTPConnection):
    pass


class Secure(Listening, http.client.HTTPSConnection):
    pass


class Caller:
    """Asks a gateway at a port of this machine by some name, with TLS where it is `secure`."""

    def __init__(self, port: int, secure: bool = False, host: str = "localhost") -> None:
        self.port, self.secure, self.host = port, secure, host
        #: Files of the certificate and the key that it shows.
        self.shown: tuple[str, str] | None = None
        self.origin = f"http{'s' if secure else ''}://{host}:{port}"

    def connection(self) -> http.client.HTTPConnection:
        if self.secure:
            # Whose certificate it is does not matter here. From 1.3 on tickets come unasked, which look like an answer.
            context = ssl._create_unverified_context()
            context.maximum_version = ssl.TLSVersion.TLSv1_2
            if self.shown:
                context.load_cert_chain(*self.shown)
            return Secure(self.host, self.port, timeout=20, context=context)
        return Plain(self.host, self.port, timeout=20)

    def ask(self, method: str, path: str, fields: dict[str, str] | None = None, body: str | None = None) -> tuple[int, Any]:
        connection = self.connection()
        try:
            connection.request(method, path, body, fields or {})
            answer = connection.getresponse()
            text = answer.read().decode()
            if "text/event-stream" in answer.getheader("Content-Type", ""):
                # The last event is the answer.
                text = [line.removeprefix("data:").strip() for line in text.splitlines() if line.startswith("data:")][-1]
            return answer.status, json.loads(text) if text.startswith("{") else text
        except (OSError, http.client.HTTPException) as why:
            return 0, str(why)
        finally:
            connection.close()

    def fields_of(self, method: str, path: str, fields: dict[str, str], body: str | None = None) -> tuple[int, dict[str, str]]:
        """The status of an answer, and its header fields by their names in lower case."""
        connection = self.connection()
        try:
            connection.request(method, path, body, fields)
            answer = connection.getresponse()
            answer.read()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}
        finally:
            connection.close()

    def call(self, token: str | None, tool: str, arguments: dict[str, Any] | None = None, more: dict[str, str] | None = None) -> tuple[int, Any]:
        meta = {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {},
                "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"}}
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": arguments or {}, "_meta": meta}}
        fields = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2026-07-28",
                  "Mcp-Method": "tools/call", "Mcp-Name": tool}
        if token is not None:
            fields["Authorization"] = f"Bearer {token}"
        fields |= more or {}
        return self.ask("POST", "/mcp", fields, json.dumps(message))

    def token(self, resource: str, client: str = "agent") -> str:
        basic = base64.b64encode(f"{client}:{SECRET}".encode()).decode()
        form = urlencode({"grant_type": "client_credentials", "resource": resource, "scope": "mcp:read"})
        fields = {"Authorization": f"Basic {basic}", "Content-Type": "application/x-www-form-urlencoded"}
        status, issued = self.ask("POST", "/token", fields, form)
        assert status == 200, issued
        return str(issued["access_token"])


class Gateway(Caller):
    """Envoy, the authorization server and an upstream, as the render says."""

    def __init__(self, stack: ExitStack, more: dict[str, Any], make: Maker, limits: dict[str, str] | None = None, port: int = 0, secure: bool = False,
                 host: str = "localhost", mounted: dict[str, dict[str, str]] | None = None, origins: list[str] | None = None) -> None:
        super().__init__(port or free(), secure, host)
        self.folder = stack.enter_context(tempfile.TemporaryDirectory())
        for name, files in (mounted or {}).items():
            mount(Path(self.folder, name), files)
        #: Where the authorization server is, by the port of its pod.
        self.ports = {port: free() for port in (9000, 9001, 9002, 9003)}
        self.upstream = http.server.ThreadingHTTPServer(("127.0.0.1", 0), type("Seen", (Upstream,), {"seen": [], "fields": []}))
        self.seen = self.upstream.RequestHandlerClass.seen   # type: ignore[attr-defined]
        self.fields = self.upstream.RequestHandlerClass.fields   # type: ignore[attr-defined]
        threading.Thread(target=self.upstream.serve_forever, daemon=True).start()
        stack.callback(self.upstream.server_close)
        stack.callback(self.upstream.shutdown)
        chosen = values(self.origin) | more
        chosen["config"]["servers"][0] |= ({"limits": limits} if limits else {}) | ({"origins": origins} if origins else {})
        Path(self.folder, "values.json").write_text(json.dumps(chosen))
        text = renders.run(4, "template", "rel", str(renders.CHART), "--namespace", "mcp", "--values", f"{self.folder}/values.json")
        #: All that was rendered.
        self.of = of = objects(text)
        self.server = self.start(stack, "wicketgate-auth", ["serve", "--config", self.authorization_server(of)])
        places = {"-auth.": self.ports[9000], "-internal.": self.ports[9001], "notes.": self.upstream.server_address[1]}
        made = make(of, self.folder, self.port, places)
        if made is None:
            return
        document = json.dumps(made).replace("/dev/stdout", f"{self.folder}/stdout").replace("/var/lib/wicketgate/plugin.wasm", str(MODULE))
        Path(self.folder, "envoy.json").write_text(document)
        arguments = ["--config-path", f"{self.folder}/envoy.json", "--concurrency", "1", "--log-level", "error", "--disable-hot-restart", "--file-flush-interval-msec", "100"]
        self.start(stack, obtained("envoy"), arguments)

    def start(self, stack: ExitStack, program: str, arguments: list[str]) -> subprocess.Popen[bytes]:
        path = program if "/" in program else str(ROOT / "target/debug" / program)
        log = stack.enter_context(Path(self.folder, f"{Path(program).name}.log").open("w"))
        process = subprocess.Popen([path, *arguments], stderr=log)
        stack.callback(process.wait)
        stack.callback(process.terminate)
        return process

    def authorization_server(self, of: list[Any]) -> str:
        [text] = [one["data"]["auth.json"] for one in of if "auth.json" in one.get("data", {})]
        for documented, own in self.ports.items():
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

    def reasons(self) -> set[str]:
        """Of all decisions that were recorded so far."""
        file = Path(self.folder, "stdout")
        text = file.read_text() if file.exists() else ""
        whole = text[: text.rfind("\n") + 1].splitlines()
        return {one["reason"] for one in map(json.loads, whole) if one["record"] == "decision"}


def ready(gateway: Gateway) -> str:
    """Waits until calls are decided, which is when the filter has the keys. A token."""
    document = "/.well-known/oauth-protected-resource/mcp"
    assert eventually(lambda: gateway.ask("GET", document)[0], 200) == 200
    token = gateway.token(f"{gateway.origin}/mcp")
    assert eventually(lambda: gateway.call(token, "get_note")[0], 200) == 200
    gateway.seen.clear()
    return token


def allowed(gateway: Gateway, token: str) -> bool:
    """Whether the policy that is in force allows the other tool."""
    return "result" in gateway.call(token, "delete_note")[1]


class Load:
    """Calls that are allowed all the time, by three clients at once, as long as the context lasts."""

    def __init__(self, gateway: Gateway, token: str) -> None:
        self.gateway, self.token, self.over = gateway, token, threading.Event()
        self.got: list[tuple[int, Any]] = []
        self.clients = [threading.Thread(target=self.ask) for _ in range(3)]

    def ask(self) -> None:
        while not self.over.is_set():
            self.got.append(self.gateway.call(self.token, "get_note"))

    def lost(self) -> list[tuple[int, Any]]:
        return [one for one in self.got if one[0] != 200 or "result" not in one[1]]

    def __enter__(self) -> Load:
        for client in self.clients:
            client.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        for client in self.clients:
            client.join()
