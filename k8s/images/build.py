"""Makes all images and their bills of materials out of what was built: `build.py OUT VERSION`.

OUT gets one OCI layout a name (`wicketgate-auth`, `wicketgate-filter`, …-rego, …-rego-regex, `wicketgate-sample-server`), `NAME.cdx.json` beside each (CycloneDX), and
`digests.json`, which is what `wasm.image.digest` and `image.digest` of the chart want; `built-with.json` says by which tools they came about.
"""

from __future__ import annotations

import json
import platform as machine
import shutil
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import oci

ROOT = Path(__file__).resolve().parents[2]
NATIVE, WASM = "x86_64-unknown-linux-gnu", "wasm32-wasip1"
SOURCE = "https://github.com/wicketgate/wicketgate"
#: Images of one program, and the packages that these are made of.
SERVERS = {"wicketgate-auth": "auth-sidecar", "wicketgate-sample-server": "tests/sample-server"}
MODULES = {"wicketgate-filter": "wicketgate", "wicketgate-filter-rego": "wicketgate-rego", "wicketgate-filter-rego-regex": "wicketgate-rego-regex"}
FEATURES = {"wicketgate-filter": "", "wicketgate-filter-rego": "rego", "wicketgate-filter-rego-regex": "rego-regex"}


def labels(version: str, title: str) -> dict[str, str]:
    key = "org.opencontainers.image"
    return {f"{key}.title": title, f"{key}.version": version, f"{key}.licenses": "Apache-2.0", f"{key}.source": SOURCE}


def images(binaries: Path, target: Path, version: str) -> dict[str, oci.Image]:
    """By name; only those whose parts were built."""
    found = {}
    server = binaries / "wicketgate-auth"
    if server.is_file():
        found["wicketgate-auth"] = oci.Image(
            [{"wicketgate-auth": server.read_bytes(), "var/lib/wicketgate/": b""}], ["/wicketgate-auth"], labels(version, "Wicketgate's authorization server"))
    sample = binaries / "wicketgate-sample-server"
    if sample.is_file():
        found[sample.name] = oci.Image([{sample.name: sample.read_bytes()}], [f"/{sample.name}"], labels(version, "Wicketgate's sample MCP server"))
    pod = binaries / "wicketgate-pod"
    for name, module in MODULES.items():
        file = target / f"{module}.wasm"
        if file.is_file() and pod.is_file():
            # The module is the last layer, where Istio and Envoy Gateway look; below it lies what copies it in a pod.
            found[name] = oci.Image(
                [{"wicketgate-pod": pod.read_bytes(), "var/lib/wicketgate-module/": b""}, {"plugin.wasm": file.read_bytes()}], ["/wicketgate-pod"],
                labels(version, "Wicketgate's filter for Envoy"), {"module.wasm.image/variant": "compat"})
    return found


def static(file: Path) -> bool:
    """Whether an ELF program names no interpreter: it must run in an image with nothing else in it."""
    content = file.read_bytes()
    start, size, count = (int.from_bytes(content[at:at + width], "little") for at, width in ((32, 8), (54, 2), (56, 2)))
    return all(int.from_bytes(content[at:at + 4], "little") != 3 for at in range(start, start + size * count, size))


def bill(package: str, features: str, platform: str, version: str) -> dict[str, Any]:
    """What a package is made of on a platform, as CycloneDX 1.5."""
    # A tree, because `cargo metadata` turns on features that other packages of the workspace want.
    command = ["cargo", "tree", "--locked", "--offline", "--manifest-path", str(ROOT / package / "Cargo.toml"), f"--target={platform}"]
    # What is built in, not what builds or tests it.
    command += ["--edges=normal,no-proc-macro", "--prefix=none", "--format={p}|{l}", f"--features={features}"]
    parts = []
    for line in subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines():
        described, _, licence = line.removesuffix(" (*)").rpartition("|")
        name, release = described.split()[:2]
        parts.append((name, release.removeprefix("v"), licence))
    root, *rest = parts
    return {
        "bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1,
        "metadata": {"component": {"type": "application", "name": root[0], "version": version}},
        "components": [
            {"type": "library", "name": name, "version": release, "purl": f"pkg:cargo/{name}@{release}", "licenses": [{"expression": licence or "NOASSERTION"}]}
            for name, release, licence in sorted(set(rest))
        ],
    }


def tools() -> dict[str, str]:
    """Of which versions the same source gives the same bytes: what compiles, links and is linked in, and what packs."""
    def first(*command: str) -> str:
        return subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout.partition("\n")[0]

    return {
        "rustc": first("rustc", "--version"), "c compiler": first("cc", "--version"), "linker": first("ld", "--version"),
        "c library": " ".join(machine.libc_ver()), "zlib": zlib.ZLIB_RUNTIME_VERSION,
    }


def main(out: Path, version: str) -> int:
    target = ROOT / "target"
    binaries = target / NATIVE / "release"
    made = images(binaries, target, version)
    missing = ({*SERVERS, *MODULES}) - set(made)
    if missing:
        print(f"not built: {', '.join(sorted(missing))}", file=sys.stderr)
        return 1
    for program in (*SERVERS, "wicketgate-pod"):
        if not static(binaries / program):
            print(f"{program} is not static: it would not start in its image", file=sys.stderr)
            return 1
    digests = {}
    for name, image in made.items():
        folder = out / name
        shutil.rmtree(folder, ignore_errors=True)
        digests[name] = oci.write(image, folder, version)
        package, features, platform = (SERVERS[name], "", NATIVE) if name in SERVERS else ("filter", FEATURES[name], WASM)
        (out / f"{name}.cdx.json").write_text(json.dumps(bill(package, features, platform, version), indent=1) + "\n")
        print(f"   {name}@{digests[name]}", file=sys.stderr)
    (out / "digests.json").write_text(json.dumps(digests, indent=1) + "\n")
    (out / "built-with.json").write_text(json.dumps(tools(), indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2]))
