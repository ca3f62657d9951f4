"""Are requests with large bodies held, decided and bounded? What Envoy's buffers make of a filter that waits has traps: a request that is let go
before it is decided, one that hangs, one that is refused below its limit."""

from __future__ import annotations

import json
import signal
import socket
import unittest
from typing import Any

from gateway import Gateway
from test_envoy import eventually

#: What one request, and what an answer, may hold.
LIMITS = ("1MiB", "4MiB")
BYTES = {"1MiB": 1 << 20, "4MiB": 4 << 20}


def are_held(case: unittest.TestCase, gateway: Gateway, limit: str) -> None:
    """Each size with a token that the filter verifies by itself, and with one that it must ask about while the body comes."""
    most = BYTES[limit]
    tokens = {client: gateway.token(f"{gateway.origin}/mcp", client) for client in ("agent", "opaque")}
    for client, token in tokens.items():
        for share in (0.1, 0.5, 0.95):
            with case.subTest(client=client, of_limit=share):
                text = "x" * int(most * share)
                status, answer = gateway.call(token, "get_note", {"text": text})
                case.assertEqual((200, True), (status, "result" in answer), str(answer)[:300])
                [(_, _, body)] = gateway.seen
                case.assertTrue(body["params"]["arguments"] == {"text": text}, "other bytes than were sent")
                gateway.seen.clear()
        for share in (1.1, 1.5, 3.0):
            with case.subTest(client=client, of_limit=share):
                status, answer = gateway.call(token, "get_note", {"text": "x" * int(most * share)})
                case.assertEqual(413, status, str(answer)[:300])
                case.assertEqual([], gateway.seen)
        with case.subTest(client=client, denied=True):
            status, answer = gateway.call(token, "delete_note", {"text": "x" * int(most * 0.95)})
            case.assertIn("Unknown tool", json.dumps(answer), status)
            case.assertEqual([], gateway.seen)
    for token in (None, "ma_nobodys", "x.y.z"):
        with case.subTest(token=token):
            status, answer = gateway.call(token, "get_note", {"text": "x" * int(most * 0.95)})
            case.assertEqual(401, status, str(answer)[:300])
            case.assertEqual([], gateway.seen)


def nothing_goes_on_while_the_filter_asks(case: unittest.TestCase, gateway: Gateway) -> None:
    """The whole body is there and the authorization server says nothing: whoever lets go in the callback of the body lets go unasked."""
    token = gateway.token(f"{gateway.origin}/mcp", "opaque")
    gateway.seen.clear()
    gateway.server.send_signal(signal.SIGSTOP)
    try:
        status, answer = gateway.call(token, "get_note", {"text": "x" * 100_000})
        case.assertEqual(503, status, str(answer)[:300])
        case.assertEqual([], gateway.seen)
    finally:
        gateway.server.send_signal(signal.SIGCONT)
    case.assertEqual(200, eventually(lambda: gateway.call(token, "get_note")[0], 200))


def fields_are_changed_in_time(case: unittest.TestCase, gateway: Gateway, token: str) -> None:
    """Once headers have gone on, whoever touches them in the callback of the body ends the VM: what is taken out must be gone before."""
    for fields in ({}, {"Last-Event-ID": "7"}, {"Mcp-Session-Id": "0123456789abcdef"}):
        with case.subTest(fields=fields):
            gateway.fields.clear()
            status, answer = gateway.call(token, "get_note", {"text": "x" * 100_000}, fields)
            case.assertEqual((200, True), (status, "result" in answer), str(answer)[:300])
            [seen] = gateway.fields
            case.assertEqual(set(), set(seen) & {"authorization", *(name.lower() for name in fields)})
    # The VM lives: it has what only asking could give it anew.
    gateway.server.send_signal(signal.SIGSTOP)
    try:
        case.assertEqual(200, gateway.call(token, "get_note")[0])
    finally:
        gateway.server.send_signal(signal.SIGCONT)


def a_body_that_never_ends_does(case: unittest.TestCase, gateway: Gateway, token: str) -> None:
    """The time limit of a request alone ends one that is held: the answer comes, and nothing goes on."""
    head = f"POST /mcp HTTP/1.1\r\nHost: {gateway.host}:{gateway.port}\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n"
    head += "Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: get_note\r\nContent-Length: 4096\r\n\r\n"
    gateway.seen.clear()
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=60) as connection:
        connection.sendall(head.encode() + b'{"jsonrpc": "2.0"')
        case.assertEqual(b"HTTP/1.1 408 Request Timeout", connection.recv(1 << 16).partition(b"\r\n")[0])
    case.assertEqual([], gateway.seen)


def limits(limit: str) -> dict[str, Any]:
    return {"request_bytes": limit, "response_bytes": limit}
