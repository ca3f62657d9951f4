"""Would the API server take this object whole? `crd.py CRD.yaml OBJECT` validates it against the schema of its version.

Fields that the schema does not know are errors: the API server would drop them without a word. Rules in CEL
(`x-kubernetes-validations`) are not evaluated. Ends with 1 and one line per error.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import jsonschema
import yaml

OPEN = "x-kubernetes-preserve-unknown-fields"


def closed(schema: dict[str, Any]) -> dict[str, Any]:
    """The structural schema with every object closed that does not say it is open; conditions stay as they are."""
    out = dict(schema)
    if "properties" in out:
        out["properties"] = {name: closed(inner) for name, inner in out["properties"].items()}
    if isinstance(out.get("items"), dict):
        out["items"] = closed(out["items"])
    if isinstance(out.get("additionalProperties"), dict):
        out["additionalProperties"] = closed(out["additionalProperties"])
    elif out.get("type") == "object" and not out.get(OPEN):
        out.setdefault("additionalProperties", False)
    if out.get("nullable") and "type" in out:
        out["type"] = [out["type"], "null"]
    if out.get("x-kubernetes-int-or-string"):
        out["type"] = ["integer", "string"]
    return out


def schema_of(crd: dict[str, Any], version: str) -> dict[str, Any]:
    served = [one for one in crd["spec"]["versions"] if one["name"] == version and one["served"]]
    if not served:
        raise SystemExit(f"{crd['metadata']['name']} has no version {version}")
    schema = closed(served[0]["schema"]["openAPIV3Schema"])
    text = {"type": "string"}
    # What every object has, and the API server checks by itself.
    schema["properties"] |= {
        "apiVersion": text | {"const": f"{crd['spec']['group']}/{version}"},
        "kind": text | {"const": crd["spec"]["names"]["kind"]},
        "metadata": {"type": "object", "required": ["name"]},
    }
    return schema | {"required": ["apiVersion", "kind", "metadata", *schema.get("required", [])]}


def main() -> int:
    crd, document = (yaml.safe_load(Path(path).read_text()) for path in sys.argv[1:3])
    schema = schema_of(crd, str(document["apiVersion"]).rpartition("/")[2])
    jsonschema.Draft202012Validator.check_schema(schema)
    errors = list(jsonschema.Draft202012Validator(schema).iter_errors(document))
    for error in errors:
        print(f"{'.'.join(map(str, error.absolute_path)) or 'the object'}: {error.message}")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
