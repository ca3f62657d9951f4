"""How is a conformance run written down for people and for the next run?

report.json and report.md: scenario by revision, the baseline and every run side by side. They hold no times and no
addresses, so that a diff of two reports shows behaviour only.
"""

from __future__ import annotations

import json
from pathlib import Path

import results

Row = dict[str, object]
COUNTER = {
    True: "exactly the requests that the suite sent",
    False: "**not** the requests that the suite sent",
    None: "not looked at",
}


def write(
    directory: Path, runs: dict[str, results.Run], baseline: results.Run, counter_exact: bool | None = None
) -> None:
    """Writes both files into `directory`. `counter_exact`: whether the gateway counted exactly what it was sent."""
    columns = {"baseline": baseline, **runs}
    differences = [one for name, run in runs.items() for one in results.differences(name, run, baseline)]
    names = sorted({(revision, scenario) for run in columns.values() for revision in run for scenario in run[revision]})
    document = {
        "suite": results.SUITE,
        "server": results.SERVER,
        "left_out": f"{results.LEFT_OUT}*: no server at hand implements the extension",
        "totals": {name: results.totals(run) for name, run in columns.items()},
        "counter": COUNTER[counter_exact],
        "scenarios": [
            {"revision": revision, "scenario": scenario}
            | {name: cell(run.get(revision, {}).get(scenario)) for name, run in columns.items()}
            for revision, scenario in names
        ],
        "differences": [str(one) for one in differences],
    }
    (directory / "report.json").write_text(json.dumps(document, indent=1) + "\n")
    (directory / "report.md").write_text(markdown(document, list(columns)))


def cell(checks: list[results.Check] | None) -> dict[str, int] | None:
    """Passed and all checks of a scenario, None where it did not run."""
    return None if checks is None else {"passed": results.passed(checks), "total": len(checks)}


def markdown(document: dict, columns: list[str]) -> str:
    """One table row per scenario; a cell that is not the baseline is in bold."""
    revisions = sorted({row["revision"] for row in document["scenarios"]})
    scenarios = sorted({row["scenario"] for row in document["scenarios"]})
    rows = {(row["revision"], row["scenario"]): row for row in document["scenarios"]}
    heads = [f"{revision} {column}" for revision in revisions for column in columns]
    lines = [
        "# Conformance: the server alone and behind the gateway",
        "",
        f"Suite: {document['suite']}. Server: {document['server']}. Checks passed / all.",
        f"Left out: {document['left_out']}. Written by `run.py`; do not edit.",
        "",
        f"| scenario | {' | '.join(heads)} |",
        f"|---|{'---|' * len(heads)}",
    ]
    for scenario in scenarios:
        cells = [shown(rows.get((revision, scenario)), column) for revision in revisions for column in columns]
        lines.append(f"| {scenario} | {' | '.join(cells)} |")
    lines.append("")
    lines += [f"- {name}: {sums['passed']} of {sums['total']}" for name, sums in document["totals"].items()]
    lines.append(f"- counted by the gateway's own counter: {document['counter']}")
    lines += ["", "## Differences", ""]
    lines += [f"- {line}" for line in document["differences"]] or ["None."]
    return "\n".join(lines) + "\n"


def shown(row: Row | None, column: str) -> str:
    if row is None:
        return "-"
    value, expected = row[column], row["baseline"]
    text = f"{value['passed']}/{value['total']}" if isinstance(value, dict) else "did not run"
    if row["baseline"] is None:
        return text
    return text if value == expected else f"**{text}**"
