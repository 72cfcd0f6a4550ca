"""Refusals by PostgreSQL and PgBouncer on the compute, which the proxy passes on without their SQLSTATE."""

from typing import Final

from app.db.driver.neon.reason import fix, retry

REASONS: Final = (
    fix(
        '^database ".*" does not exist',
        'database "app" does not exist',
        advice="Create the database, or write the name of an existing one into the URL.",
        sqlstate="3D000",
    ),
    fix(
        '^database ".*" is not currently accepting',
        'database "template0" is not currently accepting connections',
        advice="Connect to another database, or allow connections to this one.",
        sqlstate="55000",
    ),
    fix(
        '^role ".*" (does not exist|is not permitted to log in)|no pg_hba.conf entry',
        'role "ada" does not exist',
        'role "ada" is not permitted to log in',
        'no pg_hba.conf entry for host "192.0.2.1", user "ada", database "app", no encryption',
        advice="Connect as a role that may log in: Neon's console lists them.",
        sqlstate="28000",
    ),
    fix(
        "^permission denied for database",
        'permission denied for database "app"',
        advice="Grant it: grant connect on database ... to ...;",
        sqlstate="42501",
    ),
    fix(
        "unsupported startup parameter",
        *(
            f"unsupported startup parameter{where}: search_path. Please use unpooled connection or remove this "
            "parameter from the startup package. More details: "
            "https://neon.tech/docs/connect/connection-errors#unsupported-startup-parameter"
            for where in ("", " in options")
        ),
        advice="Take the parameter out of the URL, or use the direct host (without -pooler).",
        sqlstate="08P01",
    ),
    fix(
        "^(unrecognized configuration parameter|invalid value for parameter|permission denied to set parameter)"
        '|^parameter ".*" cannot be',
        'unrecognized configuration parameter "search_paths"',
        'invalid value for parameter "statement_timeout": "soon"',
        'permission denied to set parameter "log_statement"',
        'parameter "max_connections" cannot be changed without restarting the server',
        advice="Correct the setting in the URL's options, or take it out.",
        sqlstate="22023",
    ),
    retry(
        "too many clients already|remaining connection slots|^too many connections for|no more connections allowed",
        "sorry, too many clients already",
        "remaining connection slots are reserved for roles with the SUPERUSER attribute",
        'too many connections for role "ada"',
        'too many connections for database "app"',
        "no more connections allowed (max_client_conn)",
        advice="All connections are taken: use smaller pools, fewer processes or the pooled host.",
        sqlstate="53300",
    ),
    retry(
        "the database system is (starting up|shutting down|in recovery|not )",
        "the database system is starting up",
        "the database system is shutting down",
        "the database system is in recovery mode",
        "the database system is not accepting connections",
        "the database system is not yet accepting connections",
        advice="The compute is starting or stopping; if it lasts, look at it in Neon's console.",
        sqlstate="57P03",
    ),
    retry(
        "query_wait_timeout|server login has been failing|server conn crashed|cannot connect to server"
        "|pgbouncer is shutting down",
        "query_wait_timeout",
        "server login has been failing, cached error: connect failed (server_login_retry)",
        "server conn crashed?",
        "pgbouncer is shutting down",
        advice="Neon's pooler has no connection to the compute: end long transactions, or use the direct host.",
        sqlstate="08P01",
    ),
    retry(
        "couldn't connect to compute node|^connection closed|unexpected message from server"
        "|error communicating with the server|error parsing response from server|error performing tls handshake"
        "|timeout waiting for server|^authentication error",
        "Couldn't connect to compute node",
        "connection closed",
        "unexpected message from server",
        "error communicating with the server: Connection reset by peer (os error 104)",
        "error parsing response from server: unexpected EOF",
        "error performing TLS handshake: received fatal alert",
        "timeout waiting for server",
        "authentication error: unsupported SASL mechanism",
        advice="The compute is starting or stopping; if it lasts, look at it in Neon's console.",
    ),
)
