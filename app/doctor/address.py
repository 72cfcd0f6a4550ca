"""Where the URL leads, as it was understood."""

from app.db.errors import DataAccessError
from app.doctor.findings import Finding, error, note, ok
from app.doctor.subject import Checks, Subject, open_driver


async def _understood(subject: Subject) -> list[Finding]:
    target = subject.target
    words = [str(target), f"sslmode={target.tls.mode}", "pooled" if target.pooled else "direct"]
    words += [f"{name}={value}" for name, value in target.server_settings.items()]
    if target.target_session_attrs != "any":
        words.append(f"target_session_attrs={target.target_session_attrs}")
    notes = [note("url.reading", text) for text in target.notes]
    return [ok("url.target", ", ".join(words)), *notes]


async def _migrations_reach_the_server(subject: Subject) -> list[Finding]:
    check = "url.direct"
    if not subject.target.pooled and not subject.settings.direct_url:
        return []
    try:
        target = subject.settings.direct_target()
        driver = await open_driver(subject.settings, target)
    except DataAccessError as problem:
        return [
            error(check, f"migrations cannot connect: {problem}", "Set DATABASE_DIRECT_URL to the server's own URL.")
        ]
    driver.terminate()
    return [ok(check, f"migrations go to {target}")]


CHECKS: Checks = {
    "url.target": _understood,
    "url.direct": _migrations_reach_the_server,
}
