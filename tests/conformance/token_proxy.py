"""How does a suite that cannot send headers reach a server that wants a bearer token?

A loopback proxy that puts `Authorization: Bearer ...` into every request. It works on bytes: apart from that line, and
from its own address in Host and Origin (which becomes the target's, as a client of the target would have written it),
every byte passes as it came: letter case and order of headers, white space around values, chunk boundaries. A foreign
Host or Origin therefore reaches the target, which the dns-rebinding scenario needs. Answers are not parsed at all, so
nothing buffers an event stream, and either side's disconnect reaches the other.

It counts what it sent, so that the gateway's own counters can be held against it, and can record which MCP methods and
names were asked for.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections import Counter
from dataclasses import dataclass, field

HEAD_LIMIT = 256 * 1024
RECORD_LIMIT = 1024 * 1024
PIECE = 64 * 1024


@dataclass
class Traffic:
    """What went through: requests by HTTP method, and (method, target) pairs of the JSON-RPC bodies."""

    requests: Counter[str] = field(default_factory=Counter)
    asked: Counter[tuple[str, str, str]] = field(default_factory=Counter)


class TokenProxy:
    """Runs in a thread of its own between `start` and `stop`; `url` is the address to give to the suite."""

    def __init__(self, target_host: str, target_port: int, token: str | None) -> None:
        self.target = (target_host, target_port)
        self.token = token
        self.traffic = Traffic()
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._server: asyncio.Server | None = None
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def start(self) -> None:
        """Binds a free port of 127.0.0.1 and serves."""
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)

    def stop(self) -> None:
        """Stops listening and ends the open connections."""
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=HEAD_LIMIT)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            up_reader, up_writer = await asyncio.open_connection(*self.target)
        except OSError:
            writer.close()
            return
        requests = asyncio.create_task(self._forward_requests(reader, up_writer))
        answers = asyncio.create_task(copy_bytes(up_reader, writer))
        try:
            # Whichever side ends first ends the connection: a client that goes away must be seen to go away.
            await asyncio.wait({requests, answers}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            return  # `stop`: nobody waits for this connection any more.
        finally:
            for task in (requests, answers):
                task.cancel()
            await asyncio.gather(requests, answers, return_exceptions=True)
            for end in (writer, up_writer):
                end.close()

    async def _forward_requests(self, reader: asyncio.StreamReader, up: asyncio.StreamWriter) -> None:
        while True:
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except asyncio.IncompleteReadError:
                return
            method = head.split(b" ", 1)[0].decode("latin-1")
            self.traffic.requests[method] += 1
            up.write(self._with_token(head))
            await up.drain()
            body = await copy_body(head, reader, up)
            self._record(method, body)

    def _with_token(self, head: bytes) -> bytes:
        own = f"127.0.0.1:{self.port}".encode()
        theirs = f"{self.target[0]}:{self.target[1]}".encode()
        first, *lines = head.split(b"\r\n")
        kept = []
        for line in lines:
            name, _, value = line.partition(b":")
            if name.lower() == b"host" and value.strip() == own:
                line = line.replace(own, theirs)
            elif name.lower() == b"origin" and value.strip() == b"http://" + own:
                line = line.replace(own, theirs)
            kept.append(line)
        token = [] if self.token is None else [b"Authorization: Bearer " + self.token.encode()]
        return b"\r\n".join([first, *token, *kept])

    def _record(self, http_method: str, body: bytes) -> None:
        try:
            message = json.loads(body) if body else {}
        except ValueError:
            return
        if isinstance(message, dict) and isinstance(message.get("method"), str):
            self.traffic.asked[(http_method, message["method"], target_of(message))] += 1


def target_of(message: dict) -> str:
    """The name a policy would judge: tool, prompt, resource URI, completion reference; empty where there is none."""
    params = message.get("params")
    if not isinstance(params, dict):
        return ""
    ref = params.get("ref")
    if isinstance(ref, dict):
        return str(ref.get("name") or ref.get("uri") or "")
    watched = params.get("notifications")
    if isinstance(watched, dict):
        return " ".join(watched.get("resourceSubscriptions") or [])
    return str(params.get("name") or params.get("uri") or params.get("taskId") or "")


async def copy_body(head: bytes, reader: asyncio.StreamReader, up: asyncio.StreamWriter) -> bytes:
    """Passes one request body on as it comes and returns its content (cut off at RECORD_LIMIT)."""
    headers = {}
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        headers[name.strip().lower()] = value.strip().lower()
    if headers.get(b"transfer-encoding") == b"chunked":
        return await copy_chunks(reader, up)
    return await copy_exactly(int(headers.get(b"content-length", b"0")), reader, up)


async def copy_chunks(reader: asyncio.StreamReader, up: asyncio.StreamWriter) -> bytes:
    content = b""
    while True:
        size_line = await reader.readuntil(b"\r\n")
        up.write(size_line)
        size = int(size_line.split(b";")[0], 16)
        if size == 0:
            break
        content += await copy_exactly(size, reader, up)
        up.write(await reader.readexactly(2))
    while True:
        trailer = await reader.readuntil(b"\r\n")
        up.write(trailer)
        if trailer == b"\r\n":
            await up.drain()
            return content[:RECORD_LIMIT]


async def copy_exactly(size: int, reader: asyncio.StreamReader, up: asyncio.StreamWriter) -> bytes:
    content = b""
    left = size
    while left > 0:
        piece = await reader.read(min(left, PIECE))
        if not piece:
            raise ConnectionResetError("the client left in the middle of a body")
        left -= len(piece)
        up.write(piece)
        await up.drain()
        if len(content) < RECORD_LIMIT:
            content += piece
    return content


async def copy_bytes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while piece := await reader.read(PIECE):
            writer.write(piece)
            await writer.drain()
