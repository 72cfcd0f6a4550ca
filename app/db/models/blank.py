"""What counts as blank: text in which every character is white space or invisible by Unicode's properties."""

import re
from typing import Final

# White_Space and Default_Ignorable_Code_Point of Unicode 17 (PropList.txt, DerivedCoreProperties.txt). Python's
# `str.strip` and PostgreSQL's `\s` differ from each other and know no invisible characters.
_WHITE_SPACE: Final = (
    (0x0009, 0x000D),
    (0x0020, 0x0020),
    (0x0085, 0x0085),
    (0x00A0, 0x00A0),
    (0x1680, 0x1680),
    (0x2000, 0x200A),
    (0x2028, 0x2029),
    (0x202F, 0x202F),
    (0x205F, 0x205F),
    (0x3000, 0x3000),
)
_DEFAULT_IGNORABLE: Final = (
    (0x00AD, 0x00AD),
    (0x034F, 0x034F),
    (0x061C, 0x061C),
    (0x115F, 0x1160),
    (0x17B4, 0x17B5),
    (0x180B, 0x180F),
    (0x200B, 0x200F),
    (0x202A, 0x202E),
    (0x2060, 0x206F),
    (0x3164, 0x3164),
    (0xFE00, 0xFE0F),
    (0xFEFF, 0xFEFF),
    (0xFFA0, 0xFFA0),
    (0xFFF0, 0xFFF8),
    (0x1BCA0, 0x1BCA3),
    (0x1D173, 0x1D17A),
    (0xE0000, 0xE0FFF),
)
_LAST_OF_FOUR_DIGITS: Final = 0xFFFF


def _escaped(code: int) -> str:
    return rf"\u{code:04X}" if code <= _LAST_OF_FOUR_DIGITS else rf"\U{code:08X}"


VISIBLE: Final = "[^{}]".format(
    "".join(
        _escaped(first) if first == last else f"{_escaped(first)}-{_escaped(last)}"
        for first, last in sorted(_WHITE_SPACE + _DEFAULT_IGNORABLE)
    )
)
"""A regular expression for one visible character, in the syntax that Python and PostgreSQL share."""


def is_blank(text: str) -> bool:
    """Return whether `text` has no visible character."""
    return re.search(VISIBLE, text) is None
