"""What can be wrong with a database, and the finding that reports it."""

from app.db.models import metadata
from app.db.models.blank import VISIBLE
from app.doctor import Level
from tests.doctor.planted_access import ACCESS
from tests.doctor.planted_case import Planted

PLANTED = {
    "missing index": Planted(
        ("drop index ix_task_user_id_id",),
        "schema.indexes",
        Level.ERROR,
        "ix_task_user_id_id on task is missing",
        "CREATE INDEX CONCURRENTLY ix_task_user_id_id ON task (user_id, id desc nulls last);",
    ),
    "a column of another type": Planted(
        ("alter table task alter column title type varchar(100)",),
        "schema.drift",
        Level.ERROR,
        "the column title of task is of type VARCHAR(100), in the models VARCHAR(200)",
        "ALTER TABLE task ALTER COLUMN title TYPE VARCHAR(200);",
    ),
    "a column missing": Planted(
        ("alter table task drop column description",),
        "schema.drift",
        Level.ERROR,
        "the column description of task is missing",
        "ALTER TABLE task ADD COLUMN description VARCHAR(1000);",
    ),
    "an index of other columns": Planted(
        ("drop index ix_message_user_id_id", "create index ix_message_user_id_id on message (role)"),
        "schema.drift",
        Level.ERROR,
        "the index ix_message_user_id_id of message is different from the models",
        "CREATE INDEX CONCURRENTLY ix_message_user_id_id ON message (user_id, id);",
    ),
    "tables that are somebody else's": Planted(
        ("create table theirs ()", "create table theirs_too ()"),
        "schema.drift",
        Level.OK,
        "none: the tables match the models",
        "",
    ),
    "a column that nobody knows": Planted(
        ("alter table task add column note text",),
        "schema.drift",
        Level.WARNING,
        "the column note of task is not in the models",
        "ALTER TABLE task DROP COLUMN note;",
    ),
    "a constraint missing": Planted(
        ("alter table task drop constraint ck_task_title_visible",),
        "schema.constraints",
        Level.ERROR,
        "ck_task_title_visible on task is missing",
        f"CHECK (cast(title as text) ~ '{VISIBLE}') NOT VALID; alter table task validate constraint ",
    ),
    "a foreign key missing": Planted(
        ("alter table message drop constraint fk_message_user_id_conversation_id_conversation",),
        "schema.constraints",
        Level.ERROR,
        "fk_message_user_id_conversation_id_conversation on message is missing",
        "REFERENCES conversation (user_id, id) ON DELETE CASCADE NOT VALID;",
    ),
    "a unique constraint missing": Planted(
        ("alter table conversation drop constraint uq_conversation_user_id_id cascade",),
        "schema.indexes",
        Level.ERROR,
        "uq_conversation_user_id_id on conversation is missing",
        "UNIQUE (user_id, id);",
    ),
    "a constraint never validated": Planted(
        (
            "alter table task drop constraint ck_task_title_visible",
            f"alter table task add constraint ck_task_title_visible check (title ~ '{VISIBLE}') not valid",
        ),
        "schema.constraints",
        Level.ERROR,
        "is not validated",
        "validate constraint ck_task_title_visible;",
    ),
    "foreign keys not enforced": Planted(
        ("alter table message disable trigger all",),
        "schema.triggers",
        Level.ERROR,
        "foreign keys are not enforced",
        "enable trigger all;",
    ),
    "no trigger for updated_at": Planted(
        ("drop trigger set_updated_at on task",),
        "schema.triggers",
        Level.ERROR,
        "updated_at does not change",
        "create or replace trigger set_updated_at before update on task",
    ),
    **ACCESS,
    "tables in a schema that the role does not see": Planted(
        ("alter schema public rename to hidden", "create schema public"),
        "schema.revision",
        Level.ERROR,
        "the tables are not visible to this role",
        "The schema hidden has such tables, but is not in the search_path of app.",
    ),
    "ahead of head": Planted(
        ("update alembic_version set version_num = 'f00f00f00f00'",),
        "schema.revision",
        Level.WARNING,
        "at f00f00f00f00, which this code does not know",
        "Deploy the newer code",
    ),
    "never migrated": Planted(
        (f"drop table {', '.join(metadata.tables)}, alembic_version",),
        "schema.revision",
        Level.ERROR,
        "never migrated",
        "python -m app migrate",
    ),
    "skewed clock": Planted(
        # Imitates a server with a wrong clock: the name is looked up in `skewed` first.
        (
            "create schema skewed",
            """create function skewed.clock_timestamp() returns timestamptz language sql
            as $$ select pg_catalog.clock_timestamp() - interval '1 hour' $$""",
            "grant usage on schema skewed to app",
            "alter database {name} set search_path = skewed, pg_catalog, public",
        ),
        "server.clock",
        Level.WARNING,
        "s behind this machine",
        "NTP",
    ),
    "synchronous_commit=off": Planted(
        ("alter database {name} set synchronous_commit = off",),
        "configuration.synchronous_commit",
        Level.WARNING,
        "lost if the server crashes",
        "synchronous_commit = on",
    ),
    "autovacuum off for a table": Planted(
        ("alter table message set (autovacuum_enabled = false)",),
        "configuration.autovacuum",
        Level.WARNING,
        "off for message",
        "reset (autovacuum_enabled)",
    ),
    "too few connections for the database": Planted(
        ("alter database {name} connection limit 15",),
        "capacity.pools",
        Level.ERROR,
        "1 x pool of 20 = 20 of 15 usable connections",
        "DATABASE_POOL_SIZE to 15",
    ),
    "a large table read as a whole": Planted(
        (
            "insert into conversation (user_id) select 'user-' || n % 100 from generate_series(1, 20000) n",
            "alter table message drop constraint fk_message_user_id_conversation_id_conversation",
            "alter table conversation drop constraint uq_conversation_user_id_id",
            "drop index ix_conversation_user_id_updated_at_id",
            "analyze conversation",
        ),
        "plans.conversations.page",
        Level.WARNING,
        "sequential scan on conversation, which has more than 10,000 rows",
        "analyze conversation",
    ),
    "left by a doctor that was killed": Planted(
        ("create schema doctor_20260101000000_0123abcd",),
        "scratch.left",
        Level.WARNING,
        "doctor_20260101000000_0123abcd",
        "drop schema doctor_20260101000000_0123abcd cascade;",
    ),
}
# The advice of these is SQL that can be run unchanged.
CURABLE = (
    "missing index",
    "a constraint missing",
    "a constraint never validated",
    "a foreign key missing",
    "a unique constraint missing",
    "foreign keys not enforced",
    "no trigger for updated_at",
    "a role that may not write",
    "a role that may do more",
    "a role that sees through row-level security",
    "a role that reads everything",
    "everybody may create in the schema",
    "another role may create in the schema",
    "another role owns the schema",
    "another role may make the schema that comes first",
    "another role owns the database",
    "a planted operator",
    "autovacuum off for a table",
)
