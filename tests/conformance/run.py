"""Does the official MCP conformance suite find the same behind the gateway as in front of the server alone?

Runs the suite for both revisions against the everything-server directly and, with a bearer token, through the gateway,
compares every check with the committed baseline and writes both side by side (report.json, report.md). Ends non-zero
on any difference: a failed, missing, skipped or additional check, or a scenario that did not run. README.md has the
commands.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import obtain
import policy_names
import report
import results
from token_proxy import TokenProxy

HERE = Path(__file__).resolve().parent
REVISIONS = ["2025-11-25", "2026-07-28"]
COUNTER = "wasmcustom.wicketgate.requests_total"


class Failure(Exception):
    """What ends the run; the text is for people."""


def say(step: str, ok: bool, **details: object) -> None:
    """One finished step, one line."""
    print(json.dumps({"step": step, "ok": ok, **details}), flush=True)


def run_suite(url: str, out: Path) -> results.Run:
    """Runs the suite for every revision against `url`; returns the checks of each scenario that counts."""
    command = [obtain.node22(), str(obtain.suite()), "server", "--url", url]
    found: results.Run = {}
    for revision in REVISIONS:
        place = out / revision
        place.mkdir(parents=True)
        with (out / f"{revision}.log").open("w") as log:
            # Its exit code is no verdict: tasks-* scenarios fail on a server without tasks. The checks are.
            subprocess.run(
                [*command, "--requirements", revision, "--output-dir", str(place)],
                stdout=log,
                stderr=subprocess.STDOUT,
                timeout=600,
                check=False,
            )
        found[revision] = results.read(place)
    return found


def run_direct(url: str, out: Path) -> results.Run:
    found = run_suite(url, out / "direct")
    say("direct", True, url=url, **results.totals(found))
    return found


def run_gateway(url: str, token: str | None, out: Path) -> tuple[results.Run, int]:
    """The same through the token proxy; also gives how many requests the gateway was sent."""
    address = urlsplit(url)
    if address.scheme != "http" or address.hostname is None:
        raise Failure(f"{url} is not a plain http URL: give the address that the gateway listens on.")
    proxy = TokenProxy(address.hostname, address.port or 80, token)
    proxy.start()
    try:
        found = run_suite(f"http://127.0.0.1:{proxy.port}{address.path}", out / "gateway")
    finally:
        proxy.stop()
    traffic = proxy.traffic
    asked = [{"http": h, "method": m, "target": t, "times": n} for (h, m, t), n in sorted(traffic.asked.items())]
    (out / "gateway/asked.json").write_text(json.dumps(asked, indent=1) + "\n")
    by_method = dict(sorted(traffic.requests.items()))
    sent = sum(by_method.values())
    say("gateway", True, url=url, requests=sent, by_method=by_method, **results.totals(found))
    return found, sent


def counted(admin: str) -> int:
    """How many requests the filter itself has counted so far, from Envoy's admin listener."""
    with urllib.request.urlopen(f"{admin}/stats", timeout=30) as answer:
        lines = answer.read().decode().splitlines()
    values = [line.partition(": ")[2] for line in lines if line.startswith(f"{COUNTER}: ")]
    if not values:
        raise Failure(f"{admin}/stats has no {COUNTER}: the filter is not loaded there.")
    return int(values[0])


def measure_gateway(options: argparse.Namespace, url: str, out: Path) -> tuple[results.Run, bool | None]:
    """The checks behind the gateway, and whether its counter grew by what was sent (None where nobody asked)."""
    token = bearer_token(options.token_file)
    if not options.admin:
        return run_gateway(url, token, out)[0], None
    before = counted(options.admin)
    found, sent = run_gateway(url, token, out)
    grown = counted(options.admin) - before
    say("counter", grown == sent, sent=sent, counted=grown)
    return found, grown == sent


def check_policy(out: Path) -> None:
    asked = json.loads((out / "gateway/asked.json").read_text())
    missing = policy_names.unnamed(HERE / "policy.yaml", asked)
    if missing:
        raise Failure(f"policy.yaml does not name what the suite asked for: {', '.join(missing)}.")
    say("policy", True, asked=len(asked))


def start_server(out: Path) -> tuple[subprocess.Popen[str], str]:
    """Starts an everything-server of our own; returns the process and its URL. What it logs goes to server.log."""
    log = out / "server.log"
    with log.open("w") as sink:
        command = [sys.executable, str(HERE / "everything_server.py")]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=sink, text=True)
    line = server.stdout.readline() if server.stdout else ""
    if not line:
        last = (log.read_text().strip().splitlines() or ["it said nothing"])[-1]
        raise Failure(f"The everything-server did not start: {last}")
    return server, str(json.loads(line)["url"])


def bearer_token(file: Path | None) -> str | None:
    token = file.read_text().strip() if file else os.environ.get("WICKETGATE_TOKEN", "").strip()
    return token or None


def verdict(runs: dict[str, results.Run], baseline: results.Run, counter_exact: bool | None) -> int:
    """Prints what differs from the baseline; 0 if nothing does and the counter is not wrong either."""
    differences = [one for name, run in runs.items() for one in results.differences(name, run, baseline)]
    if not differences:
        say("compare", True, baseline=results.totals(baseline)["passed"], columns=list(runs))
        if counter_exact is False:
            print("conformance: the gateway counted another number of requests than it was sent.", file=sys.stderr)
        return 1 if counter_exact is False else 0
    say("compare", False, differences=len(differences), first=str(differences[0]))
    for difference in differences:
        print(f"conformance: {difference}", file=sys.stderr)
    return 1


def measure(options: argparse.Namespace, out: Path) -> int:
    server, counter_exact = None, None
    try:
        direct_url = options.direct
        if direct_url is None:
            server, direct_url = start_server(out)
        runs = {"direct": run_direct(direct_url, out)}
        gateway_url = direct_url if options.proxy_only else options.gateway
        if gateway_url:
            runs["gateway"], counter_exact = measure_gateway(options, gateway_url, out)
            if options.proxy_only:
                check_policy(out)
    finally:
        if server is not None:
            server.terminate()
            server.wait(20)
    if options.write_baseline:
        results.write_baseline(HERE / "baseline.json", runs["direct"])
    baseline = results.read_baseline(HERE / "baseline.json")
    if options.report:
        options.report.mkdir(parents=True, exist_ok=True)
        report.write(options.report, runs, baseline, counter_exact)
    return verdict(runs, baseline, counter_exact)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--direct", metavar="URL", help="a running everything-server; default: start one")
    parser.add_argument("--gateway", metavar="URL", help="the same server behind the gateway")
    parser.add_argument(
        "--proxy-only", action="store_true", help="second run through the token proxy alone; also looks at policy.yaml"
    )
    parser.add_argument("--token-file", type=Path, help="bearer token for the gateway; default: WICKETGATE_TOKEN")
    parser.add_argument("--admin", metavar="URL", help="Envoy's admin listener: compare the filter's counter as well")
    parser.add_argument("--report", type=Path, metavar="DIR", help="write report.json and report.md there")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep logs and raw checks in this empty directory")
    parser.add_argument("--write-baseline", action="store_true", help="make the direct run the baseline")
    options = parser.parse_args()
    # So that the server that we may have started ends with us.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        if options.keep:
            options.keep.mkdir(parents=True, exist_ok=True)
            return measure(options, options.keep)
        with tempfile.TemporaryDirectory(prefix="conformance-") as work:
            return measure(options, Path(work))
    except (Failure, obtain.Unobtainable, results.Unreadable, OSError, subprocess.TimeoutExpired) as error:
        say("run", False, error=str(error))
        print(f"conformance: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
