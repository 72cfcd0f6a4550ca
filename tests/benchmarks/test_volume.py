"""The large table is made once, and its figures are written from what was measured."""

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest

from app.embedded.host import make_home, server_account
from benchmarks import growth
from benchmarks.volume.kept import CHARACTERS, Kept
from benchmarks.volume.measuring import measure
from benchmarks.volume.results import Volume
from benchmarks.volume.section import with_figures, write_figures
from benchmarks.volume.writes import APPEND

ROOT = Path(__file__).parents[2]
STORED = ROOT / "benchmarks/volume.json"
DOCUMENT = ROOT / "docs/scale.md"


@pytest.fixture
def results() -> Volume:
    """Give the last run."""
    return Volume.load(STORED)


def test_results_survive_their_file(results: Volume, tmp_path: Path) -> None:
    """What is read is what was written."""
    results.save(tmp_path / "volume.json")
    assert json.loads((tmp_path / "volume.json").read_text()) == json.loads(STORED.read_text())


def test_the_document_has_the_figures_of_the_stored_run(results: Volume) -> None:
    """None is typed by hand: another run writes others."""
    document = DOCUMENT.read_text()
    assert with_figures(document, results) == document
    results.wal_bytes[APPEND] = [1234.0, 56789.0]
    assert f"| {APPEND} | 1,234 | 56,789 |" in with_figures(document, results)


def test_a_document_without_a_place_for_figures_is_refused(results: Volume) -> None:
    """Else a run would leave the old figures."""
    with pytest.raises(ValueError, match="no place for the figures of calls"):
        with_figures("# Scale", results)


def test_the_limits_are_those_of_the_stored_run(results: Volume) -> None:
    """The table of limits rounds them: bytes of WAL for an append, and of a message with its indexes."""
    document = DOCUMENT.read_text()
    wal = re.search(r"\| WAL \| (\d+) kB for an append, up to (\d+) kB after a checkpoint", document)
    stored = re.search(rf"\| storage \| (\d+) bytes for a message of {CHARACTERS} characters", document)
    assert wal
    assert stored
    message = sum(map(results.sizes.bytes_for_each_row, ["message", *results.sizes.of_table("message")]))
    assert [1000 * int(each) for each in wal.groups()] == pytest.approx(results.wal_bytes[APPEND], rel=0.15)
    assert int(stored[1]) == pytest.approx(message, rel=0.05)


def test_a_run_without_appends_keeps_the_growth_of_the_last(results: Volume, tmp_path: Path) -> None:
    """`make bench` does not make them."""
    for name in ("docs", "benchmarks"):
        (tmp_path / name).mkdir()
    shutil.copy(DOCUMENT, tmp_path / "docs")
    shutil.copy(STORED, tmp_path / "benchmarks")
    assert results.growth
    write_figures(replace(results, growth=None, took_seconds=1.0), tmp_path)
    kept = Volume.load(tmp_path / "benchmarks/volume.json")
    assert (kept.took_seconds, kept.growth) == (1.0, results.growth)
    assert f"{results.growth.appends:,} appends by" in (tmp_path / "docs/scale.md").read_text()


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> Iterator[Kept]:
    """Give a small table in a folder of its own."""
    monkeypatch.setattr(growth, "TABLE_ROWS", 60_000)  # so many that the measured user has a page in the middle
    folder = make_home(None, server_account())
    yield Kept(messages=1000, folder=folder)
    shutil.rmtree(folder)


async def test_it_is_made_once_and_measured_on_a_copy(kept: Kept) -> None:
    """A second run finds it, and leaves it as it was; a copy of an ended run is in nobody's way."""
    made = await kept.make()
    assert await kept.make() == made
    chapters: list[str] = []
    found = await measure(kept, made_seconds=made, progress=chapters.append, calls=3)
    assert {name.split(".")[0] for name in found.calls} == {"TaskRepo", "ConversationRepo", "MessageRepo"}
    assert all(call.p99 >= call.median > 0 for call in found.calls.values())
    assert all(with_images >= without > 0 for without, with_images in found.wal_bytes.values())
    assert "fsync on" in found.machine["PostgreSQL"]
    async with kept.copied() as url:
        copy = await asyncpg.connect(url)
        names = await copy.fetch("select datname from pg_database where datname like 'volume%' order by 1")
        rows = await copy.fetchval("select count(*) from message where user_id like 'volume-%'")
        await copy.close()
    assert ([name for (name,) in names], rows) == (["volume-1000", "volume-1000-copy"], kept.messages)
