"""Are the images what Istio and Envoy Gateway take, and the same each time? Written, pushed to a registry on loopback, and read back.

The rules are those of the two readers (`pkg/wasm` of Istio 1.30, `internal/wasm` of Envoy Gateway 1.9).
"""

from __future__ import annotations

import gzip
import hashlib
import http.client
import http.server
import io
import json
import os
import sys
import tarfile
import tempfile
import threading
import unittest
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "k8s/images"))
import build  # noqa: E402
import oci  # noqa: E402

WASM = b"\0asm" + bytes(1 << 16)
PROGRAM = b"\x7fELF" + bytes(64)


def filter_image() -> oci.Image:
    return oci.Image([{"wicketgate-pod": PROGRAM, "var/lib/wicketgate-module/": b""}, {"plugin.wasm": WASM}], ["/wicketgate-pod"], {}, {"module.wasm.image/variant": "compat"})


class Registry(http.server.BaseHTTPRequestHandler):
    """As much of a registry as a push and a pull need: what was pushed lies in `blobs`, by digest and by tag."""

    blobs: dict[str, bytes]

    def answer(self, status: int, content: bytes = b"", **fields: str) -> None:
        self.send_response(status)
        for name, value in fields.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_GET(self) -> None:
        if self.path == "/v2/":
            return self.answer(200)
        found = self.blobs.get(self.path.rpartition("/")[2])
        media = oci.MANIFEST if "/manifests/" in self.path else "application/octet-stream"
        return self.answer(200 if found else 404, found or b"", Content_Type=media)

    def do_HEAD(self) -> None:
        found = self.blobs.get(self.path.rpartition("/")[2])
        self.send_response(200 if found else 404)
        self.send_header("Content-Length", str(len(found or b"")))
        self.send_header("Content-Type", oci.MANIFEST if "/manifests/" in self.path else "application/octet-stream")
        if found:
            self.send_header("Docker-Content-Digest", oci.digest(found))
        self.end_headers()

    def do_POST(self) -> None:
        self.answer(202, Location=f"{self.path}upload")

    def do_PUT(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        name = self.path.partition("digest=")[2] or self.path.rpartition("/")[2]
        if name.startswith("sha256:") and name != oci.digest(content):
            return self.answer(400)
        self.blobs[name] = self.blobs[oci.digest(content)] = content
        return self.answer(201)

    def log_message(self, *_: Any) -> None:
        pass


def push(layout: Path, connection: http.client.HTTPConnection, name: str) -> None:
    def send(method: str, path: str, body: bytes | None = None, media: str = "application/octet-stream") -> http.client.HTTPResponse:
        connection.request(method, path, body, {"Content-Type": media})
        answer = connection.getresponse()
        answer.read()
        return answer

    [entry] = json.loads((layout / "index.json").read_text())["manifests"]
    manifest = (layout / "blobs/sha256" / entry["digest"].removeprefix("sha256:")).read_bytes()
    for blob in [json.loads(manifest)["config"], *json.loads(manifest)["layers"]]:
        place = urlsplit(send("POST", f"/v2/{name}/blobs/uploads/").getheader("Location") or "")
        content = (layout / "blobs/sha256" / blob["digest"].removeprefix("sha256:")).read_bytes()
        query = f"{place.query}&digest={blob['digest']}" if place.query else f"digest={blob['digest']}"
        assert send("PUT", f"{place.path}?{query}", content).status == 201
    assert send("PUT", f"/v2/{name}/manifests/{entry['annotations']['org.opencontainers.image.ref.name']}", manifest, oci.MANIFEST).status == 201


def serve(stack: ExitStack, layouts: dict[str, Path]) -> str:
    """Pushes these into a registry on loopback, and says where it is."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), type("Blobs", (Registry,), {"blobs": {}}))
    stack.callback(server.server_close)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    stack.callback(server.shutdown)
    registry = f"127.0.0.1:{server.server_address[1]}"
    connection = http.client.HTTPConnection(registry)
    for name, layout in layouts.items():
        push(layout, connection, name)
    connection.close()
    return registry


def pulled(connection: http.client.HTTPConnection, name: str, tag: str) -> tuple[bytes, str]:
    """The module as both readers find it, and the digest by which it is pinned."""
    def get(path: str) -> bytes:
        connection.request("GET", path)
        answer = connection.getresponse()
        content = answer.read()
        assert answer.status == 200, path
        return content

    raw = get(f"/v2/{name}/manifests/{tag}")
    manifest = json.loads(raw)
    assert manifest["mediaType"] == oci.MANIFEST, "an index is resolved for a platform"
    last = manifest["layers"][-1]
    assert last["mediaType"] == oci.LAYER, last
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(get(f"/v2/{name}/blobs/{last['digest']}")))) as archive:
        [file] = [entry for entry in archive if Path(entry.name).name == "plugin.wasm"]
        content = archive.extractfile(file)
        assert content is not None
        return content.read(), oci.digest(raw)


class Images(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def test_an_image_is_the_same_each_time(self) -> None:
        first, second = (oci.write(filter_image(), self.folder / name, "1") for name in ("a", "b"))
        self.assertEqual(first, second)
        names = [sorted(file.name for file in (self.folder / name / "blobs/sha256").iterdir()) for name in ("a", "b")]
        self.assertEqual(names[0], names[1])
        changed = filter_image()
        changed.layers[1]["plugin.wasm"] += b"x"
        self.assertNotEqual(first, oci.write(changed, self.folder / "c", "1"))

    def test_every_blob_is_what_its_name_says(self) -> None:
        oci.write(filter_image(), self.folder, "1")
        blobs = list((self.folder / "blobs/sha256").iterdir())
        self.assertEqual(4, len(blobs))
        for blob in blobs:
            self.assertEqual(blob.name, hashlib.sha256(blob.read_bytes()).hexdigest())

    def test_nobody_is_root_and_nothing_can_be_written(self) -> None:
        image = filter_image()
        oci.write(image, self.folder, "1")
        [entry] = json.loads((self.folder / "index.json").read_text())["manifests"]
        read = lambda one: (self.folder / "blobs/sha256" / one["digest"].removeprefix("sha256:")).read_bytes()  # noqa: E731
        manifest = json.loads(read(entry))
        config = json.loads(read(manifest["config"]))
        self.assertEqual("65532:65532", config["config"]["User"])
        self.assertEqual(["/wicketgate-pod"], config["config"]["Entrypoint"])
        self.assertEqual(len(manifest["layers"]), len(config["rootfs"]["diff_ids"]))
        for one, said in zip(manifest["layers"], config["rootfs"]["diff_ids"], strict=True):
            tar = gzip.decompress(read(one))
            self.assertEqual(said, oci.digest(tar))
            for file in tarfile.open(fileobj=io.BytesIO(tar)):
                expected = (0o755, 65532, 65532, 0) if file.isdir() else (0o555, 0, 0, 0)
                self.assertEqual(expected, (file.mode, file.uid, file.gid, file.mtime))

    def test_a_registry_gives_back_what_both_readers_take(self) -> None:
        said = oci.write(filter_image(), self.folder, "0.1.0")
        stack = self.enterContext(ExitStack())
        connection = http.client.HTTPConnection(serve(stack, {"wicketgate/wicketgate-filter": self.folder}))
        self.addCleanup(connection.close)
        for tag in ("0.1.0", said):
            module, digest = pulled(connection, "wicketgate/wicketgate-filter", tag)
            self.assertEqual(WASM, module)
            self.assertEqual(said, digest)

    def test_a_program_that_needs_a_loader_is_told_from_one_that_does_not(self) -> None:
        self.assertFalse(build.static(Path(sys.executable).resolve()))

    def test_no_path_of_this_machine_is_in_a_module(self) -> None:
        """What differs from machine to machine would make another digest, and is nobody's business."""
        here = [str(build.ROOT), os.environ.get("CARGO_HOME") or str(Path.home() / ".cargo")]
        module = (build.ROOT / "target/wicketgate.wasm").read_bytes()
        self.assertEqual([], [place for place in here if place.encode() in module])

    def test_what_was_built_becomes_images(self) -> None:
        binaries, target = self.folder / "bin", self.folder / "target"
        binaries.mkdir()
        target.mkdir()
        for file in (binaries / "wicketgate-auth", binaries / "wicketgate-sample-server", binaries / "wicketgate-pod", target / "wicketgate.wasm"):
            file.write_bytes(PROGRAM)
        self.assertEqual({"wicketgate-auth", "wicketgate-sample-server", "wicketgate-filter"}, set(build.images(binaries, target, "1")))

    def test_a_bill_names_what_is_built_in(self) -> None:
        parts = {one["name"]: one for one in build.bill("filter", "", "wasm32-wasip1", "1")["components"]}
        self.assertIn("proxy-wasm", parts)
        self.assertIn("serde_json", parts)
        for other in ("axum", "redb", "criterion", "regorus", "regex", "serde_derive"):
            self.assertNotIn(other, parts)
        self.assertEqual([], [name for name, one in parts.items() if one["licenses"] == [{"expression": "NOASSERTION"}]])

    def test_a_bill_is_of_its_features(self) -> None:
        for features, there in (("rego", (True, False)), ("rego-regex", (True, True))):
            names = {one["name"] for one in build.bill("filter", features, "wasm32-wasip1", "1")["components"]}
            self.assertEqual(there, ("regorus" in names, "regex" in names), features)
        self.assertIn("redb", {one["name"] for one in build.bill("auth-sidecar", "", build.NATIVE, "1")["components"]})


if __name__ == "__main__":
    unittest.main()
