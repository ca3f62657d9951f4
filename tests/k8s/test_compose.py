"""Do the parts of k8s/compose find what they are given, and are they as closed as a pod? Nothing runs here; `long_pods.py` starts them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import unittest
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import renders
import yaml
from grafana_foundation_sdk.cog import plugins
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

FOLDER = renders.ROOT / "k8s/compose"
#: Of images of others that write to a volume: whose the image says that it is.
OWNERS = {"redis": "999:999", "prometheus": "65534:65534"}
TOOLS = Path(sys.executable).parent


def read(name: str) -> Any:
    return yaml.safe_load((FOLDER / name).read_text())


def composed(profile: str) -> dict[str, Any]:
    """The parts as podman-compose puts them together of the files that the profile's comment names."""
    names = ["compose.yaml", *([f"compose.{profile}.yaml"] if (FOLDER / f"compose.{profile}.yaml").exists() else [])]
    # `config` asks podman for its version and runs nothing: any program tells one, and not every machine has podman.
    command = [TOOLS / "podman-compose", "--podman-path", sys.executable, *(part for name in names for part in ("--file", FOLDER / name)), *(["--profile", profile] if profile else []), "config"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return dict(yaml.safe_load(done.stdout)["services"])


def lost(one: Any, other: Any, where: str = "") -> Iterator[str]:
    """What of a document is not in another."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key, value in one.items():
            if key not in other:
                yield f"{where}.{key}"
            else:
                yield from lost(value, other[key], f"{where}.{key}")
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for at, (value, same) in enumerate(zip(one, other, strict=True)):
            yield from lost(value, same, f"{where}[{at}]")
    elif one != other:
        yield where


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
                self.assertEqual(OWNERS.get(name, "65532:65532"), part["user"])
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

    def test_they_have_the_form_of_compose_files(self) -> None:
        files = sorted(FOLDER.glob("compose*.yaml"))
        self.assertEqual(3, len(files))
        done = subprocess.run([TOOLS / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", *files], capture_output=True, text=True)
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)

    def test_every_profile_can_be_put_together(self) -> None:
        whole = read("compose.yaml")
        profiles = {name: one.get("profiles", []) for name, one in whole["services"].items()}
        for profile in ("", *{one for names in profiles.values() for one in names}):
            beside = FOLDER / f"compose.{profile}.yaml"
            with self.subTest(profile=profile):
                merged = composed(profile)
                self.assertEqual({name for name, of in profiles.items() if not of or profile in of}, set(merged))
                if beside.exists():
                    [(name, part)] = read(beside.name)["services"].items()
                    environment = merged[name]["environment"]
                    given = environment if isinstance(environment, dict) else dict(one.split("=", 1) for one in environment)
                    self.assertEqual(part["environment"], given)

    def test_the_dashboard_is_one_to_grafana(self) -> None:
        """By the types that Grafana makes its own of: what they do not know, Grafana would not show."""
        plugins.register_default_plugins()
        own = json.loads((renders.CHART / "files/dashboard.json").read_text())
        read_back = json.loads(JSONEncoder(sort_keys=True).encode(Dashboard.from_json(own)))
        self.assertEqual([], list(lost(own, read_back)))

    def test_grafana_finds_what_is_provisioned(self) -> None:
        [provider] = read("grafana/dashboards/wicketgate.yaml")["providers"]
        [source] = read("grafana/datasources/prometheus.yaml")["datasources"]
        part = read("compose.yaml")["services"]["grafana"]
        places = {volume.split(":")[1] for volume in part["volumes"]}
        self.assertIn(provider["options"]["path"], {str(Path(place).parent) for place in places})
        self.assertEqual("file", provider["type"])
        [listening] = [read("compose.yaml")["services"]["prometheus"]["command"][3]]
        self.assertEqual(("prometheus", f"http://{listening}", True), (source["type"], source["url"], source["isDefault"]))

    def test_prometheus_takes_its_file(self) -> None:
        tool = subprocess.run([renders.ROOT / "tests/obtain/promtool.sh"], capture_output=True, text=True)
        if tool.returncode:
            self.skipTest(f"prometheus.yaml was not checked: {tool.stderr.strip()}")
        done = subprocess.run([tool.stdout.strip(), "check", "config", "--syntax-only", FOLDER / "prometheus.yaml"], capture_output=True, text=True)
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main()
