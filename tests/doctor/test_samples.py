"""The rows that the doctor writes are made from the models; a table that refuses them is not called broken."""

from enum import StrEnum
from typing import Any

import pytest
from sqlalchemy import (
    ARRAY,
    JSON,
    Boolean,
    Column,
    Date,
    Float,
    Integer,
    Interval,
    LargeBinary,
    MetaData,
    Numeric,
    String,
    Table,
    Text,
    Time,
    Uuid,
    func,
    insert,
    select,
    text,
)
from sqlalchemy.types import TypeEngine

from app.db.models.base import one_of, owned_tables
from app.doctor import Level, examine
from app.doctor.criteria.samples import NoSamples, sample_value, write_samples
from app.doctor.measuring.explain import explain
from app.doctor.schema.plans import any_parameters
from app.repositories.columns import parameter
from tests.doctor.conftest import Clinic, MakePatient

# Every table `task` that is made in this database refuses the third sample row.
REFUSE = """create function refuse() returns event_trigger language plpgsql as $$
declare made text; begin
  select object_identity into made from pg_event_trigger_ddl_commands() where object_identity like '%.task';
  if made is not null then
    execute format('alter table %s add constraint no_third check (title <> ''sample 3'')', made);
  end if;
end $$"""
ON_CREATE = "create event trigger refusing on ddl_command_end when tag in ('CREATE TABLE') execute function refuse()"


class Colour(StrEnum):
    """Values of a native enum type."""

    RED = "red"
    BLUE = "it's dark: x:y 100%"


TYPES = [
    ARRAY(Text()),
    Boolean(),
    Date(),
    Float(),
    Integer(),
    Interval(),
    LargeBinary(),
    Numeric(5, 2),
    one_of(Colour, name="colour"),
    String(1),
    String(5),
    Text(),
    Time(),
    Uuid(),
]


@pytest.mark.parametrize("type_", TYPES, ids=lambda type_: type(type_).__name__)
async def test_a_column_of_any_usual_type_has_samples(clinic: Clinic, type_: TypeEngine[object]) -> None:
    """The server accepts the value of each of a hundred rows, and a plan's parameter has a value, too."""
    column = Column("value", type_, nullable=False)
    table = Table("sampled", MetaData(), column)
    statement = insert(table).values({"value": parameter(column)})
    values = any_parameters(statement)
    assert values.keys() == {"p_value"}
    filled = f"insert into sampled select {sample_value(column)} from generate_series(1, 100) n"
    async with clinic.as_superuser() as db, db.engine.connect() as connection:
        await connection.run_sync(table.metadata.create_all)
        await explain(connection, statement, values)
        await connection.execute(text(filled))
        assert (await connection.execute(select(func.count()).select_from(table))).scalar_one() == 100
        await connection.rollback()


def test_a_type_without_samples_is_named() -> None:
    """The column is named where no value is known."""
    column: Column[Any] = Column("value", JSON(), nullable=False)
    Table("odd", MetaData(), column)
    with pytest.raises(NoSamples, match=r"odd\.value"):
        sample_value(column)


async def test_a_table_that_refuses_samples_is_not_called_broken(clinic: Clinic, make_patient: MakePatient) -> None:
    """Its criteria are not tried, and the finding names the rule."""
    report = await examine(clinic.settings(await make_patient(REFUSE, ON_CREATE)), write=True)
    found = {each.name: each for each in report.findings if each.group == "criteria"}
    for criterion in ("SC-003", "SC-005", "SC-007", "SC-009"):
        assert found[criterion].level is Level.NOTE
        assert "not tested (the sample rows are refused: " in found[criterion].found
        assert "no_third" in found[criterion].found


async def test_refused_samples_leave_nothing(clinic: Clinic, make_patient: MakePatient) -> None:
    """The tables filled before the one that refuses are as they were."""
    name = await make_patient("alter table message add constraint no_third check (content <> 'sample 3')")
    async with clinic.as_superuser(name) as db:
        with pytest.raises(NoSamples, match="message"):
            await write_samples(db, ["ada"], rows_each=3)
        for table in owned_tables():
            assert (await db.execute(select(func.count()).select_from(table))).scalar_one() == 0
