"""Where do the conformance suite and the server it is measured with come from?

`obtain.py suite` and `obtain.py everything-server` put them in place (instant when they are there already) and print
one line: the path. Progress and errors go to stderr; a failure is one sentence that says what to do.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
CACHE = Path(os.environ.get("WICKETGATE_CACHE") or HERE.parent.parent / ".cache")

SDK_VERSION = "2.3.0"
SDIST_SHA256 = "8b147a50441cf059dc88c684e0aeed3687f0aa0f39c6cde7b90330effd2b34d8"
SERVER_IN_SDIST = "examples/servers/everything-server"


class Unobtainable(Exception):
    """The thing could not be had; the text says what to do."""


def suite() -> Path:
    """The suite's entry script (run it with Node 22), installed from the committed lock file."""
    entry = HERE / "node_modules/@modelcontextprotocol/conformance/dist/index.js"
    stamp = HERE / "node_modules/.wicketgate-lock"
    wanted = hashlib.sha256((HERE / "package-lock.json").read_bytes()).hexdigest()
    if entry.exists() and stamp.exists() and stamp.read_text() == wanted:
        return entry
    say("installing the conformance suite (once)")
    run(["npm", "ci", "--loglevel=error"], HERE, "npm could not install the suite: check the network.")
    stamp.write_text(wanted)
    return entry


def everything_server() -> Path:
    """The directory of the Python SDK's everything-server, out of the checksummed source package; never committed."""
    place = CACHE / f"everything-server-{SDK_VERSION}"
    if (place / "mcp_everything_server/server.py").exists():
        return place
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE, prefix=".obtain.") as work:
        sdist = download_sdist(Path(work))
        with tarfile.open(sdist) as archive:
            prefix = f"mcp-{SDK_VERSION}/{SERVER_IN_SDIST}/"
            members = [m for m in archive.getmembers() if m.name.startswith(prefix) and m.isfile()]
            for member in members:
                target = Path(work, "out", member.name[len(prefix) :])
                target.parent.mkdir(parents=True, exist_ok=True)
                source = archive.extractfile(member)
                if source is not None:
                    target.write_bytes(source.read())
        try:
            Path(work, "out").rename(place)
        except OSError:
            if not place.exists():
                raise
    return place


def download_sdist(work: Path) -> Path:
    """Fetches the source package; pip compares the pinned hash before it looks inside, and we do so again."""
    say(f"fetching the source package of mcp {SDK_VERSION} (once)")
    pin = work / "pin.txt"
    pin.write_text(f"mcp=={SDK_VERSION} --hash=sha256:{SDIST_SHA256}\n")
    run(
        [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        + ["--no-binary", "mcp", "--require-hashes", "--requirement", str(pin), "--dest", str(work)],
        work,
        f"pip could not fetch the source package of mcp {SDK_VERSION}: check the network.",
    )
    sdist = work / f"mcp-{SDK_VERSION}.tar.gz"
    actual = hashlib.sha256(sdist.read_bytes()).hexdigest()
    if actual != SDIST_SHA256:
        raise Unobtainable(f"{sdist.name} has the checksum {actual}, expected {SDIST_SHA256}: not used.")
    return sdist


def node22() -> str:
    """The suite calls functions that Node 20 lacks: NODE22, else a new enough `node` on PATH."""
    candidates = [os.environ.get("NODE22"), str(CACHE / "node22/bin/node"), shutil.which("node")]
    for candidate in candidates:
        if candidate and os.access(candidate, os.X_OK):
            version = subprocess.run([candidate, "--version"], capture_output=True, text=True, check=False).stdout
            if int(version.strip().lstrip("v").split(".")[0] or 0) >= 22:
                return candidate
    raise Unobtainable("The suite needs Node 22: run tests/obtain/node22.sh, or set NODE22 to its path.")


def run(command: list[str], directory: Path, advice: str) -> None:
    try:
        done = subprocess.run(command, cwd=directory, stdout=sys.stderr, check=False)
    except FileNotFoundError as error:
        raise Unobtainable(f"{command[0]} is missing: install it and run the command again.") from error
    if done.returncode != 0:
        raise Unobtainable(advice)


def say(text: str) -> None:
    print(f"conformance: {text}", file=sys.stderr, flush=True)


def main() -> int:
    wanted = {"suite": suite, "everything-server": everything_server}
    if len(sys.argv) != 2 or sys.argv[1] not in wanted:
        print(f"usage: obtain.py {'|'.join(wanted)}", file=sys.stderr)
        return 2
    try:
        print(wanted[sys.argv[1]]())
    except Unobtainable as error:
        say(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
