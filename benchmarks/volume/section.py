"""The figures of docs/scale.md, written from the results."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from benchmarks.growth import TABLE_ROWS, USER_ROWS
from benchmarks.volume.kept import CHARACTERS, EACH, EACH_USER
from benchmarks.volume.results import Growth, Volume
from benchmarks.volume.sizes import TABLES, Sizes
from benchmarks.volume.writes import CALLERS

_END: Final = "<!-- until here -->"


def write_figures(found: Volume, root: Path) -> None:
    """Store the results, and write the figures into the document; without appends those of growth stay."""
    stored = root / "benchmarks/volume.json"
    if found.growth is None and stored.exists():
        found.growth = Volume.load(stored).growth
    found.save(stored)
    document = root / "docs/scale.md"
    document.write_text(with_figures(document.read_text(), found))


def with_figures(document: str, results: Volume) -> str:
    """Return the document with the figures of this run."""
    document = _with(document, "calls", _calls(results))
    return _with(document, "growth", _growth(results.growth)) if results.growth else document


def _with(document: str, place: str, text: str) -> str:
    before, begin, after = document.partition(f"<!-- written by make bench: {place} -->\n")
    _, end, rest = after.partition(_END)
    if not begin or not end:
        raise ValueError(f"The document has no place for the figures of {place}.")
    return f"{before}{begin}\n{text}\n{end}{rest}"


def _calls(results: Volume) -> str:
    conversations = results.messages // EACH
    made = (
        f"{results.messages:,} messages of {CHARACTERS} characters, in {conversations:,} conversations of"
        f" {conversations // EACH_USER:,} users, beside {TABLE_ROWS:,} tasks. Made in {results.made_seconds:.0f} s,"
        f" kept, copied and measured in {results.took_seconds:.0f} s.\n{results.machine['processor']}; PostgreSQL"
        f" {results.machine['PostgreSQL']}.\n"
    )
    wal = [(name, *(f"{each:,.0f}" for each in found)) for name, found in results.wal_bytes.items()]
    images = f"with, the first {results.wal_calls:,} after a checkpoint"
    calls = [(f"`{name}`", f"{call.buffers}", _ms(call.median), _ms(call.p99)) for name, call in results.calls.items()]
    tables = [
        made,
        _table(["bytes of WAL", "without full-page images", images], wal),
        _table(["table", "bytes of a row", "of its indexes", ""], [_row_of(results.sizes, name) for name in TABLES]),
        _table([f"call, for a user with {USER_ROWS:,} rows", "buffers", "median", "p99"], calls),
    ]
    return "\n".join(tables)


def _row_of(sizes: Sizes, table: str) -> tuple[str, ...]:
    indexes = {index.columns: sizes.bytes_for_each_row(name) for name, index in sizes.of_table(table).items()}
    shown = ", ".join(f"`{columns}` {size:.0f}" for columns, size in indexes.items() if round(size))
    return f"`{table}`", f"{sizes.bytes_for_each_row(table):.0f}", f"{sum(indexes.values()):.0f}", shown


def _growth(growth: Growth) -> str:
    made = (
        f"{growth.appends:,} appends by {CALLERS} callers to conversations chosen at random:"
        f" {growth.appends / growth.seconds:,.0f} per second, {growth.wal_bytes:,.0f} bytes of WAL each.\n"
    )
    changed = [
        f"`{name}` {before}, then {after}" for name, (before, after) in growth.buffers.items() if before != after
    ]
    pages = f"Buffers of the calls, before and after: {'; '.join([*changed, 'of the others the same'])}.\n"
    return "\n".join([made, _table(["", "at once", "after autovacuum"], _grown(growth)), pages])


def _grown(growth: Growth) -> Iterator[tuple[str, ...]]:
    before, later = growth.before.tables["conversation"], (growth.at_once, growth.later)
    counted = [each.tables["conversation"] for each in later]
    yield "updates of `conversation`", *(f"{each.updates - before.updates:,}" for each in counted)
    yield "of these HOT", *(f"{each.hot_updates - before.hot_updates:,}" for each in counted)
    yield f"dead rows of `conversation`, of {before.rows:,} alive", *(f"{each.dead:,}" for each in counted)
    yield "autovacuums of `conversation`", *(f"{each.autovacuums - before.autovacuums}" for each in counted)
    for table in TABLES:
        yield _grew(f"`{table}`", growth.before.tables[table].bytes, (each.tables[table].bytes for each in later))
        for name, index in growth.before.of_table(table).items():
            yield _grew(f"`{name}`", index.bytes, (each.indexes[name].bytes for each in later))


def _grew(name: str, before: int, later: Iterable[int]) -> tuple[str, ...]:
    return f"growth of {name}, {before / 1e6:,.1f} MB before", *(f"{(each - before) / 1e6:,.1f} MB" for each in later)


def _table(columns: list[str], rows: Iterable[tuple[str, ...]]) -> str:
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (columns, ["---"] * len(columns), *rows))


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.2f} ms"
