"""The table of docs/neon.md: the texts with which Neon refuses a connection."""

from pathlib import Path
from typing import Final

from app.db.driver.neon import Decision
from tests.support.neon_texts import REFUSALS

PAGE: Final = Path(__file__).parents[2] / "docs/neon.md"
_BEGIN: Final = "<!-- Written by `make faults` from app/db/driver/neon: do not edit. -->\n"
_END: Final = "<!-- end -->\n"
_ERRORS: Final = {
    Decision.RETRY: "`UnavailableError` at the deadline",
    Decision.LATER: "`UnavailableError`",
    Decision.FIX: "`ConfigurationError`",
}


def with_table(page: str) -> str:
    """Return `page` with the current table between its marks."""
    before, _, rest = page.partition(_BEGIN)
    after = rest.partition(_END)[2]
    return f"{before}{_BEGIN}\n{_table()}\n{_END}{after}"


def _table() -> str:
    rows = [
        f"| {_cell(said)} | {reason.decision.value} | {_ERRORS[reason.decision]}: {_cell(reason.advice)} |"
        for reason, said in REFUSALS
    ]
    return "\n".join(["| text | | what we raise and say |", "| --- | --- | --- |", *rows]) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text()))
