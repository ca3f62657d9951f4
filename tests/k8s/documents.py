"""What of the chart is made from something else: values.schema.json, the table of its README, the rules for alerts.

The functions at the end say what each must hold; the tests compare, and `documents.py` writes them.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import renders
import yaml

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "k8s/chart"
BEGIN, END = "<!-- values: written by `make chart WRITE=1` -->", "<!-- /values -->"


# --- values.schema.json -----------------------------------------------------------------------------------------------------

def schema() -> str:
    source = yaml.safe_load((ROOT / "k8s/values.schema.yaml").read_text())
    policy = json.loads((ROOT / "filter/config.schema.json").read_text())
    definitions = json.loads(json.dumps(policy["$defs"]).replace("#/$defs/", "#/definitions/"))
    shapes, objects, required = source["shapes"], source["objects"], source["required"]

    def of(value: Any) -> dict[str, Any]:
        if isinstance(value, str):
            return dict(shapes[value]) if value in shapes else {"$ref": f"#/definitions/chart.{value}"}
        if "$ref" in value:
            return {"$ref": f"#/definitions/{value['$ref']}"}
        if "$open" in value:
            return closed(value["$open"]) | {"additionalProperties": True}
        if "$items" in value:
            return {"type": "array", "items": of(value["$items"])}
        # What JSON Schema has there, and not keys of those names, which would have words or mappings.
        if "enum" in value and isinstance(value["enum"], list):
            return dict(value)
        if "type" in value and (isinstance(value["type"], list) or value["type"] in ("string", "integer", "number", "array")):
            return dict(value)
        return closed(value)

    def closed(properties: dict[str, Any]) -> dict[str, Any]:
        return {"type": "object", "additionalProperties": False, "properties": {key: of(inner) for key, inner in properties.items()}}

    for name, properties in objects.items():
        definitions[f"chart.{name}"] = closed(properties) | ({"required": required[name]} if name in required else {})
    server = definitions["chart.server"]["properties"]
    rest = {key: inner for key, inner in definitions["Server"]["properties"].items() if key not in ("url", "match")}
    definitions["chart.server"]["properties"] = rest | server
    whole = {"$schema": "http://json-schema.org/draft-07/schema#", "title": "Values of the chart wicketgate"}
    return json.dumps(whole | closed(source["top"]) | {"definitions": definitions}, indent=1, sort_keys=True) + "\n"


# --- README.md ---------------------------------------------------------------------------------------------------------------

def rows() -> list[tuple[str, str, str]]:
    """Path, default and comment of every key of values.yaml; one with a comment (`# --`) stands for all below it."""
    text = (CHART / "values.yaml").read_text()
    comments: dict[str, str] = {}
    path: list[tuple[int, str]] = []
    said: list[str] = []
    for line in text.splitlines():
        stripped = line.strip()
        if stripped.startswith("# -- "):
            said = [stripped[5:]]
        elif stripped.startswith("# ") and said:
            said.append(stripped[2:])
        elif match := re.match(r"( *)([A-Za-z]+):", line):
            indent = len(match[1])
            path = [one for one in path if one[0] < indent] + [(indent, match[2])]
            comments[".".join(name for _, name in path)] = " ".join(said)
            said = []
        else:
            said = []
    out = []

    def walk(prefix: str, value: Any) -> None:
        comment = comments.get(prefix, "")
        if isinstance(value, dict) and value and not comment and any(f"{prefix}.{key}" in comments for key in value):
            for key, inner in value.items():
                walk(f"{prefix}.{key}", inner)
        else:
            out.append((prefix, json.dumps(value, ensure_ascii=False), comment))

    for key, value in yaml.safe_load(text).items():
        walk(key, value)
    return out


def readme() -> str:
    text = (CHART / "README.md").read_text()
    table = ["| key | default | meaning |", "|---|---|---|"]
    table += [f"| `{key}` | `{default}` | {comment.replace('|', chr(92) + '|')} |" for key, default, comment in rows()]
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n" + "\n".join(table) + f"\n{END}{after}"


# --- k8s/istio ---------------------------------------------------------------------------------------------------------------

#: By file, which kinds stand in it.
PLAIN = {
    "authorization-server.yaml": {"Deployment", "Service", "ServiceAccount", "ConfigMap", "PersistentVolumeClaim", "NetworkPolicy", "DestinationRule"},
    "access.yaml": {"AuthorizationPolicy", "PeerAuthentication"},
    "filter.yaml": {"WasmPlugin", "EnvoyFilter"},
    "routes.yaml": {"Gateway", "VirtualService"},
}
#: Words of Helm that plain files have no use for.
OF_HELM = re.compile(r"^ *(helm\.sh/[a-z-]+|app\.kubernetes\.io/managed-by): .*\n", re.MULTILINE)


def plain() -> dict[Path, str]:
    """What the chart renders for Istio and the server of `k8s/istio-values.yaml`, to be applied without Helm."""
    folder = ROOT / "k8s/istio"
    rendered = renders.run(4, "template", "wicketgate", str(CHART), "--namespace", "wicketgate", "--values", str(ROOT / "k8s/istio-values.yaml"))
    parts = [part.strip("\n") + "\n" for part in re.split(r"^---\n", rendered, flags=re.MULTILINE) if part.strip()]
    out = {}
    for name, kinds in PLAIN.items():
        mine = [OF_HELM.sub("", part) for part in parts if (yaml.safe_load(part) or {}).get("kind") in kinds]
        mine = [re.sub(r"^# Source: .*\n", "", re.sub(r"^ *annotations:\n(?! )", "", part, flags=re.MULTILINE)) for part in mine]
        head = "# Written by `make chart WRITE=1` from ../istio-values.yaml: put in your hosts, Secrets and rules, or use the chart.\n"
        out[folder / name] = head + "---\n".join(mine)
    return out


# --- k8s/compose -------------------------------------------------------------------------------------------------------------

def composed() -> dict[Path, str]:
    """The files of a pod, for the parts of k8s/compose, which share loopback as its containers do."""
    folder = ROOT / "k8s/compose"
    text = renders.run(4, "template", "wicketgate", str(CHART), "--values", str(folder / "values.yaml"))
    data: dict[str, str] = {}
    for one in renders.objects(text):
        data |= one["data"] if one["kind"] == "ConfigMap" else {}
    places = {"envoy.yaml": "envoy.yaml", "auth.json": "auth.json", "filter.json": "filter/filter.json"}
    return {folder / place: data[name] for name, place in places.items()}


# --- all ---------------------------------------------------------------------------------------------------------------------

def of_the_chart() -> dict[Path, str]:
    return {
        CHART / "values.schema.json": schema(),
        CHART / "README.md": readme(),
        CHART / "files/filter-alerts.yaml": (ROOT / "envoy/alerts.yaml").read_text(),
        CHART / "files/authorization-server-alerts.yaml": (ROOT / "auth-sidecar/alerts.yaml").read_text(),
    }


def of_renders() -> dict[Path, str]:
    return plain() | composed()


if __name__ == "__main__":
    # In this order: what is rendered depends on the first.
    for made in (of_the_chart, of_renders):
        for file, content in made().items():
            file.parent.mkdir(exist_ok=True)
            file.write_text(content)
