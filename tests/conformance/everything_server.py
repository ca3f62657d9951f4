"""Runs the Python SDK's everything-server (see obtain.py) on a loopback port and says when it listens.

Prints {"step": "listening", "ok": true, "url": ...} once connections are accepted, then serves until it is ended.
"""

from __future__ import annotations

import argparse
import importlib
import json
import socket
import sys
import threading
import time

import obtain


def free_port() -> int:
    """A port nobody uses right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def announce(port: int) -> None:
    """Waits until the port accepts connections, then prints the address."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
            continue
        print(json.dumps({"step": "listening", "ok": True, "url": f"http://127.0.0.1:{port}/mcp"}), flush=True)
        return


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 (the default) takes a free one")
    port = parser.parse_args().port or free_port()
    try:
        sys.path.insert(0, str(obtain.everything_server()))
    except obtain.Unobtainable as error:
        print(f"everything-server: {error}", file=sys.stderr)
        return 1
    server = importlib.import_module("mcp_everything_server.server")
    threading.Thread(target=announce, args=(port,), daemon=True).start()
    server.main(["--port", str(port), "--log-level", "WARNING"], standalone_mode=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
