"""Refusals by the proxy itself: auth/mod.rs, auth/credentials.rs, pglb/mod.rs, sasl/mod.rs, scram/exchange.rs."""

from typing import Final

from app.db.driver.neon.reason import fix, retry

REASONS: Final = (
    fix(
        "password authentication failed",
        "password authentication failed for user 'ada'",
        advice="Copy the URL again from Neon's console (Connect), or reset the role's password there.",
    ),
    fix(
        "vpc endpoint id",
        "VPC endpoint ID is not specified. This endpoint requires a VPC endpoint ID to connect.",
        "This VPC endpoint id vpce-1 is not allowed to connect to this endpoint. Please add it to the allowed list in "
        "the Neon console.",
        advice="Add the VPC endpoint in Neon's console (project settings, network security), or use the public host.",
    ),
    fix(
        "endpoint id is not specified",
        "Endpoint ID is not specified. Either please upgrade the postgres client library (libpq) for SNI support or "
        "pass the endpoint ID (first part of the domain name) as a parameter: '?options=endpoint%3D<endpoint-id>'. "
        "See more at https://neon.tech/sni",
        advice="Use the host that Neon's console shows; for any other host or an address add "
        "options=endpoint%3D<endpoint-id>.",
    ),
    fix(
        "inconsistent project name",
        "Inconsistent project name inferred from SNI ('ep-a-1') and project option ('ep-b-2').",
        advice="Take endpoint= out of the URL's options, or make it the first part of the host.",
    ),
    fix(
        "project name .* must contain only",
        "Project name ('ep_a') must contain only alphanumeric characters and hyphen.",
        advice="Correct the endpoint's name in the host or in the URL's options.",
    ),
    fix(
        "parameter '.*' is missing",
        "Parameter 'user' is missing in startup packet.",
        advice="Write the user into the URL.",
    ),
    fix(
        "ip address .* is not allowed",
        "This IP address 192.0.2.1 is not allowed to connect to this endpoint. Please add it to the allowed list in "
        "the Neon console. Make sure to check for IPv4 or IPv6 addresses.",
        advice="Add the address that the message names to IP Allow in Neon's console; a NAT gateway or IPv6 may have "
        "changed it.",
    ),
    fix(
        "blocked network",
        "This connection is trying to access this endpoint from a blocked network.",
        advice="Connect from a network that the project lets in, or unblock public or VPC access in Neon's console "
        "(project settings, network security).",
    ),
    fix(
        "connection is insecure",
        "connection is insecure (try using `sslmode=require`)",
        advice="Write sslmode=verify-full into the URL: Neon refuses connections without TLS.",
    ),
    fix(
        "channel data mismatch",
        "insecure connection: secure channel data mismatch",
        advice="Something between here and Neon decrypts the connection: find it, then change the password.",
    ),
    fix(
        "unsupported authentication method|authentication protocol violation|malformed password message"
        "|unsupported channel binding|scram-plus not used",
        "Unsupported authentication method: invalid for local proxy",
        "authentication protocol violation",
        "Malformed password message: missing terminator",
        "unsupported channel binding method tls-unique",
        "SCRAM-PLUS not used",
        advice="Connect to the host that Neon's console shows, with nothing in between that answers for it; then "
        "upgrade asyncpg.",
    ),
    fix(
        "disconnected due to inactivity",
        "Disconnected due to inactivity after 2m.",
        advice="This host logs in people through a link in the browser: use the host of the project.",
    ),
    retry(
        "too many connections attempts|too many database connection attempts|too many connections to this endpoint",
        "Too many connections attempts",
        "Failed to acquire permit to connect to the database. Too many database connection attempts are currently "
        "ongoing.",
        "Too many connections to this endpoint. Please try again later.",
        advice="Many clients connect at once: use fewer processes or smaller pools.",
    ),
    retry(
        "internal error",
        "Internal error",
        advice="Neon's proxy failed; if it lasts, see neonstatus.com.",
    ),
    retry(
        "authentication timed out",
        "Authentication timed out",
        advice="The login took too long: look for a busy event loop here or a slow network.",
    ),
)
