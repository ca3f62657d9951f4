"""Does policy.yaml name everything that the suite asks for?

A name that it lacks would only show as a failing scenario behind the gateway; here it is said by name, without one.
"""

from __future__ import annotations

from pathlib import Path

import yaml

# Asked for by tasks-* scenarios alone, which do not count (policy.yaml says the same in its last comment).
TASKS_ONLY = {
    "greet",
    "slow_compute",
    "failing_job",
    "protocol_error_job",
    "confirm_delete",
    "multi_input",
    "test_tool_with_task",
}
# Permitted to every principal that any rule allows something.
HOUSEKEEPING = {"initialize", "ping", "server/discover", "subscriptions/listen"}
TARGETED = {"tools/call", "prompts/get", "resources/read", "resources/subscribe", "resources/unsubscribe"}


def unnamed(policy: Path, asked: list[dict]) -> list[str]:
    """What was asked for (as in asked.json) and is neither named in the policy nor left out on purpose."""
    rules = yaml.safe_load(policy.read_text())["servers"][0]["rules"]
    allowed = {kind: {name for rule in rules for name in rule["allow"].get(kind, [])} for kind in kinds(rules)}
    named = set().union(*allowed.values())
    missing = set()
    for one in asked:
        method, target = one["method"], one["target"]
        if method.startswith("tasks/") or target in TASKS_ONLY:
            continue
        if target:
            missing |= {f"{method} {target}"} - {f"{method} {name}" for name in named}
        elif not (is_free(method) or method in allowed["methods"]):
            missing.add(method)
    return sorted(missing)


def kinds(rules: list[dict]) -> set[str]:
    return {"methods"} | {kind for rule in rules for kind in rule["allow"] if kind != "who"}


def is_free(method: str) -> bool:
    """Lists, notifications, the handshake; and what needs a target but came without one, which is refused first."""
    return method in HOUSEKEEPING | TARGETED or method.endswith("/list") or method.startswith("notifications/")
