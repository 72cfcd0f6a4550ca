"""A model of the Agents SDK that follows a script."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any
from uuid import uuid4

from agents import Model, ModelResponse, TResponseInputItem, Usage
from agents.items import TResponseOutputItem, TResponseStreamEvent
from openai.types.responses import ResponseFunctionToolCall, ResponseOutputMessage, ResponseOutputText


class ScriptedModel(Model):
    """Call these tools one after the other, then answer."""

    def __init__(self, *, calls: Sequence[tuple[str, Mapping[str, Any]]], answer: str) -> None:
        self._steps = [*(_tool_call(name, arguments) for name, arguments in calls), _answer(answer)]
        self.heard: list[Any] = []

    async def get_response(
        self,
        system_instructions: str | None,  # noqa: ARG002 - the base class names it
        input: str | list[TResponseInputItem],  # noqa: A002 - likewise
        *_: Any,
        **__: Any,
    ) -> ModelResponse:
        """Return the next step and remember what the model was given."""
        self.heard = list(input)
        return ModelResponse(output=[self._steps.pop(0)], usage=Usage(), response_id=None)

    def stream_response(self, *_: Any, **__: Any) -> AsyncIterator[TResponseStreamEvent]:
        """Refuse: the example does not stream."""
        raise NotImplementedError


def _tool_call(name: str, arguments: Mapping[str, Any]) -> TResponseOutputItem:
    return ResponseFunctionToolCall(
        type="function_call", call_id=uuid4().hex, name=name, arguments=json.dumps(arguments)
    )


def _answer(text: str) -> TResponseOutputItem:
    part = ResponseOutputText(type="output_text", text=text, annotations=[])
    return ResponseOutputMessage(id=uuid4().hex, type="message", role="assistant", status="completed", content=[part])
