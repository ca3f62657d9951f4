"""Do the parts of k8s/compose find what they are given, and are they as closed as a pod? Nothing runs here; `long_pods.py` starts them."""

from __future__ import annotations

import re
import subprocess
import unittest
from pathlib import Path
from typing import Any

import renders
import yaml

FOLDER = renders.ROOT / "k8s/compose"


def read(name: str) -> Any:
    return yaml.safe_load((FOLDER / name).read_text())


class Compose(unittest.TestCase):
    def test_what_is_mounted_is_there(self) -> None:
        whole = read("compose.yaml")
        mounted = 0
        for name, part in whole["services"].items():
            for volume in part.get("volumes", []):
                source = volume.split(":")[0]
                if not source.startswith("."):
                    self.assertIn(source, whole["volumes"], name)
                elif "/secrets/" not in source:   # what nobody may commit
                    self.assertTrue((FOLDER / source).exists(), f"{name}: {source}")
                    mounted += 1
        self.assertGreater(mounted, 8)

    def test_parts_are_closed(self) -> None:
        for name, part in read("compose.yaml")["services"].items():
            with self.subTest(part=name):
                self.assertEqual("65532:65532", part["user"])
                self.assertTrue(part["read_only"])
                self.assertEqual(["ALL"], part["cap_drop"])
                self.assertRegex(part["image"], r":(\$\{WICKETGATE_VERSION:-)?[a-z-]*v?[0-9]")
                if name not in ("envoy", "module"):
                    self.assertEqual("service:envoy", part["network_mode"])
                for port in part.get("ports", []):
                    self.assertTrue(port.startswith("127.0.0.1:"), port)

    def test_profiles_are_those_that_are_named(self) -> None:
        text = (FOLDER / "compose.yaml").read_text()
        [line] = [line for line in text.splitlines() if line.startswith("# Profiles:")]
        named = set(re.findall(r"`([a-z]+)`", line))
        used = {profile for part in read("compose.yaml")["services"].values() for profile in part.get("profiles", [])}
        self.assertEqual(named, used)

    def test_files_beside_it_add_to_parts_that_are_there(self) -> None:
        parts = read("compose.yaml")["services"]
        for file in ("compose.redis.yaml", "compose.otel.yaml"):
            for name, part in read(file)["services"].items():
                self.assertIn(name, parts)
                for key, value in part["environment"].items():
                    if key.startswith("WICKETGATE_AUTH__"):
                        self.assertIsInstance(yaml.safe_load(value), dict, key)

    def test_prometheus_takes_its_file(self) -> None:
        tool = subprocess.run([renders.ROOT / "tests/obtain/promtool.sh"], capture_output=True, text=True)
        if tool.returncode:
            self.skipTest(f"prometheus.yaml was not checked: {tool.stderr.strip()}")
        done = subprocess.run([tool.stdout.strip(), "check", "config", "--syntax-only", FOLDER / "prometheus.yaml"], capture_output=True, text=True)
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main()
