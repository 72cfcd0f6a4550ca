"""The setting that a misspelt name means."""

import re
from collections.abc import Collection
from typing import Final

_ALIKE: Final = 0.85
_UNIT: Final = r"_(ms|millis|milliseconds|s|sec|secs|minutes)$"


def meant(name: str, settings: Collection[str]) -> str | None:
    """Return which of `settings` a name means that is none of them; all are in lower case.

    It may lack an end, have another unit, its words or letters in another order, or a few other letters.
    """
    from difflib import get_close_matches  # noqa: PLC0415 - few processes meet such a name

    name = re.sub(_UNIT, "", name)
    plain = {each.replace("_", ""): each for each in settings}
    for found in (
        [each for each in settings if each.startswith(f"{name}_")],
        [each for each in settings if sorted(each.split("_")) == sorted(name.split("_"))],
        [each for each in settings if sorted(each) == sorted(name)],
        [plain[each] for each in get_close_matches(name.replace("_", ""), plain, n=1, cutoff=_ALIKE)],
    ):
        if len(found) == 1:
            return found[0]
    return None
