"""The sentences with which Neon refuses a connection, as in its source, with example names."""

from collections.abc import Iterator
from typing import Final

from app.db.driver.neon import Reason, find_reason

_TEXTS: Final = (
    # The proxy itself: auth/mod.rs, auth/credentials.rs, pglb/mod.rs, sasl/mod.rs, scram/exchange.rs
    "password authentication failed for user 'ada'",
    "VPC endpoint ID is not specified. This endpoint requires a VPC endpoint ID to connect.",
    (
        "This VPC endpoint id vpce-1 is not allowed to connect to this endpoint. Please add it to the allowed list in "
        "the Neon console."
    ),
    (
        "Endpoint ID is not specified. Either please upgrade the postgres client library (libpq) for SNI support or "
        "pass the endpoint ID (first part of the domain name) as a parameter: '?options=endpoint%3D<endpoint-id>'. "
        "See more at https://neon.tech/sni"
    ),
    "Inconsistent project name inferred from SNI ('ep-a-1') and project option ('ep-b-2').",
    "Project name ('ep_a') must contain only alphanumeric characters and hyphen.",
    "Parameter 'user' is missing in startup packet.",
    (
        "This IP address 192.0.2.1 is not allowed to connect to this endpoint. Please add it to the allowed list in "
        "the Neon console. Make sure to check for IPv4 or IPv6 addresses."
    ),
    "This connection is trying to access this endpoint from a blocked network.",
    "connection is insecure (try using `sslmode=require`)",
    "insecure connection: secure channel data mismatch",
    "Unsupported authentication method: invalid for local proxy",
    "authentication protocol violation",
    "Malformed password message: missing terminator",
    "unsupported channel binding method tls-unique",
    "SCRAM-PLUS not used",
    "Disconnected due to inactivity after 2m.",
    "Too many connections attempts",
    "Failed to acquire permit to connect to the database. Too many database connection attempts are currently ongoing.",
    "Too many connections to this endpoint. Please try again later.",
    "Internal error",
    "Authentication timed out",
    # PostgreSQL and PgBouncer on the compute
    'database "app" does not exist',
    'database "template0" is not currently accepting connections',
    'role "ada" does not exist',
    'role "ada" is not permitted to log in',
    'no pg_hba.conf entry for host "192.0.2.1", user "ada", database "app", no encryption',
    'permission denied for database "app"',
    *(
        f"unsupported startup parameter{where}: search_path. Please use unpooled connection or remove this "
        "parameter from the startup package. More details: "
        "https://neon.tech/docs/connect/connection-errors#unsupported-startup-parameter"
        for where in ("", " in options")
    ),
    'unrecognized configuration parameter "search_paths"',
    'invalid value for parameter "statement_timeout": "soon"',
    'permission denied to set parameter "log_statement"',
    'parameter "max_connections" cannot be changed without restarting the server',
    "sorry, too many clients already",
    "remaining connection slots are reserved for roles with the SUPERUSER attribute",
    'too many connections for role "ada"',
    'too many connections for database "app"',
    "no more connections allowed (max_client_conn)",
    "the database system is starting up",
    "the database system is shutting down",
    "the database system is in recovery mode",
    "the database system is not accepting connections",
    "the database system is not yet accepting connections",
    "query_wait_timeout",
    "server login has been failing, cached error: connect failed (server_login_retry)",
    "server conn crashed?",
    "pgbouncer is shutting down",
    "Couldn't connect to compute node",
    "connection closed",
    "unexpected message from server",
    "error communicating with the server: Connection reset by peer (os error 104)",
    "error parsing response from server: unexpected EOF",
    "error performing TLS handshake: received fatal alert",
    "timeout waiting for server",
    "authentication error: unsupported SASL mechanism",
    # The control plane: control_plane/messages.rs and errors.rs
    "Control plane request failed: endpoint cannot be found",
    *(
        f"The requested {what} could not be found, or you don't have access to it. Please check the provided ID "
        "and try again."
        for what in ("endpoint", "branch", "project", "resource")
    ),
    "Control plane request failed: endpoint is disabled",
    "The endpoint has been disabled. Enable it using Neon API and retry.",
    "You have exceeded the limit of concurrently active endpoints. Please suspend some endpoints and try again.",
    "active endpoints limit exceeded",
    "Control plane request failed: endpoint is temporarily unavailable. Check your quotas and/or contact our support.",
    "Your account or project has exceeded the compute time quota. Upgrade your plan to increase limits.",
    *(
        f"Your project has exceeded the {what} quota. Upgrade your plan to increase limits."
        for what in ("active time", "written data", "data transfer", "logical size")
    ),
    (
        "You've exceeded the compute time for this branch. Upgrade your plan to increase limits or connect to another "
        "branch."
    ),
    (
        "The role you're attempting to use is protected and cannot be used for password-based authentication. Please "
        "pick a different role and try again."
    ),
    "You've exceeded the rate limit. Please wait a moment and try again.",
    "Your project already has running operations. Please wait until they complete, and then try again.",
    "Control plane request failed",
)


def _refusals() -> Iterator[tuple[Reason, str]]:
    for said in _TEXTS:
        reason = find_reason("XX000", said)
        assert reason, said
        yield reason, said


REFUSALS: Final = tuple(_refusals())
"""Each sentence with the reason that the layer finds in it."""
