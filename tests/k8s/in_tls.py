"""Gateway and authorization server that meet in TLS: what lies in the cluster for it, and what must come of it, whichever makes the gateway."""

from __future__ import annotations

import ssl
import subprocess
import unittest
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from authority import Authority, secret
from gateway import Caller, Gateway, Maker
from renders import ROOT
from test_envoy import eventually, mount, served
from test_istio import answers

#: What the chart wants to find in the certificate, unless values say otherwise.
NAME = "rel-wicketgate-auth.mcp.svc"
CLIENT = "gateway.internal"
#: What is wrong with one of the two certificates: whose, by which authority, of which name.
WRONG = (("server", "stranger", NAME), ("server", "authority", "rel-wicketgate-internal.mcp.svc"), ("client", "stranger", CLIENT), ("client", "authority", NAME))


class Meeting:
    """`server` and `client` say by which authority each has its certificate, and of which name; without a client none is asked for."""

    def __init__(self, folder: str, server: tuple[str, str] = ("authority", NAME), client: tuple[str, str] | None = None) -> None:
        self.folder = folder
        self.authorities = {name: Authority(folder, name) for name in ("authority", "stranger")}
        self.by = server[0]
        self.server = self.authorities[server[0]].pair(server[1])
        self.client = client and self.authorities[client[0]].pair(client[1])

    def values(self) -> Any:
        client = {"client": {"existingSecret": "gateway-tls", "names": [CLIENT]}} if self.client else {}
        return {"authorizationServer": {"tls": {"existingSecret": "auth-tls", "caConfigMap": "internal-authority"} | client}}

    def mounted(self) -> dict[str, dict[str, str]]:
        """Below /etc/wicketgate, in the pods of the authorization server and of `helm test`."""
        authority = {"ca.crt": self.authorities["authority"].certificate}
        return {"tls": self.server, "tls-clients": authority, "ca": authority}

    def objects(self) -> list[Any]:
        """For the gateway."""
        authority = self.authorities["authority"].config_map("internal-authority")
        return [authority, secret("gateway-tls", self.client)] if self.client else [authority]

    def beside(self, gateway: Gateway) -> Caller:
        """Somebody who asks the authorization server without the gateway, with a certificate that is good where one is asked for."""
        caller = Caller(gateway.ports[9000], secure=True)
        if self.client:
            for name, text in self.authorities["authority"].pair(CLIENT).items():
                Path(self.folder, name).write_text(text)
            caller.shown = (f"{self.folder}/tls.crt", f"{self.folder}/tls.key")
        return caller


def gateway(stack: ExitStack, meeting: Meeting, values: Any, make: Maker, **more: Any) -> Gateway:
    def with_them(of: list[Any], folder: str, port: int, places: dict[str, int]) -> Any:
        return make([*of, *meeting.objects()], folder, port, places)

    return Gateway(stack, values, with_them, mounted=meeting.mounted(), **more)


def carries_calls(case: unittest.TestCase, meeting: Meeting, one: Gateway) -> None:
    """Tokens are verified by keys that were fetched so, and by asking; nobody meets the authorization server in another way."""
    answers(case, one, {"public_document", "missing_credential", "not_allowed", "unknown_server", "allowed"})
    opaque = one.token(f"{one.origin}/mcp", "opaque")
    case.assertEqual(200, one.call(opaque, "get_note")[0])
    case.assertEqual(None if meeting.client else 0, helm_test(one))
    for port in (9000, 9001):
        strangers = {"in clear": Caller(one.ports[port])} | ({"without a certificate": Caller(one.ports[port], secure=True)} if meeting.client else {})
        for how, caller in strangers.items():
            status, said = caller.ask("GET", "/jwks")
            case.assertEqual(0, status, f"{how} at {port}: {said}")


def helm_test(one: Gateway) -> int | None:
    """How its pod ends, which asks Services by name; None where there is no such pod."""
    commands = [container["command"] for pod in one.of if pod["kind"] == "Pod" for container in pod["spec"]["containers"]]
    if not commands:
        return None
    [[program, *arguments]] = commands
    places = {"//rel-wicketgate-auth:9000": f"//127.0.0.1:{one.ports[9000]}", "/etc/wicketgate": one.folder}
    for place, instead in places.items():
        arguments = [part.replace(place, instead) for part in arguments]
    return subprocess.run([f"{ROOT}/target/debug{program}", *arguments], capture_output=True).returncode


def is_renewed(case: unittest.TestCase, meeting: Meeting, one: Gateway) -> None:
    """The Secret changes as a kubelet changes it: who comes then is met with the new certificate, and calls go on."""
    def shown() -> str:
        return ssl.get_server_certificate(("127.0.0.1", one.ports[9000])).strip()

    before = meeting.server["tls.crt"].strip()
    case.assertEqual(before, shown())
    renewed = meeting.authorities["authority"].pair(NAME)
    mount(Path(one.folder, "tls"), renewed)
    case.assertEqual(renewed["tls.crt"].strip(), eventually(shown, renewed["tls.crt"].strip()))
    case.assertEqual(200, one.call(one.token(f"{one.origin}/mcp"), "get_note")[0])


def lets_nobody_in(case: unittest.TestCase, meeting: Meeting, one: Gateway) -> None:
    """One of the two does not believe the other: a token that is good, of both kinds, is worth nothing then."""
    case.assertEqual(200, eventually(lambda: one.ask("GET", "/.well-known/oauth-protected-resource/mcp")[0], 200))
    whose = f"{meeting.by}'s"
    case.assertEqual(whose, eventually(lambda: served(one.ports[9001]), whose))
    beside = meeting.beside(one)
    tokens = [beside.token(f"{one.origin}/mcp", client) for client in ("agent", "opaque")]
    for path in ("/.well-known/oauth-authorization-server", "/jwks"):
        case.assertEqual(503, one.ask("GET", path)[0], path)
    for token in tokens:
        for tool in ("get_note", "delete_note"):
            status, said = one.call(token, tool)
            case.assertEqual(503, status, str(said)[:300])
    case.assertEqual([], one.seen)
    case.assertEqual(None if meeting.client else 1, helm_test(one))
