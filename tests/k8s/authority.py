"""An authority of a test's own, and what stands in a cluster by its word: a certificate in a mounted Secret, the authority itself in a ConfigMap."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path
from typing import Any

NEW = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]


class Authority:
    def __init__(self, folder: str, name: str = "authority") -> None:
        self.folder = Path(folder, name)
        self.folder.mkdir()
        made = [*NEW, "-config", self.configuration("CA:TRUE"), "-subj", f"/CN={name}", "-keyout", f"{self.folder}/ca.key", "-out", f"{self.folder}/ca.crt"]
        subprocess.run(made, check=True, capture_output=True)
        self.certificate = Path(self.folder, "ca.crt").read_text()

    def configuration(self, constraints: str, name: str = "") -> str:
        file = self.folder / "openssl.conf"
        names = f"subjectAltName = DNS:{name}\n" if name else ""
        file.write_text(f"[req]\ndistinguished_name = d\nx509_extensions = x\n[d]\n[x]\nbasicConstraints = critical, {constraints}\n{names}")
        return str(file)

    def pair(self, name: str) -> dict[str, str]:
        """A certificate of this name and its key, as a Secret has them."""
        made = [*NEW, "-config", self.configuration("CA:FALSE", name), "-CA", f"{self.folder}/ca.crt", "-CAkey", f"{self.folder}/ca.key", "-subj", f"/CN={self.folder.name}'s"]
        crt = subprocess.run([*made, "-keyout", f"{self.folder}/key"], check=True, capture_output=True, text=True).stdout
        return {"tls.crt": crt, "tls.key": Path(self.folder, "key").read_text()}

    def config_map(self, name: str) -> Any:
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": "mcp", "name": name}, "data": {"ca.crt": self.certificate}}


def secret(name: str, pair: dict[str, str]) -> Any:
    data = {key: base64.b64encode(text.encode()).decode() for key, text in pair.items()}
    return {"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls", "metadata": {"namespace": "mcp", "name": name}, "data": data}
