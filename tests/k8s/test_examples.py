"""Do the examples of k8s/examples render, and name what is there? Neither cert-manager nor an Ingress nor Terraform runs here."""

from __future__ import annotations

import json
import re
import unittest
from pathlib import Path
from typing import Any

import judge
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

    def test_the_ingress_leads_to_envoy_and_nobody_else_does(self) -> None:
        of = rendered(4, [CHART / "values-production.yaml", CHART / "ci/production-values.yaml", FOLDER / "ingress-values.yaml"])
        self.assertEqual([], list(judge.kubernetes_schema(of)))
        [ingress] = [one for one in of if one["kind"] == "Ingress"]
        [rule] = ingress["spec"]["rules"]
        backend = rule["http"]["paths"][0]["backend"]["service"]
        [service] = [one for one in of if one["kind"] == "Service" and one["metadata"]["name"] == backend["name"]]
        self.assertEqual([backend["port"]["name"]], [port["name"] for port in service["spec"]["ports"]])
        self.assertEqual("ClusterIP", service["spec"]["type"])
        [public] = [rule for one in of if one["kind"] == "NetworkPolicy" for rule in one["spec"]["ingress"] if {"port": "public"} in rule["ports"] and "namespaceSelector" in json.dumps(rule)]
        self.assertEqual({"kubernetes.io/metadata.name": "ingress-nginx"}, public["from"][0]["namespaceSelector"]["matchLabels"])

    def test_terraform_names_files_that_render(self) -> None:
        [release] = json.loads((FOLDER / "main.tf.json").read_text())["resource"]["helm_release"].values()
        named = [FOLDER / place for text in release["values"] for place in re.findall(r"\$\{path\.module\}/([^\"]+)", text)]
        self.assertEqual(2, len(named))
        self.assertEqual(CHART, (FOLDER / release["chart"].removeprefix("${path.module}/")).resolve())
        self.assertIn("Deployment", {one["kind"] for one in rendered(4, named)})


if __name__ == "__main__":
    unittest.main()
