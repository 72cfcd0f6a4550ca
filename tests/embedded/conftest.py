"""A folder for a server, and an ordinary user."""

import pwd
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.embedded import AS_ROOT, owner, public_folder


@pytest.fixture
def folder() -> Iterator[Path]:
    """Yield an empty folder that other users can reach, unlike pytest's own."""
    with public_folder() as made:
        yield made


@pytest.fixture(scope="session")
def ordinary_uid() -> int | None:
    """Return the uid of an ordinary user that can run this interpreter and checkout; None means the current user."""
    for entry in pwd.getpwall() if AS_ROOT else []:
        if entry.pw_uid != 0 and entry.pw_name != "nobody":
            with suppress(OSError), owner(code="import app.embedded; print('yes')", uid=entry.pw_uid) as (_, said):
                return entry.pw_uid if said else None
    return None
