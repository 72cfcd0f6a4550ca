"""Each refusal names the missing right, the object, and a statement that grants it; the tests run the statement."""

import re
import secrets

import pytest
from sqlalchemy import make_url, text

from app.db import Database, DatabaseSettings
from app.db.errors import ConfigurationError
from app.db.migrations import current, downgrade, upgrade
from tests.support.databases import MakeDatabase
from tests.support.migrations import HEAD, run_module

# What is made wrong (as a superuser, in the database), and what is then attempted.
EMPTY = {
    "may not create": (
        "revoke create on schema public from public; grant usage on schema public to {role}",
        "use the schema public, or create objects in it",
    ),
    "may not use": ("revoke all on schema public from public", "create objects in any schema"),
    "no schema": ("drop schema public", "create objects in any schema of the search_path"),
    "may not connect": (
        "revoke connect on database {database} from public; grant create on schema public to {role}",
        "connect to the database {database}",
    ),
    "may not log in": ("alter role {role} nologin; grant create on schema public to {role}", "log in"),
}
MIGRATED = {
    "the version cannot be read": ("grant usage on schema public to {role}", "read or write the table alembic_version"),
    "not the owner of tables": (
        "grant all on alembic_version to {role}; grant all on schema public to {role}",
        "change the table task",
    ),
}


class Place:
    """A database, and a role without any right in it."""

    def __init__(self, url: str) -> None:
        self.superuser = DatabaseSettings(url=url)
        self.role = f"role_{secrets.token_hex(4)}"
        self.database = str(make_url(url).database)
        self.settings = DatabaseSettings(
            url=make_url(url).set(username=self.role).render_as_string(hide_password=False), retry_seconds=1
        )

    async def run(self, statements: str) -> None:
        """Run statements as a superuser."""
        async with Database(self.superuser) as db, db.engine.connect() as connection:
            driver = (await connection.get_raw_connection()).driver_connection
            assert driver is not None
            await driver.execute(statements.format(role=self.role, database=self.database))

    async def follow(self, error: ConfigurationError) -> None:
        """Follow the error's advice."""
        said = re.search(r"The role \S+ may not .*?\. (?:As|In) [^:]*: (.*;)$", str(error), re.DOTALL)
        assert said, str(error)
        await self.run(said[1].replace("{", "{{").replace("}", "}}"))

    async def until_it_works(self, revision: str = "head") -> list[str]:
        """Migrate, follow each error, and return their texts."""
        said: list[str] = []
        while (refused := await self._refusal(revision)) is not None:
            said.append(str(refused))
            assert len(said) == len(set(said)), f"following it did not help: {said[-1]}"
            await self.follow(refused)
        return said

    async def _refusal(self, revision: str) -> ConfigurationError | None:
        try:
            await upgrade(self.settings, revision)
        except ConfigurationError as error:
            return error
        return None


async def place(url: str) -> Place:
    """Make a role without rights."""
    made = Place(url)
    await made.run("create role {role} login")
    return made


@pytest.mark.parametrize("state", [*EMPTY, *MIGRATED])
async def test_both_commands_say_the_same(make_database: MakeDatabase, state: str) -> None:
    """`alembic` and `python -m app migrate` print the error of `upgrade`."""
    where = await place(await make_database())
    if state in MIGRATED:
        await upgrade(where.superuser, "1ef187533fa2")
    await where.run((EMPTY | MIGRATED)[state][0])
    with pytest.raises(ConfigurationError) as refused:
        await upgrade(where.settings)
    for command in (("alembic", "upgrade", "head"), ("app", "migrate")):
        status, said = await run_module(*command, url=where.settings.url.get_secret_value())
        assert status != 0
        assert _in_one_line(str(refused.value)) in _in_one_line(said), command
    await where.run("reassign owned by {role} to current_user; drop owned by {role}; drop role {role}")


def _in_one_line(text: str) -> str:
    return "".join(text.split())


@pytest.mark.parametrize("state", EMPTY)
async def test_an_empty_database_is_migrated_by_following_each_error(make_database: MakeDatabase, state: str) -> None:
    """A role without rights reaches head."""
    where = await place(await make_database())
    statements, right = EMPTY[state]
    await where.run(statements)
    said = await where.until_it_works()
    assert f"The role {where.role} may not {right.format(database=where.database)}" in said[0]
    assert await current(where.settings) == HEAD
    await where.run("drop owned by {role}; drop role {role}")


@pytest.mark.parametrize("state", MIGRATED)
async def test_a_database_of_another_owner_is_migrated_by_following_each_error(
    make_database: MakeDatabase, state: str
) -> None:
    """Tables, indexes, functions and the version table belong to the role that migrated first."""
    url = await make_database()
    where = await place(url)
    await upgrade(where.superuser, "1ef187533fa2")
    statements, right = MIGRATED[state]
    await where.run(statements)
    said = await where.until_it_works()
    assert f"The role {where.role} may not {right}" in said[0]
    assert await current(where.settings) == HEAD
    await downgrade(where.settings, "1ef187533fa2")
    await where.run("reassign owned by {role} to current_user; drop owned by {role}; drop role {role}")


async def test_a_database_that_is_not_there(make_database: MakeDatabase) -> None:
    """The statement creates it, owned by the role, and it migrates."""
    where = await place(await make_database())
    name = f"{where.database}_more"
    url = make_url(where.settings.url.get_secret_value()).set(database=name).render_as_string(hide_password=False)
    settings = DatabaseSettings(url=url, retry_seconds=1)
    with pytest.raises(ConfigurationError, match=f"may not use the database {name}: it does not exist") as refused:
        await upgrade(settings)
    await where.follow(refused.value)
    await upgrade(settings)
    assert await current(settings) == HEAD
    async with Database(where.superuser) as db:
        await db.execute(text(f"drop database {name} with (force)"))
    await where.run("drop role {role}")
