"""Refusals by the control plane, which the proxy passes on: control_plane/messages.rs and errors.rs."""

from typing import Final

from app.db.driver.neon.reason import Decision, Reason, fix, retry

REASONS: Final = (
    fix(
        "(endpoint|branch|project|resource) (cannot|could not) be found",
        "Control plane request failed: endpoint cannot be found",
        *(
            f"The requested {what} could not be found, or you don't have access to it. Please check the provided ID "
            "and try again."
            for what in ("endpoint", "branch", "project", "resource")
        ),
        advice="It was deleted or never existed: copy the URL of a branch that Neon's console shows.",
    ),
    fix(
        "endpoint (is|has been) disabled",
        "Control plane request failed: endpoint is disabled",
        "The endpoint has been disabled. Enable it using Neon API and retry.",
        advice="Enable the endpoint, in Neon's console or by its API.",
    ),
    fix(
        "concurrently active endpoints|active endpoints limit",
        "You have exceeded the limit of concurrently active endpoints. Please suspend some endpoints and try again.",
        "active endpoints limit exceeded",
        advice="Suspend computes of other branches, or ask Neon to raise the limit.",
    ),
    retry(
        "temporar(il)?y unavailable",
        "Control plane request failed: endpoint is temporarily unavailable. Check your quotas and/or contact our "
        "support.",
        advice="The project is under maintenance or a limit is reached: look at it in Neon's console.",
    ),
    fix(
        "quota|exceeded the compute time",
        "Your account or project has exceeded the compute time quota. Upgrade your plan to increase limits.",
        *(
            f"Your project has exceeded the {what} quota. Upgrade your plan to increase limits."
            for what in ("active time", "written data", "data transfer", "logical size")
        ),
        "You've exceeded the compute time for this branch. Upgrade your plan to increase limits or connect to another "
        "branch.",
        advice="Raise the quota or the plan in Neon's console; a monthly quota begins anew with the billing period.",
    ),
    fix(
        "role .* is protected",
        "The role you're attempting to use is protected and cannot be used for password-based authentication. Please "
        "pick a different role and try again.",
        advice="Connect as a role of your own: make one in Neon's console.",
    ),
    Reason(
        "exceeded the rate limit",
        ("You've exceeded the rate limit. Please wait a moment and try again.",),
        Decision.LATER,
        "Use fewer processes or smaller pools, so that fewer connections are opened.",
    ),
    retry(
        "running operations",
        "Your project already has running operations. Please wait until they complete, and then try again.",
        advice="Neon is changing the project: look at its operations in the console.",
    ),
    retry(
        "control plane request failed",
        "Control plane request failed",
        advice="Neon could not start the compute; if it lasts, see neonstatus.com.",
    ),
)
