"""What can be wrong with the rights of a database, and the finding that reports it."""

from app.doctor import Level
from tests.doctor.planted_case import Planted

ACCESS = {
    "a role that may not write": Planted(
        ("revoke insert, update on task from app", "revoke select on alembic_version from app"),
        "access.privileges",
        Level.ERROR,
        "the role lacks select on alembic_version; the role lacks insert, update on task",
        "grant select on alembic_version to app; grant select, insert, update, delete on task to app;",
    ),
    "a role that may do more": Planted(
        ("grant truncate, trigger on task to app", "grant delete on alembic_version to public"),
        "access.privileges",
        Level.WARNING,
        "app has trigger, truncate on task",
        "revoke trigger, truncate on task from app;",
    ),
    "a role that sees through row-level security": Planted(
        ("alter role app bypassrls createdb",),
        "access.role",
        Level.WARNING,
        "the role has bypassrls, createdb, which it does not need",
        "alter role app nobypassrls nocreatedb;",
    ),
    "a role that reads everything": Planted(
        ("grant pg_read_all_data to app",),
        "access.role",
        Level.WARNING,
        "the role is a member of pg_read_all_data",
        "revoke pg_read_all_data from app;",
    ),
    "everybody may create in the schema": Planted(
        ("grant create on schema public to public",),
        "access.planting",
        Level.ERROR,
        "every role can create objects in the schema public",
        "revoke create on schema public from public;",
    ),
    "another role may create in the schema": Planted(
        ("grant create on schema public to app_reader",),
        "access.planting",
        Level.ERROR,
        "the role app_reader can create objects in the schema public",
        "revoke create on schema public from app_reader;",
    ),
    "another role owns the schema": Planted(
        ("alter schema public owner to app_reader",),
        "access.planting",
        Level.ERROR,
        "the role app_reader owns the schema public, but not the tables",
        "alter schema public owner to app_owner;",
    ),
    "another role may make the schema that comes first": Planted(
        ("grant create on database {name} to app_reader",),
        "access.planting",
        Level.ERROR,
        "the role app_reader can create schemas, and search_path (app, public) names one that does not exist",
        "from app_reader;",
    ),
    "another role owns the database": Planted(
        ("alter schema public owner to app_owner", "alter database {name} owner to app_reader"),
        "access.planting",
        Level.ERROR,
        "the role app_reader can create schemas",
        "owner to app_owner;",
    ),
    "a planted operator": Planted(
        (
            "create function public.lower(varchar) returns text language sql return 'spied'",
            "create function public.spy(varchar, varchar) returns boolean language sql return true",
            "create operator public.= (leftarg = varchar, rightarg = varchar, function = public.spy)",
            "alter function public.lower(varchar) owner to app_reader",
            "alter operator public.= (varchar, varchar) owner to app_reader",
        ),
        "access.planting",
        Level.ERROR,
        "the operator public.=(character varying,character varying) has the name of a system object",
        "drop operator public.=(character varying,character varying);",
    ),
}
