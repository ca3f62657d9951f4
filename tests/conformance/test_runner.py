"""Would a run that is not the baseline be noticed, and does the proxy pass bytes as they come? (python -m unittest)"""

from __future__ import annotations

import socket
import unittest

import report
import results
from token_proxy import TokenProxy


def run_of(**statuses: str) -> results.Run:
    checks = [{"id": name, "status": status, "message": "why"} for name, status in statuses.items()]
    return {"2026-07-28": {"caching": checks}}


class Differences(unittest.TestCase):
    baseline = run_of(a="SUCCESS", b="SUCCESS")

    def whats(self, run: results.Run) -> list[str]:
        return [one.what for one in results.differences("gateway", run, self.baseline)]

    def test_the_baseline_itself_has_none(self) -> None:
        self.assertEqual(self.whats(run_of(a="SUCCESS", b="SUCCESS")), [])

    def test_any_status_but_success_is_one(self) -> None:
        for status in ("FAILURE", "WARNING", "SKIPPED"):
            self.assertEqual(self.whats(run_of(a="SUCCESS", b=status)), [f"b is {status}: why"])

    def test_missing_and_new_checks_scenarios_and_revisions(self) -> None:
        self.assertEqual(self.whats(run_of(a="SUCCESS")), ["the check b is missing"])
        self.assertEqual(
            self.whats(run_of(a="SUCCESS", b="SUCCESS", c="SUCCESS")), ["the check c is new to the baseline"]
        )
        self.assertEqual(self.whats({}), ["the scenario did not run"])
        self.assertEqual(self.whats({"2026-07-28": {}}), ["the scenario did not run"])
        more = run_of(a="SUCCESS", b="SUCCESS") | {"2030-01-01": {"new": []}}
        self.assertEqual(self.whats(more), ["the baseline does not know this scenario"])

    def test_report_marks_what_differs(self) -> None:
        runs = {"baseline": self.baseline, "gateway": run_of(a="SUCCESS", b="FAILURE")}
        row = {"baseline": {"passed": 2, "total": 2}, "gateway": report.cell(runs["gateway"]["2026-07-28"]["caching"])}
        self.assertEqual(report.shown(row, "gateway"), "**1/2**")
        self.assertEqual(report.shown(row | {"gateway": None}, "gateway"), "**did not run**")
        self.assertEqual(report.shown(row, "baseline"), "2/2")


class Proxy(unittest.TestCase):
    """A raw socket on either side of the proxy."""

    def setUp(self) -> None:
        self.target = socket.create_server(("127.0.0.1", 0))
        port = self.target.getsockname()[1]
        self.proxy = TokenProxy("127.0.0.1", port, "secret")
        self.proxy.start()
        self.own = f"127.0.0.1:{self.proxy.port}".encode()
        self.theirs = f"127.0.0.1:{port}".encode()
        self.client = socket.create_connection(("127.0.0.1", self.proxy.port), timeout=10)
        self.server, _ = self.target.accept()
        self.server.settimeout(10)

    def tearDown(self) -> None:
        self.proxy.stop()
        for end in (self.client, self.server, self.target):
            end.close()

    def received(self, size: int) -> bytes:
        got = b""
        while len(got) < size:
            piece = self.server.recv(size - len(got))
            if not piece:
                break
            got += piece
        return got

    def test_only_the_token_and_its_own_address_change(self) -> None:
        token = b"Authorization: Bearer secret\r\n"
        body = b'{"jsonrpc":"2.0","method":"tools/call","params":{"name":"x"}}'
        first = b"POST /mcp HTTP/1.1\r\n"
        rest = b"mcp-NAME: \t x  \r\nOrigin: http://%b\r\nhost: %b\r\nContent-Length: %d\r\n\r\n%b"
        chunked = b"POST /mcp HTTP/1.1\r\n", b"Transfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nT: 1\r\n\r\n"
        foreign = b"GET /mcp HTTP/1.1\r\n", b"Host: evil.example.com\r\nOrigin: http://evil.example.com\r\n\r\n"
        self.client.sendall(first + rest % (self.own, self.own, len(body), body))
        self.client.sendall(b"".join(chunked) + b"".join(foreign))
        expected = first + token + rest % (self.theirs, self.theirs, len(body), body)
        expected += chunked[0] + token + chunked[1] + foreign[0] + token + foreign[1]
        self.assertEqual(self.received(len(expected)), expected)
        self.assertEqual(dict(self.proxy.traffic.requests), {"POST": 2, "GET": 1})
        self.assertEqual(dict(self.proxy.traffic.asked), {("POST", "tools/call", "x"): 1})

    def test_events_pass_one_by_one_and_a_disconnect_reaches_the_server(self) -> None:
        self.client.sendall(b"GET /mcp HTTP/1.1\r\n\r\n")
        self.received(len(b"GET /mcp HTTP/1.1\r\nAuthorization: Bearer secret\r\n\r\n"))
        for event in (b"HTTP/1.1 200 OK\r\n\r\n", b": alive\n\n", b"id: 1\ndata:\n\n"):
            self.server.sendall(event)
            self.assertEqual(self.client.recv(100), event)
        self.client.close()
        self.assertEqual(self.server.recv(100), b"")


if __name__ == "__main__":
    unittest.main()
