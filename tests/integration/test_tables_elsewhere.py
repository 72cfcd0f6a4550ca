"""Tables in a schema outside the search_path are told alike by all, and seen after what they say was done."""

import pytest
from sqlalchemy import make_url

from app.db.models import metadata
from app.db.revisions import version_table_name
from tests.integration.test_missing_rights import SPEAKERS, place
from tests.support.databases import MakeDatabase


@pytest.mark.parametrize("speaker", ["error", "statement", "transaction", "readiness", "doctor"])
async def test_all_say_the_same_of_tables_outside_the_search_path(make_database: MakeDatabase, speaker: str) -> None:
    """The role sees the tables after a superuser has run the statements; two such schemas are none of ours."""
    async with place(await make_database(), "public") as where:
        superuser = str(make_url(where.url).username)
        await where.run(
            "alter schema public rename to moved; create schema public; grant usage on schema public to public",
            role=superuser,
        )
        said = await SPEAKERS[speaker](where.application)
        assert said is not None
        told = said.partition("as a superuser: ")[2].partition(" otherwise run: python -m app migrate")[0]
        app, database = f"{where.name}_app", make_url(where.url).database
        assert told == (
            f"grant usage on schema moved to {app}; "
            f"alter role {app} in database {database} set search_path = moved, public;"
        )
        await where.run(told, role=superuser)
        assert await SPEAKERS[speaker](where.application) is None
        await where.run(f"alter role {app} in database {database} reset search_path", role=superuser)
        names = [version_table_name(), *(table.name for table in metadata.sorted_tables)]
        await where.run(
            "create schema second; " + ";".join(f"create table second.{name} (id int)" for name in names),
            role=superuser,
        )
        assert "search_path" not in str(await SPEAKERS[speaker](where.application))
