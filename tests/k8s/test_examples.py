"""Do the examples of k8s/examples render, and name what is there? Neither cert-manager nor Terraform runs here."""

from __future__ import annotations

import json
import re
import unittest
from pathlib import Path
from typing import Any

import renders
from renders import CHART, objects

FOLDER = renders.ROOT / "k8s/examples"


def rendered(generation: int, files: list[Path]) -> list[dict[str, Any]]:
    named = [part for file in files for part in ("--values", str(file))]
    return objects(renders.run(generation, "template", "wicketgate", str(CHART), "--namespace", "mcp", *named))


class Examples(unittest.TestCase):
    def test_the_certificate_is_the_one_that_envoy_serves(self) -> None:
        for generation in (3, 4):
            of = rendered(generation, [CHART / "values-production.yaml", FOLDER / "cert-manager-values.yaml"])
            [certificate] = [one for one in of if one["kind"] == "Certificate"]
            self.assertEqual("mcp", certificate["metadata"]["namespace"])
            volumes = [volume for one in of if one["kind"] == "Deployment" for volume in one["spec"]["template"]["spec"]["volumes"]]
            self.assertIn(certificate["spec"]["secretName"], {volume["secret"]["secretName"] for volume in volumes if "secret" in volume})
            [policy] = [json.loads(one["data"]["filter.json"]) for one in of if "filter.json" in one.get("data", {})]
            servers = json.loads(policy["resources"][0]["typed_config"]["config"]["configuration"]["value"])["servers"]
            self.assertEqual(set(certificate["spec"]["dnsNames"]), {one["url"].split("/")[2] for one in servers})

    def test_terraform_names_files_that_render(self) -> None:
        [release] = json.loads((FOLDER / "main.tf.json").read_text())["resource"]["helm_release"].values()
        named = [FOLDER / place for text in release["values"] for place in re.findall(r"\$\{path\.module\}/([^\"]+)", text)]
        self.assertEqual(2, len(named))
        self.assertEqual(CHART, (FOLDER / release["chart"].removeprefix("${path.module}/")).resolve())
        self.assertIn("Deployment", {one["kind"] for one in rendered(4, named)})


if __name__ == "__main__":
    unittest.main()
