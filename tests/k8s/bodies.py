"""Are requests with large bodies held, decided and bounded? What Envoy's buffers make of a filter that waits has traps: a request that is let go
before it is decided, one that hangs, one that is refused below its limit."""

from __future__ import annotations

import json
import unittest
from typing import Any

from gateway import Gateway

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


def limits(limit: str) -> dict[str, Any]:
    return {"request_bytes": limit, "response_bytes": limit}
