"""What the doctor says of revisions is done in a copy of the project; afterwards it finds nothing."""

import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from app.db import Database, DatabaseSettings
from app.db.migrations import upgrade
from app.db.models import metadata
from tests.doctor.advice import COMMAND
from tests.support.databases import MakeDatabase
from tests.support.migrations import FIRST, HEAD
from tests.support.tree import Tree

_REVISION = (
    '"""{name}."""\n\nfrom alembic import op\n\nrevision = "{name}"\ndown_revision = "{after}"\n\n\n'
    "def upgrade():\n    op.execute('select 1')\n\n\ndef downgrade():\n    op.execute('select 1')\n"
)
OURS = ", ".join(table.name for table in metadata.sorted_tables)
_INI_LINE = "version_table = alembic_version"


def add_heads(tree: Tree) -> None:
    """Add two revisions that both follow the head."""
    for name in ("b1", "b2"):
        path = tree.folder / f"alembic/versions/2030_01_01_0000_{name}.py"
        path.write_text(_REVISION.format(name=name, after=HEAD))


async def said_of_the_revision(tree: Tree) -> tuple[str, str]:
    """Return the level and the advice of the doctor on the revision."""
    _, said = await tree.run("app", "doctor", "--json")
    findings = json.loads(said)["findings"]
    (found,) = (each for each in findings if each["check"] == "schema.revision")
    return found["level"], found["advice"]


async def follow_in(tree: Tree, advice: str) -> None:
    """Edit alembic.ini and run the commands that the advice names, in their order."""
    if "into alembic.ini" in advice:
        line = advice.partition("write ")[2].partition(" into alembic.ini")[0]
        ini = tree.folder / "alembic.ini"
        ini.write_text(ini.read_text().replace(_INI_LINE, line))
        assert line in ini.read_text()
    commands = COMMAND.findall(advice)
    assert commands, advice
    for command in commands:
        status, said = await tree.run(*command.removeprefix("python -m ").split())
        assert status == 0, f"{command}: {said}"


async def _at_neither_head(tree: Tree) -> None:
    add_heads(tree)


async def _at_both_heads(tree: Tree) -> None:
    add_heads(tree)
    await tree.alembic("upgrade", "heads")


async def _at_one_head(tree: Tree) -> None:
    add_heads(tree)
    await tree.alembic("upgrade", "b1")


async def _merged_and_not_migrated(tree: Tree) -> None:
    await _at_both_heads(tree)
    await tree.alembic("merge", "heads")


async def _behind(tree: Tree) -> None:
    await tree.alembic("-x", "yes", "downgrade", FIRST)


async def _another_applications_table(tree: Tree) -> None:
    await _without_ours(tree, "drop table alembic_version", "create table alembic_version (revision integer)")


async def _another_applications_revision(tree: Tree) -> None:
    await _without_ours(tree, "update alembic_version set version_num = 'theirs'")


async def _without_ours(tree: Tree, *statements: str) -> None:
    await _run(tree, f"drop table {OURS}", "drop function set_updated_at", *statements)


async def _run(tree: Tree, *statements: str) -> None:
    async with Database(DatabaseSettings(url=tree.url)) as db:
        for statement in statements:
            await db.execute(text(statement))


@pytest.mark.parametrize(
    "make_ill",
    [
        _at_neither_head,
        _at_one_head,
        _at_both_heads,
        _merged_and_not_migrated,
        _behind,
        _another_applications_table,
        _another_applications_revision,
    ],
)
async def test_the_revision_is_well_after_what_is_said_was_done(
    make_database: MakeDatabase, tmp_path: Path, make_ill: Callable[[Tree], Awaitable[None]]
) -> None:
    """One advice is enough."""
    tree = Tree(tmp_path, await make_database())
    await upgrade(DatabaseSettings(url=tree.url))
    await make_ill(tree)
    level, advice = await said_of_the_revision(tree)
    assert level in ("error", "warning")
    await follow_in(tree, advice)
    assert (await said_of_the_revision(tree))[0] == "ok"
