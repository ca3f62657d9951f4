"""What did the suite find, and in what does it differ from the baseline?"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

# {revision: {scenario: [{"id", "status", "message"}]}}: INFO entries are notes, not checks, and are left out.
Check = dict[str, str]
Run = dict[str, dict[str, list[Check]]]

SUITE = "@modelcontextprotocol/conformance 0.2.0-alpha.12"
SERVER = "everything-server of the Python SDK 2.3.0"
RESULT_DIRECTORY = re.compile(r"^server-(?P<scenario>.+?)-\d{4}-\d{2}-\d{2}T[\d-]+Z$")
# No server at hand implements the tasks extension; the revisions do not require it either.
LEFT_OUT = "tasks-"


class Unreadable(Exception):
    """A result that is not as the suite writes it."""


def read(directory: Path) -> dict[str, list[Check]]:
    """The checks that one revision's run left in `directory`, by scenario."""
    found: dict[str, list[Check]] = {}
    for place in sorted(directory.iterdir()):
        match = RESULT_DIRECTORY.match(place.name)
        if match is None:
            raise Unreadable(f"The suite wrote {place.name}, which is not named like a result.")
        scenario = match["scenario"]
        if scenario.startswith(LEFT_OUT):
            continue
        checks = json.loads((place / "checks.json").read_text())
        found[scenario] = [
            {"id": check["id"], "status": check["status"], "message": check.get("errorMessage") or ""}
            for check in checks
            if check["status"] != "INFO"
        ]
    if not found:
        raise Unreadable(f"The suite left no result in {directory}: it could not reach the server (see its log there).")
    return found


def totals(run: Run) -> dict[str, int]:
    """Passed and all checks of a run, over its revisions."""
    checks = [check for scenarios in run.values() for found in scenarios.values() for check in found]
    return {"passed": passed(checks), "total": len(checks)}


def passed(checks: list[Check]) -> int:
    return sum(check["status"] == "SUCCESS" for check in checks)


@dataclass(frozen=True)
class Difference:
    """One way in which a run is not the baseline."""

    column: str
    revision: str
    scenario: str
    what: str

    def __str__(self) -> str:
        return f"{self.column}, {self.revision}, {self.scenario}: {self.what}."


def differences(column: str, run: Run, baseline: Run) -> list[Difference]:
    """Everything in which `run` is not the baseline; an empty list means that it is."""
    found = []
    for revision in baseline.keys() | run.keys():
        ran, expected = run.get(revision, {}), baseline.get(revision, {})
        for scenario in sorted(expected.keys() | ran.keys()):
            if scenario not in ran:
                whats = ["the scenario did not run"]
            elif scenario not in expected:
                whats = ["the baseline does not know this scenario"]
            else:
                whats = check_differences(ran[scenario], expected[scenario])
            found += [Difference(column, revision, scenario, what) for what in whats]
    return sorted(found, key=lambda difference: (difference.revision, difference.scenario))


def check_differences(ran: list[Check], baseline: list[Check]) -> list[str]:
    found = [f"{check['id']} is {check['status']}: {check['message']}" for check in ran if check["status"] != "SUCCESS"]
    expected = Counter(check["id"] for check in baseline)
    actual = Counter(check["id"] for check in ran)
    found += [f"the check {name} is missing" for name in (expected - actual).elements()]
    found += [f"the check {name} is new to the baseline" for name in (actual - expected).elements()]
    return found


def write_baseline(file: Path, run: Run) -> None:
    """Refuses a run that is not all green: a baseline is what must hold."""
    sums = totals(run)
    if sums["passed"] != sums["total"]:
        raise Unreadable(f"Only {sums['passed']} of {sums['total']} checks passed: that is no baseline.")
    names = {
        revision: {scenario: sorted(check["id"] for check in checks) for scenario, checks in sorted(scenarios.items())}
        for revision, scenarios in run.items()
    }
    document = {"suite": SUITE, "server": SERVER, **sums, "checks": names}
    file.write_text(json.dumps(document, indent=1) + "\n")


def read_baseline(file: Path) -> Run:
    """The committed baseline as a run in which every check passed."""
    document = json.loads(file.read_text())
    run = {
        revision: {
            scenario: [{"id": name, "status": "SUCCESS", "message": ""} for name in names]
            for scenario, names in scenarios.items()
        }
        for revision, scenarios in document["checks"].items()
    }
    if totals(run)["total"] != document["total"]:
        raise Unreadable(f"{file.name} says {document['total']} checks and lists {totals(run)['total']}.")
    return run
