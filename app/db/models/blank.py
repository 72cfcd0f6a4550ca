"""What counts as blank: text in which every character is white space or invisible by Unicode's properties."""

import re
from typing import Final

# White_Space and Default_Ignorable_Code_Point of Unicode 17 (PropList.txt, DerivedCoreProperties.txt). Python's
# `str.strip` and PostgreSQL's `\s` differ from each other and know no invisible characters.
_WHITE_SPACE: Final = "0009-000D 0020 0085 00A0 1680 2000-200A 2028-2029 202F 205F 3000"
_DEFAULT_IGNORABLE: Final = """00AD 034F 061C 115F-1160 17B4-17B5 180B-180F 200B-200F 202A-202E 2060-206F 3164
    FE00-FE0F FEFF FFA0 FFF0-FFF8 1BCA0-1BCA3 1D173-1D17A E0000-E0FFF"""


def _escaped(codes: str) -> str:
    """Return a code, or the first and the last of a range, as in a regular expression."""
    return "-".join(rf"\u{code}" if len(code) == len("0000") else rf"\U{code:0>8}" for code in codes.split("-"))


_CODES: Final = sorted(
    f"{_WHITE_SPACE} {_DEFAULT_IGNORABLE}".split(), key=lambda codes: int(codes.partition("-")[0], 16)
)
VISIBLE: Final = f"[^{''.join(map(_escaped, _CODES))}]"
"""A regular expression for one visible character, in the syntax that Python and PostgreSQL share."""


def is_blank(text: str) -> bool:
    """Return whether `text` has no visible character."""
    return re.search(VISIBLE, text) is None
