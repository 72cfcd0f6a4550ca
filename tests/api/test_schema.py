"""The documentation and the service say the same."""

import asyncio
import subprocess
import sys
from pathlib import Path

from app.api import create_app
from app.db import DatabaseSettings
from tests.api.support import api_settings, bearer, served

SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
EXCLUDED = "positive_data_acceptance"  # cursors and entity tags are opaque: no schema can say which of them are ours


async def test_whatever_is_sent_the_answer_is_one_that_is_documented(
    migrated_url: str, user_id: str, tmp_path: Path
) -> None:
    """Schemathesis on every operation: valid, invalid, and one after the other; no 5xx, and as documented."""
    app = create_app(api_settings(), database=DatabaseSettings(url=migrated_url))

    options = ["--checks=all", f"--exclude-checks={EXCLUDED}", "--max-examples=60", "--no-shrink"]
    token = f"--header=Authorization:{bearer(user_id)['Authorization']}"

    def attack() -> subprocess.CompletedProcess[str]:
        with served(app) as address:
            command = [str(SCHEMATHESIS), "--no-color", "run", f"{address}/openapi.json", token, *options]
            command.append("--generation-deterministic")
            return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=90, check=False)

    result = await asyncio.to_thread(attack)
    assert result.returncode == 0, result.stdout[-10_000:]
    assert "❌" not in result.stdout


async def test_every_operation_documents_its_problems() -> None:
    """Each has its own, and those that every request can meet."""
    paths = create_app(api_settings(), database=DatabaseSettings(url="postgresql://nowhere/x")).openapi()["paths"]
    for path, operations in paths.items():
        for method, operation in operations.items():
            documented = operation["responses"]
            assert {"400", "413", "415"} <= set(documented), (method, path)
            assert path == "/healthz" or "Retry-After" in documented["503"]["headers"], (method, path)
            assert path.endswith("z") or {"401", "422", "500", "504"} <= set(documented), (method, path)
            assert method != "post" or "Idempotency-Key" in {one["name"] for one in operation["parameters"]}
