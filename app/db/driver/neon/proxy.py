"""Refusals by the proxy itself: auth/mod.rs, auth/credentials.rs, pglb/mod.rs, sasl/mod.rs, scram/exchange.rs."""

from typing import Final

from app.db.driver.neon.reason import fix, retry

REASONS: Final = (
    fix(
        "password authentication failed",
        "Copy the URL again from Neon's console (Connect), or reset the role's password there.",
    ),
    fix(
        "vpc endpoint id",
        "Add the VPC endpoint in Neon's console (project settings, network security), or use the public host.",
    ),
    fix(
        "endpoint id is not specified",
        "Use the host that Neon's console shows; for any other host or an address add "
        "options=endpoint%3D<endpoint-id>.",
    ),
    fix(
        "inconsistent project name",
        "Remove endpoint= from the URL's options, or give it the first part of the host's name.",
    ),
    fix("project name .* must contain only", "Correct the endpoint's name in the host or in the URL's options."),
    fix("parameter '.*' is missing", "Add the user to the URL."),
    fix(
        "ip address .* is not allowed",
        "Add the address that the message names to IP Allow in Neon's console; a NAT gateway or IPv6 may have "
        "changed it.",
    ),
    fix(
        "blocked network",
        "Connect from a network that the project allows, or unblock public or VPC access in Neon's console "
        "(project settings, network security).",
    ),
    fix("connection is insecure", "Write sslmode=verify-full into the URL: Neon refuses connections without TLS."),
    fix(
        "channel data mismatch",
        "Something between here and Neon decrypts the connection: find out what, then change the password.",
    ),
    fix(
        "unsupported authentication method|authentication protocol violation|malformed password message"
        "|unsupported channel binding|scram-plus not used",
        "Connect to the host that Neon's console shows, with no other proxy in between; then upgrade asyncpg.",
    ),
    fix(
        "disconnected due to inactivity", "This host is for logging in through a browser: use the host of the project."
    ),
    retry(
        "too many connections attempts|too many database connection attempts|too many connections to this endpoint",
        "Too many clients connect at once: use fewer processes or smaller pools.",
    ),
    retry("internal error", "Neon's proxy failed; if it lasts, see neonstatus.com."),
    retry("authentication timed out", "The login took too long: check for a blocked event loop or a slow network."),
)
