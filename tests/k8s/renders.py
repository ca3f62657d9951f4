"""How is the chart rendered? By both generations of Helm, for each file of values under k8s/chart/ci."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "k8s/chart"
RELEASE, NAMESPACE = "rel", "mcp"
CASES = tuple(sorted(file.name.removesuffix("-values.yaml") for file in (CHART / "ci").glob("*-values.yaml")))
#: Files of the chart's own that come before a case's.
BEFORE = {"production": "values-production.yaml", "dev": "values-dev.yaml"}
#: What is there before the chart is installed, as its values say.
GIVEN = {
    "Secret": {"wicketgate-key", "wicketgate-redis", "wicketgate-tls", "wicketgate-admin", "wicketgate-dev", "idp", "redis-ca", "wicketgate-auth-tls"},
    "ConfigMap": {"internal-authority"},
    "Service": {"notes", "tickets"},
    "Gateway": {"edge"},
}


class Refused(Exception):
    """Helm did not render it, and what it said."""


@cache
def helm(generation: int) -> str:
    script = ROOT / "tests/obtain/helm.sh"
    return subprocess.run([script, str(generation)], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def values_of(case: str) -> list[Path]:
    before = [CHART / BEFORE[case]] if case in BEFORE else []
    return [*before, CHART / f"ci/{case}-values.yaml"]


def run(generation: int, *arguments: str) -> str:
    done = subprocess.run([helm(generation), *arguments], capture_output=True, text=True)
    if done.returncode:
        raise Refused(done.stderr + done.stdout)
    return done.stdout


def template(generation: int, case: str, *arguments: str, release: str = RELEASE) -> str:
    files = [part for file in values_of(case) for part in ("--values", str(file))]
    return run(generation, "template", release, str(CHART), "--namespace", NAMESPACE, *files, *arguments)


@cache
def rendered(generation: int, case: str, *arguments: str, release: str = RELEASE) -> str:
    return template(generation, case, *arguments, release=release)


def objects(text: str) -> list[dict[str, Any]]:
    return [one for one in yaml.load_all(text, yaml.CSafeLoader) if one]


def golden(case: str) -> Path:
    return Path(__file__).parent / f"golden/{case}.yaml"


def as_golden(text: str) -> str:
    """One text for both Helms, which put other empty lines between objects."""
    return "\n".join(line for line in text.splitlines() if line.strip()) + "\n"
