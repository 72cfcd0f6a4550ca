"""Fuzz what reads foreign input, guided by coverage: `python -m tools.fuzz url -max_total_time=120`.

Needs atheris, which has wheels for few platforms and is in no requirements: install it beside them. The arguments after
the name are libFuzzer's. It ends at the first input that raises an undocumented error or shows a password.
"""

import json
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import atheris

with atheris.instrument_imports(include=["app"]):
    from pydantic import ValidationError

    from app.api import ApiSettings
    from app.api.errors import ApiError, BadRequestError, PreconditionError
    from app.api.etags import updated_at_of
    from app.api.gate.body import check_json
    from app.api.gate.head import check_head
    from app.api.keys.key_set import KeySet, KeySetError
    from app.db import DatabaseSettings
    from app.db.errors import ConfigurationError, InvalidCursorError, InvalidInputError
    from app.db.models import MessageCreate, TaskCreate, TaskUpdate
    from app.db.target.url import parse_url
    from app.repositories.cursor import CursorFormat

_CANARY: Final = "canary-7d1c-2f6d0c1b9ae84357-qwertyuiop"
_URLS: Final = ("{}", f"postgresql://ada:{_CANARY}@{{}}", f"postgresql://ada:{_CANARY}@host/app?{{}}")
_VALID: Final[dict[type[Any], dict[str, str]]] = {
    DatabaseSettings: {"DATABASE_URL": f"postgresql://ada:{_CANARY}@host/app"},
    ApiSettings: {"API_JWT_SECRET": _CANARY, "API_JWT_ISSUER": "https://issuer.test", "API_JWT_AUDIENCE": "tasks"},
}
_NOT_FUZZED: Final = ("assistant", "jwks_file")  # what they name is imported and opened
_HEADERS: Final = [b"host", b"content-length", b"transfer-encoding", b"content-type", b"authorization", b"x-a"]
_CURSORS: Final = (CursorFormat("<q"), CursorFormat("<qq"))


def _says(work: Callable[[], object]) -> str:
    try:
        return repr(work())
    except ConfigurationError as error:
        return f"{error} {error!r}"


def _checked(said: str) -> None:
    if _CANARY in said:
        raise AssertionError(f"it shows the password: {said}")


def url(data: bytes) -> None:
    """Expect a target, or a `ConfigurationError`."""
    text = _URLS[data[0] % len(_URLS)].format(data[1:].decode(errors="replace")) if data else ""
    _checked(_says(lambda: parse_url(text, variable="DATABASE_URL")))
    _checked(_says(lambda: str(parse_url(text, variable="DATABASE_URL").direct())))


def cursors(data: bytes) -> None:
    """Expect a place with one cursor, or an `InvalidCursorError`; a time, or a `PreconditionError`."""
    text = data.decode("latin-1")
    for form in _CURSORS:
        with suppress(InvalidCursorError):
            if form.write(form.read(text, "task", "ada", None), "task", "ada", None) != text:
                raise AssertionError("two cursors for one place")
    with suppress(PreconditionError):
        updated_at_of(text)


def settings(data: bytes) -> None:
    """Expect settings, or a `ConfigurationError`."""
    given = atheris.FuzzedDataProvider(data)
    made = (DatabaseSettings, ApiSettings)[given.ConsumeBool()]
    for name in [name for name in os.environ if name.startswith(("DATABASE_", "API_"))]:
        del os.environ[name]
    os.environ.update(_VALID[made])
    names = [name for name in made.model_fields if name not in _NOT_FUZZED]
    for _ in range(given.ConsumeIntInRange(1, 3)):
        name = f"{made.model_config.get('env_prefix')}{given.PickValueInList(names).upper()}"
        os.environ[name] = given.ConsumeUnicodeNoSurrogates(60).replace("\0", "")
    _checked(_says(made))
    if made is DatabaseSettings:
        _checked(_says(lambda: DatabaseSettings().direct_target()))


def validators(data: bytes) -> None:
    """Expect what is read, or one of the documented errors."""
    with suppress(BadRequestError):
        check_json(data)
        if data:
            json.loads(data)
        for model in (TaskCreate, TaskUpdate, MessageCreate):
            with suppress(ValidationError):
                model.model_validate_json(data).model_dump_json().encode()
    with suppress(KeySetError):
        KeySet(data)
    given = atheris.FuzzedDataProvider(data)
    headers = [(given.PickValueInList(_HEADERS), given.ConsumeBytes(12)) for _ in range(given.ConsumeIntInRange(0, 6))]
    scope = {"type": "http", "http_version": "1.1", "raw_path": b"/", "query_string": given.ConsumeBytes(80)}
    with suppress(ApiError, InvalidInputError):
        check_head({**scope, "headers": headers})


if __name__ == "__main__":
    targets = {each.__name__: each for each in (url, cursors, settings, validators)}
    name = sys.argv.pop(1)
    atheris.Setup(sys.argv, targets[name])
    atheris.Fuzz()
