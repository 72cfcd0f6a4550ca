"""Check the revisions before a merge: ``python -m tools.revision_gate``, part of ``make check``."""

import ast
import json
import re
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from io import StringIO
from pathlib import Path
from typing import Any, Final

from alembic import command
from alembic.config import Config
from alembic.script import Script, ScriptDirectory
from alembic.util import CommandError

_INI = Path(__file__).parents[1] / "alembic.ini"
_OLDEST_SERVER = "14"
_REPLACE_ENUM = "replace-enum"  # our own rule
_REPLACED = (
    "code that runs may write what is taken away, the table is rewritten, and a row that has the value stops it. Add "
    "the new values first, move the rows, and take the old ones away a deploy later"
)
_NAME = re.compile(r"\d{4}_\d\d_\d\d_\d{4}_[a-z0-9_]+\.py")
_CONCURRENT = re.compile(r"(create( unique)?|drop) index concurrently", re.IGNORECASE)
_AROUND = re.compile(r"(set|reset|begin|commit|(insert into|update|delete from) alembic_version)\b", re.IGNORECASE)

_EXPLAINED: Final = {
    "prefer-text-field": "the specification gives lengths; raising one later changes the catalogue only",
    "prefer-bigint-over-int": "ids are bigint by `row_id`; what else a model counts may be small",
    "prefer-bigint-over-smallint": "likewise",
}
"""Rules of squawk that do not apply here, with reasons. A revision lists its own exceptions in `explained`."""

_ADVICE: Final = {
    **dict.fromkeys(
        ("ban-drop-column", "ban-drop-table", "ban-drop-constraint", "ban-drop-not-null", "ban-drop-type"),
        "Deploy code that does not need it any more, then drop it.",
    ),
    **dict.fromkeys(
        ("changing-column-type", "renaming-column", "renaming-table"),
        "Add a new one, write both, fill in, read the new one, and drop the old one a deploy later.",
    ),
    "ban-drop-default": "Deploy code that gives the value itself, then drop the default.",
}
"""What to do instead, for rules of which squawk does not say it."""

_DOWN: Final = [
    "ban-drop-column",
    "ban-drop-constraint",
    "ban-drop-default",
    "ban-drop-function",
    "ban-drop-not-null",
    "ban-drop-table",
    "ban-drop-type",
    # What was valid before is valid again, in one transaction.
    "adding-foreign-key-constraint",
    "adding-not-nullable-field",
    "changing-column-type",
    "constraint-missing-not-valid",
    "disallowed-unique-constraint",
]
"""Rules that a downgrade breaks by its nature."""


def problems(ini: Path = _INI) -> Iterator[str]:
    """Yield each problem with the revisions of `ini`, in a sentence that begins with the file."""
    script = ScriptDirectory.from_config(_config(ini))
    heads = script.get_heads()
    if len(heads) > 1:
        yield f"{script.versions}: {len(heads)} heads, {', '.join(sorted(heads))}: rebase one on the other"
        return
    history = list(script.walk_revisions())[::-1]
    names = [Path(revision.path).name for revision in history]
    for earlier, name in zip(["", *names], names, strict=False):
        if not _NAME.fullmatch(name) or name < earlier:
            yield f"{name}: the name must begin with a date and time, later than that of the revision before it"
    for revision in history:
        yield from _of_one(revision, ini)


def _of_one(revision: Script, ini: Path) -> Iterator[str]:
    name = Path(revision.path).name
    if not _says_how_to_go_back(Path(revision.path).read_text()):
        yield f"{name}: downgrade() is empty; write it, or raise CommandError with the reason why there is none"
    explained: Mapping[str, str] = getattr(revision.module, "explained", {})
    if not all(reason.strip() for reason in explained.values()):
        yield f"{name}: `explained` gives no reason"
    allowed = [*_EXPLAINED, *(rule for rule in explained if rule != _REPLACE_ENUM)]
    up = _sql(command.upgrade, f"{revision.down_revision or 'base'}:{revision.revision}", ini)
    allowed_up = [*allowed, *(["ban-drop-constraint"] if _adds_again_what_it_drops(up) else [])]
    yield from (f"{name}: {problem}" for problem in (*_mixed(up), *_squawk(up, allowed_up, "up")))
    if "$replace_enum$" in up and _REPLACE_ENUM not in explained:
        yield f"{name}: {_sentence(_REPLACE_ENUM, _REPLACED, None)}"
    try:
        down = _sql(command.downgrade, f"{revision.revision}:{revision.down_revision or 'base'}", ini)
    except CommandError:
        return  # there is no downgrade, and the revision says why
    yield from (f"{name}: {problem}" for problem in _squawk(down, [*allowed, *_DOWN], "down"))


def _says_how_to_go_back(source: str) -> bool:
    functions = [node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)]
    body = next((function.body for function in functions if function.name == "downgrade"), [])
    return any(not isinstance(node, ast.Pass) and not _is_constant(node) for node in body)


def _is_constant(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _mixed(sql: str) -> Iterator[str]:
    """Yield a problem if statements that cannot be rolled back are mixed with others: a second run would fail."""
    if not _CONCURRENT.search(sql):
        return
    statements = re.sub(r"^--.*$", "", sql, flags=re.MULTILINE).split(";")
    if any(s.strip() and not _CONCURRENT.match(s.strip()) and not _AROUND.match(s.strip()) for s in statements):
        yield "does more than make indexes concurrently: give each its own revision, so that it can be run again"


def _adds_again_what_it_drops(sql: str) -> bool:
    """Return whether every dropped constraint is added again, with another text, in the same transaction."""
    dropped, added = (set(re.findall(rf"{verb} CONSTRAINT (\S+?)[;\s]", sql)) for verb in ("DROP", "ADD"))
    return bool(dropped) and dropped <= added


def _sql(function: Any, span: str, ini: Path) -> str:
    output = StringIO()
    function(_config(ini, output), span, sql=True)
    return output.getvalue()


def _config(ini: Path, output: StringIO | None = None) -> Config:
    config = Config(ini, output_buffer=output)
    config.remove_main_option("prepend_sys_path")  # import the application from the gate's own directory
    return config


def _squawk(sql: str, allowed: list[str], label: str) -> list[str]:
    ran = subprocess.run(  # noqa: S603 - a program in our own environment
        [
            Path(sysconfig.get_path("scripts")) / "squawk",
            *("--reporter", "json", "--pg-version", _OLDEST_SERVER, "--stdin-filepath", label),
            *("--exclude", ",".join(allowed)),
        ],
        input=sql,
        capture_output=True,
        text=True,
        check=False,
    )
    found = json.loads(ran.stdout or "[]")
    if ran.returncode and not found:
        return [f"{label}: squawk ended with {ran.returncode}: {ran.stderr.strip()}"]
    return [f"{label}: {_sentence(each['rule_name'], each['message'], each['help'])}" for each in found]


def _sentence(rule: str, message: str, help_: str | None) -> str:
    """Return what is wrong, what to do instead, and what to do where it is right all the same."""
    explain = f'if it is right all the same, say why in the revision: explained = {{"{rule}": "the reason"}}'
    return f"{rule}: {' '.join(filter(None, [message, help_ or _ADVICE.get(rule)]))} ({explain})"


def main() -> int:
    """Print the problems; the exit status is 1 if there are any."""
    found = list(problems())
    for problem in found:
        print(problem)  # noqa: T201 - a command
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
