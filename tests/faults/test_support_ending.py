"""What tests start ends with them."""

import asyncio
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import psutil
import pytest

from tests.support.waiting import LIMIT_SECONDS

ROOT = Path(__file__).parents[2]
PARENT = """
import subprocess
from tests.support.ending import end_with_parent
child = subprocess.Popen(["sleep", "600"], preexec_fn=end_with_parent)
print(child.pid, flush=True)
child.wait()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel does it on Linux")
async def test_a_program_ends_with_a_test_run_that_is_killed() -> None:
    """It would keep its port and its connections until the machine is restarted."""
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", PARENT, stdout=PIPE, cwd=ROOT)
    assert parent.stdout is not None
    child = psutil.Process(int(await parent.stdout.readline()))
    assert child.is_running()
    parent.kill()
    await parent.wait()
    async with asyncio.timeout(LIMIT_SECONDS):
        while child.is_running() and child.status() != psutil.STATUS_ZOMBIE:  # noqa: ASYNC110 - the kernel ends it
            await asyncio.sleep(0.01)
