"""A folder for a server, and a user who is not root."""

import pwd
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.embedded import AS_ROOT, eventually, owner, processes_of


@pytest.fixture
def folder() -> Iterator[Path]:
    """Give an empty folder below none that is private, as pytest's own are."""
    made = Path(tempfile.mkdtemp(prefix="kept-", dir="/tmp"))
    yield made
    assert eventually(lambda: not processes_of(made)), "the test left processes behind"
    shutil.rmtree(made)


@pytest.fixture(scope="session")
def ordinary_uid() -> int | None:
    """Give a user other than root who can run this interpreter and this checkout; None means ourselves."""
    for entry in pwd.getpwall() if AS_ROOT else []:
        if entry.pw_uid != 0 and entry.pw_name != "nobody":
            with suppress(OSError), owner(code="import app.embedded; print('yes')", uid=entry.pw_uid) as (_, said):
                return entry.pw_uid if said else None
    return None
