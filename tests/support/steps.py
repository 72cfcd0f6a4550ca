"""Cancelling a call at each of its awaits, in successive runs."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Generator
from dataclasses import dataclass
from typing import Any, Final

AT_ONCE: Final = "at once"
AS_IT_IS_ANSWERED: Final = "as it is answered"
"""When the caller is cancelled in an await: before the result arrives, or at the moment it does."""


@dataclass
class _Stepped:
    """Runs `work` in the current task, and cancels the task at its n-th await."""

    work: Coroutine[Any, Any, object]
    number: int
    moment: str
    awaits: int = 0

    def __await__(self) -> Generator[Any, Any, object]:
        task: Any = asyncio.current_task()
        resume: Callable[[Any], Any] = self.work.send
        answer: Any = None
        while True:
            try:
                awaited = resume(answer)
            except StopIteration as end:
                return end.value
            if self.awaits == self.number:
                self._cancel(task, awaited)
            self.awaits += 1
            try:
                answer = yield awaited
                resume = self.work.send
            except BaseException as error:  # noqa: BLE001 - passed on
                answer, resume = error, self.work.throw

    def _cancel(self, task: "asyncio.Task[Any]", awaited: "asyncio.Future[Any] | None") -> None:
        if awaited is None or self.moment == AT_ONCE:
            task.get_loop().call_soon(task.cancel)
        else:
            awaited.add_done_callback(lambda _: task.cancel())  # before the task's own callback: it gets both


async def cancelled_at(number: int, moment: str, call: Callable[[], Awaitable[object]]) -> bool:
    """Cancel `call` at its n-th await, counted from 0; return False if it has fewer."""

    async def work() -> object:
        return await call()

    stepped = _Stepped(work(), number, moment)

    async def run() -> None:
        await stepped

    (outcome,) = await asyncio.gather(run(), return_exceptions=True)
    if isinstance(outcome, Exception):
        raise outcome
    return stepped.awaits > number
