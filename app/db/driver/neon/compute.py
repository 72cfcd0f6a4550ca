"""Refusals by PostgreSQL and PgBouncer on the compute, which the proxy passes on without their SQLSTATE."""

from typing import Final

from app.db.driver.neon.reason import fix, retry

REASONS: Final = (
    fix(
        '^database ".*" does not exist',
        "Create the database, or write the name of an existing one into the URL.",
        "3D000",
    ),
    fix(
        '^database ".*" is not currently accepting',
        "Connect to another database, or allow connections to this one.",
        "55000",
    ),
    fix(
        '^role ".*" (does not exist|is not permitted to log in)|no pg_hba.conf entry',
        "Connect as a role that may log in: Neon's console lists them.",
        "28000",
    ),
    fix("^permission denied for database", "Grant the right: grant connect on database ... to ...;", "42501"),
    fix(
        "unsupported startup parameter",
        "Remove the parameter from the URL, or use the direct host (without -pooler).",
        "08P01",
    ),
    fix(
        "^(unrecognized configuration parameter|invalid value for parameter|permission denied to set parameter)"
        '|^parameter ".*" cannot be',
        "Correct the setting in the URL's options, or remove it.",
        "22023",
    ),
    retry(
        "too many clients already|remaining connection slots|^too many connections for|no more connections allowed",
        "All connections are in use: use smaller pools, fewer processes or the pooled host.",
        "53300",
    ),
    retry(
        "the database system is (starting up|shutting down|in recovery|not )",
        "The compute is starting or stopping; if it lasts, check it in Neon's console.",
        "57P03",
    ),
    retry(
        "query_wait_timeout|server login has been failing|server conn crashed|cannot connect to server"
        "|pgbouncer is shutting down",
        "Neon's pooler has no connection to the compute: end long transactions, or use the direct host.",
        "08P01",
    ),
    retry(
        "couldn't connect to compute node|^connection closed|unexpected message from server"
        "|error communicating with the server|error parsing response from server|error performing tls handshake"
        "|timeout waiting for server|^authentication error",
        "The compute is starting or stopping; if it lasts, check it in Neon's console.",
    ),
)
