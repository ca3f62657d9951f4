"""Are renders right of values that are odd and that somebody has? `plausible.yaml` holds them; each render goes before the judges and our compilers."""

from __future__ import annotations

import copy
import json
import tempfile
import unittest
from pathlib import Path
from typing import Any

import judge
import renders
import test_chart
import yaml
from renders import GIVEN, objects

ROWS: list[Any] = yaml.safe_load((Path(__file__).parent / "plausible.yaml").read_text())
KNOWN = {"note", "of", "release", "values", "servers", "there", "holds", "bootstrap", "every_pod"}


def many(count: int) -> list[Any]:
    rule = {"id": "all", "allow": {"who": {"scopes": ["mcp:read"]}, "tools": ["search_*"]}}
    return [{"name": f"server-{at}", "host": f"s{at}.example.com", "path": "/mcp", "upstream": {"service": "notes", "port": 3001, "path": "/rpc"}, "rules": [rule]}
            for at in range(count)]


def merged(one: Any, other: Any) -> Any:
    """As Helm merges values: mappings key by key, all else is the other's."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one | {key: merged(one.get(key), value) for key, value in other.items()}
    return other


def values(row: Any) -> Any:
    [file] = renders.values_of(row.get("of", "standalone"))
    out = merged(yaml.safe_load(file.read_text()), copy.deepcopy(row.get("values", {})))
    if "servers" in row:
        out["config"]["servers"] = many(row["servers"])
    return out


def at(one: Any, place: str) -> Any:
    for part in place.split("."):
        one = one[int(part)] if isinstance(one, list) else one[part]
    return one


class Plausible(unittest.TestCase):
    def test_renders_are_right(self) -> None:
        for row in ROWS:
            self.assertLessEqual(set(row), KNOWN)
            with self.subTest(row["note"]), tempfile.TemporaryDirectory() as folder:
                Path(folder, "values.json").write_text(json.dumps(values(row)))
                more = ["--values", f"{folder}/values.json"]
                texts = {}
                for generation in (3, 4):
                    self.assertNotIn("WARNING", renders.run(generation, "lint", "--strict", str(renders.CHART), *more))
                    texts[generation] = renders.run(generation, "template", row.get("release", "rel"), str(renders.CHART), "--namespace", "mcp", *more)
                self.assertEqual(*map(renders.as_golden, texts.values()))
                self.judge(row, objects(texts[4]), folder)

    def judge(self, row: Any, of: list[Any], folder: str) -> None:
        given = {kind: names | set(row.get("there", {}).get(kind, [])) for kind, names in GIVEN.items()}
        self.assertEqual([], judge.all_of(of, given))
        if test_chart.CRDS.is_dir():
            self.assertEqual([], list(judge.custom_schema(of, test_chart.CRDS)))
        for kind, wanted in row.get("holds", {}).items():
            one = next(one for one in of if one["kind"] == kind)
            for place, value in wanted.items():
                self.assertEqual(value, at(one, place), place)
        for one, spec, _ in judge.pods(of):
            for key, value in row.get("every_pod", {}).items():
                self.assertEqual(value, spec.get(key), judge.named(one))
        if "bootstrap" in row:
            [text] = [one["data"]["envoy.yaml"] for one in of if "envoy.yaml" in one.get("data", {})]
            self.assertIn(row["bootstrap"], text)
        compilers = test_chart.Compilers()
        compilers.take_policy(of, folder)
        compilers.take_configuration(of, folder)


if __name__ == "__main__":
    unittest.main()
