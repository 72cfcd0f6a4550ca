"""The texts with which Neon refuses a connection, and what each one means.

Neon's proxy gives nearly every refusal the SQLSTATE XX000, so the text decides. The texts come from the proxy's public
source (github.com/neondatabase/neon, folder proxy/src, commit 6a35a3e9 of March 2026) and from the control plane, whose
sentences the proxy passes on.

A reason is retried where the source says that it can be (`Reason::can_retry` and `could_retry`), and where the text
itself names a temporary state: the proxy does not retry what its own limits refuse, but they end within seconds. The
source explicitly excludes the control plane's rate limit ("we were asked to go away"), so it is not retried.
The tables leave out the texts of Neon's HTTP API, which this layer does not use.
"""

import re
from typing import Final

from app.db.driver.neon import compute, control_plane, proxy
from app.db.driver.neon.reason import Decision, Reason

__all__ = ["REASONS", "SHOWS_NEON", "Decision", "Reason", "find_reason"]

REASONS: Final = (*proxy.REASONS, *compute.REASONS, *control_plane.REASONS)
SHOWS_NEON: Final = "coalesce(pg_catalog.current_setting('neon.timeline_id', true), '') <> ''"
"""SQL, true on a Neon compute, whose storage needs this setting: the host may be an address or a custom name."""

_CODES: Final = {"XX000", "53000"}  # quotas were observed with both


def find_reason(sqlstate: str, text: str) -> Reason | None:
    """Return why Neon refused a connection with this code and text; None if it is not Neon's or is unknown."""
    if sqlstate not in _CODES:
        return None
    return next((reason for reason in REASONS if re.search(reason.pattern, text, re.IGNORECASE)), None)
