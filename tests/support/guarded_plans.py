"""Whether a plan sets the user before it checks the policy of row-level security."""

import re
from collections.abc import Iterator
from typing import Any, Final

USER_IS_SET: Final = "set_config('app.user_id'"
POLICY_READS: Final = "current_setting('app.user_id'"
Node = dict[str, Any]


def _nodes(node: Node) -> Iterator[Node]:
    yield node
    for child in node.get("Plans", ()):
        yield from _nodes(child)


def user_settings(plan: Node) -> list[str]:
    """Return how the plan names the subqueries that set the user, as the server's version writes it."""
    names = [node["Subplan Name"] for node in _nodes(plan) if USER_IS_SET in str(node.get("Output"))]
    return [re.sub(r"InitPlan \d+ \(returns (.*)\)", r"\1", name) for name in names]


def _is_set_first(node: Node, settings: list[str]) -> bool:
    """Return whether a condition that is evaluated once, before the node returns a row, sets the user."""
    before_the_policy = str(node.get("One-Time Filter", "")).partition(POLICY_READS)[0]
    return any(setting in before_the_policy for setting in settings)


def unguarded(node: Node, settings: list[str], *, is_set: bool = False) -> list[str]:
    """Return the nodes that could check the policy before the user is set."""
    is_set |= _is_set_first(node, settings)
    found = [each for child in node.get("Plans", ()) for each in unguarded(child, settings, is_set=is_set)]
    checks = any(POLICY_READS in str(value) for key, value in node.items() if key != "Plans")
    return [*found, str(node["Node Type"])] if checks and not is_set else found
