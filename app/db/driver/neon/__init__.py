"""What Neon says instead of letting a connection in, and what each text means.

Its proxy gives nearly every refusal the SQLSTATE XX000, so the text decides. The texts are those of the proxy's public
source (github.com/neondatabase/neon, folder proxy/src, commit 6a35a3e9 of March 2026) and of the control plane, whose
sentences the proxy passes on.

A reason is retried where the source says that it can be (`Reason::can_retry` and `could_retry`), and where the text
itself names a state that passes: the proxy does not retry what its own limits refuse, but they end within seconds. The
control plane's rate limit is refused by its source in so many words ("we were asked to go away"), and is not retried.
Not in the tables are the texts of Neon's HTTP API, which this layer does not use.
"""

import re
from typing import Final

from app.db.driver.neon import compute, control_plane, proxy
from app.db.driver.neon.reason import Decision, Reason

__all__ = ["REASONS", "SHOWS_NEON", "Decision", "Reason", "find_reason"]

REASONS: Final = (*proxy.REASONS, *compute.REASONS, *control_plane.REASONS)
SHOWS_NEON: Final = "coalesce(pg_catalog.current_setting('neon.timeline_id', true), '') <> ''"
"""SQL, true on a Neon compute, whose storage needs this setting: the host may be an address or a name of one's own."""

_CODES: Final = {"XX000", "53000"}  # quotas have been seen with both


def find_reason(sqlstate: str, text: str) -> Reason | None:
    """Return why Neon refused a connection with this code and text; None for what is not Neon's or not known."""
    if sqlstate not in _CODES:
        return None
    return next((reason for reason in REASONS if re.search(reason.pattern, text, re.IGNORECASE)), None)
