"""The documentation agrees with the service."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from app.api import create_app
from app.db import DatabaseSettings
from tests.api.support import api_settings, bearer, served

SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
# Cursors and entity tags are opaque: no schema can say which of them are valid.
OPTIONS = ("--checks=all", "--exclude-checks=positive_data_acceptance", "--max-examples=6", "--no-shrink")
PHASES = ("Coverage", "Fuzzing", "Stateful")  # the document has no examples of its own to try


@pytest.mark.timeout(400)
@pytest.mark.parametrize("seed", [1, 2, 3, 4, 5])
async def test_any_request_has_a_documented_answer(migrated_url: str, user_id: str, tmp_path: Path, seed: int) -> None:
    """Schemathesis on every operation, all phases and checks: valid, invalid, one after the other; no 5xx."""
    settings = api_settings()
    app = create_app(settings, database=DatabaseSettings(url=migrated_url))

    def attack() -> subprocess.CompletedProcess[str]:
        with served(app, settings) as address:
            command = [str(SCHEMATHESIS), "--no-color", "run", f"{address}/openapi.json", *OPTIONS, f"--seed={seed}"]
            command.append(f"--header=Authorization:{bearer(user_id)['Authorization']}")
            return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=380, check=False)

    result = await asyncio.to_thread(attack)
    assert result.returncode == 0, result.stdout[-10_000:]
    assert "❌" not in result.stdout
    assert f"Seed: {seed}\n" in result.stdout
    assert [phase for phase in PHASES if f"✅ {phase}" not in result.stdout] == []


async def test_every_operation_documents_its_problems() -> None:
    """Each operation documents its own errors and those that every request can get."""
    paths = create_app(api_settings(), database=DatabaseSettings(url="postgresql://ada@nowhere.invalid/x")).openapi()[
        "paths"
    ]
    for path, operations in paths.items():
        for method, operation in operations.items():
            documented = operation["responses"]
            assert {"400", "408", "413", "414", "415", "422", "431"} <= set(documented), (method, path)
            assert path == "/healthz" or "Retry-After" in documented["503"]["headers"], (method, path)
            assert path.endswith("z") or {"401", "429", "500", "504"} <= set(documented), (method, path)
            assert method != "post" or "Idempotency-Key" in {one["name"] for one in operation["parameters"]}
