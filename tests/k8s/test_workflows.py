"""Are the workflows under .github what their runner reads, and safe? They run nowhere here: what they call is tested as everybody calls it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import unittest
from pathlib import Path
from typing import Any

import renders
import yaml
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

sys.path.insert(0, str(renders.ROOT / "k8s/images"))
import build  # noqa: E402

FOLDER = renders.ROOT / ".github/workflows"
FILES = sorted(FOLDER.glob("*.yaml"))
TOOLS = Path(sys.executable).parent


def steps() -> Any:
    for file in FILES:
        for job in yaml.safe_load(file.read_text())["jobs"].values():
            for step in job["steps"]:
                yield file.name, step


class Workflows(unittest.TestCase):
    def test_they_have_the_form_of_workflows(self) -> None:
        self.assertGreater(len(FILES), 1)
        done = subprocess.run([TOOLS / "check-jsonschema", "--builtin-schema", "vendor.github-workflows", *FILES], capture_output=True, text=True)
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)

    def test_nothing_in_them_is_known_to_be_unsafe(self) -> None:
        done = subprocess.run([TOOLS / "zizmor", "--offline", "--no-progress", "--persona", "regular", "--format", "json", *FILES], capture_output=True, text=True)
        found = [f"{one['ident']}: {one['locations'][0]['symbolic']['key']}" for one in json.loads(done.stdout or "[]")]
        self.assertEqual((0, []), (done.returncode, found), done.stderr)

    def test_what_they_take_from_others_cannot_change(self) -> None:
        for name, step in steps():
            if "uses" in step:
                self.assertRegex(step["uses"], r"@[0-9a-f]{40}$", name)

    def test_what_they_run_is_there(self) -> None:
        targets = set(re.findall(r"^([a-z0-9-]+):", (renders.ROOT / "Makefile").read_text(), re.MULTILINE))
        called = [word for _, step in steps() for word in re.findall(r"\bmake ([a-z0-9-]+)", step.get("run", ""))]
        self.assertGreater(len(called), 2)
        self.assertEqual([], [word for word in called if word not in targets])

    def test_scripts_are_scripts(self) -> None:
        for name, step in steps():
            if "run" in step:
                done = subprocess.run(["bash", "-n"], input=step["run"], capture_output=True, text=True)
                self.assertEqual(0, done.returncode, f"{name}: {done.stderr}")

    def test_all_images_of_others_are_scanned(self) -> None:
        [script] = [step["run"] for _, step in steps() if "compose.yaml" in step.get("run", "")]
        listing = re.search(r"\$\((sed .*)\);", script)
        assert listing is not None
        scanned = subprocess.run(["bash", "-c", listing[1]], cwd=renders.ROOT, check=True, capture_output=True, text=True).stdout.split()
        chart = yaml.safe_load((renders.CHART / "values.yaml").read_text())["envoy"]["image"]
        parts = yaml.safe_load((renders.ROOT / "k8s/compose/compose.yaml").read_text())["services"].values()
        named = {one["image"] for one in parts if not one["image"].startswith("wicketgate/")} | {f"{chart['repository']}:{chart['tag']}"}
        self.assertEqual(sorted(named), scanned)

    def test_bills_are_what_scanners_read(self) -> None:
        """The images' scan reads these: programs that are linked statically say little about themselves."""
        for package, features, platform in (("auth-sidecar", "", build.NATIVE), ("tests/sample-server", "", build.NATIVE), ("filter", "rego-regex", build.WASM)):
            bill = build.bill(package, features, platform, "0.1.0")
            error = JsonStrictValidator(SchemaVersion.V1_5).validate_str(json.dumps(bill))
            self.assertIsNone(error, f"{package}: {error}")
            self.assertGreater(len(bill["components"]), 5)


if __name__ == "__main__":
    unittest.main()
