"""Writes images as OCI layouts, without a container daemon: the same bytes give the same digests.

An image is one manifest (no index over platforms, no attestations: Istio and Envoy Gateway read neither), its layers tar and gzip.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
#: Nobody: Pod Security wants a number that is not 0.
USER = "65532:65532"


@dataclass
class Image:
    """Its layers are files by their path; the last one is what Wasm readers look into."""

    layers: list[dict[str, bytes]]
    entrypoint: list[str] = field(default_factory=list)
    labels: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)
    architecture: str = "amd64"


def layer(files: dict[str, bytes]) -> bytes:
    """A tar of files that everybody may read and run and nobody may write; no times. A name with a slash at its end is a folder of USER,
    whose owner a volume takes over that is mounted there."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in sorted(files.items()):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode, entry.mtime = len(content), 0o555, 0
            if name.endswith("/"):
                entry.type, entry.mode = tarfile.DIRTYPE, 0o755
                entry.uid, entry.gid = map(int, USER.split(":"))
            archive.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def write(image: Image, folder: Path, tag: str) -> str:
    """Writes the layout into `folder` and returns the digest of the manifest."""
    blobs = folder / "blobs/sha256"
    blobs.mkdir(parents=True, exist_ok=True)

    def put(content: bytes, media_type: str) -> dict[str, Any]:
        (blobs / digest(content).removeprefix("sha256:")).write_bytes(content)
        return {"mediaType": media_type, "digest": digest(content), "size": len(content)}

    tars = [layer(files) for files in image.layers]
    config = {
        "architecture": image.architecture, "os": "linux",
        "config": {"User": USER, "Entrypoint": image.entrypoint or None, "WorkingDir": "/", "Labels": image.labels},
        "rootfs": {"type": "layers", "diff_ids": [digest(tar) for tar in tars]},
        "history": [{"created_by": "k8s/images"} for _ in tars],
    }
    manifest = {
        "schemaVersion": 2, "mediaType": MANIFEST,
        "config": put(json.dumps(config, sort_keys=True).encode(), CONFIG),
        # mtime 0, and no name: gzip writes both.
        "layers": [put(gzip.compress(tar, 9, mtime=0), LAYER) for tar in tars],
        "annotations": image.annotations,
    }
    entry = put(json.dumps(manifest, sort_keys=True).encode(), MANIFEST)
    entry["annotations"] = {"org.opencontainers.image.ref.name": tag}
    (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}, sort_keys=True))
    return str(entry["digest"])
