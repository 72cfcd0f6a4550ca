"""Refusals by the control plane, which the proxy passes on: control_plane/messages.rs and errors.rs."""

from typing import Final

from app.db.driver.neon.reason import Decision, Reason, fix, retry

REASONS: Final = (
    fix(
        "(endpoint|branch|project|resource) (cannot|could not) be found",
        "It was deleted or never existed: copy the URL of a branch that Neon's console shows.",
    ),
    fix("endpoint (is|has been) disabled", "Enable the endpoint, in Neon's console or with its API."),
    fix(
        "concurrently active endpoints|active endpoints limit",
        "Suspend computes of other branches, or ask Neon to raise the limit.",
    ),
    retry(
        "temporar(il)?y unavailable",
        "The project is under maintenance or a limit is reached: check it in Neon's console.",
    ),
    fix(
        "quota|exceeded the compute time",
        "Raise the quota or the plan in Neon's console; a monthly quota is reset with each billing period.",
    ),
    fix("role .* is protected", "Connect as a role of your own: create one in Neon's console."),
    Reason(
        "exceeded the rate limit",
        Decision.LATER,
        "Use fewer processes or smaller pools, so that fewer connections are opened.",
    ),
    retry("running operations", "Neon is changing the project: check its operations in Neon's console."),
    retry("control plane request failed", "Neon could not start the compute; if it lasts, see neonstatus.com."),
)
