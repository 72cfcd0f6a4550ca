"""What the models refuse, naming the field, what they accept, and that read models cannot change."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from app.db.models import MessageCreate, Role, TaskCreate, TaskRead, TaskUpdate
from app.db.models.base import Changed, InputModel, NotANumber

EMOJI = "\N{PARTY POPPER}"
TOO_LARGE = 100_000_000
WRONG_INPUT = {
    "title of 201 characters": (TaskCreate, "title", {"title": "x" * 201}),
    "empty title": (TaskCreate, "title", {"title": ""}),
    "blank title": (TaskCreate, "title", {"title": " \t\n"}),
    "title of one zero-width space": (TaskCreate, "title", {"title": "\u200b"}),
    "title of a byte order mark and spaces": (TaskCreate, "title", {"title": " \ufeff\u3000"}),
    "title of Hangul fillers": (TaskCreate, "title", {"title": "\u3164\uffa0"}),
    "title of tag characters": (TaskCreate, "title", {"title": "\U000e0041\U000e007f"}),
    "update to an invisible title": (TaskUpdate, "title", {"title": "\u2060\u00ad"}),
    "title with NUL": (TaskCreate, "title", {"title": "a\x00b"}),
    "title with a lone surrogate": (TaskCreate, "title", {"title": "a\ud800b"}),
    "title that is no text": (TaskCreate, "title", {"title": 7}),
    "no title": (TaskCreate, "title", {}),
    "description of 1001 characters": (TaskCreate, "description", {"title": "x", "description": "x" * 1001}),
    "description with NUL": (TaskCreate, "description", {"title": "x", "description": "\x00"}),
    "description with a lone surrogate": (TaskCreate, "description", {"title": "x", "description": "\udfff"}),
    "completed set to null": (TaskCreate, "completed", {"title": "x", "completed": None}),
    "a field that tasks do not have": (TaskCreate, "colour", {"title": "x", "colour": "red"}),
    "an owner among the fields": (TaskCreate, "user_id", {"title": "x", "user_id": "eve"}),
    "a number for completed": (TaskCreate, "completed", {"title": "x", "completed": 1}),
    "update of completed to a word": (TaskUpdate, "completed", {"completed": "yes"}),
    "update to 201 characters": (TaskUpdate, "title", {"title": "x" * 201}),
    "update to a blank title": (TaskUpdate, "title", {"title": " "}),
    "update of the title to null": (TaskUpdate, "title", {"title": None}),
    "update of completed to null": (TaskUpdate, "completed", {"completed": None}),
    "update to 1001 characters": (TaskUpdate, "description", {"description": "x" * 1001}),
    "update of the id": (TaskUpdate, "id", {"id": 1}),
    "unknown role": (MessageCreate, "role", {"role": "system", "content": "x"}),
    "no role": (MessageCreate, "role", {"content": "x"}),
    "content with NUL": (MessageCreate, "content", {"role": "user", "content": "\x00"}),
    "content with a lone surrogate": (MessageCreate, "content", {"role": "user", "content": "\udc00"}),
    "no content": (MessageCreate, "content", {"role": "user"}),
}


@pytest.mark.parametrize(("model", "field", "values"), WRONG_INPUT.values(), ids=WRONG_INPUT)
def test_wrong_input_is_refused_by_a_message_that_names_the_field(
    model: type[BaseModel], field: str, values: dict[str, Any]
) -> None:
    """There is one error for that field, without the value in its text."""
    with pytest.raises(ValidationError) as refused:
        model(**values)
    assert [error["loc"] for error in refused.value.errors()] == [(field,)]
    assert f"\n{field}\n" in str(refused.value)
    assert "input_value" not in str(refused.value)


def test_the_longest_values_are_allowed() -> None:
    """Lengths are counted in characters, as the database counts them: 200 emoji are 800 bytes."""
    task = TaskCreate(title=EMOJI * 200, description=EMOJI * 1000)
    assert (task.title, task.description) == (EMOJI * 200, EMOJI * 1000)


@pytest.mark.parametrize("title", ["\u200bx", "\u2764\ufe0f", "\u2800", "\u200d\N{PARTY POPPER}"])
def test_invisible_characters_are_allowed_beside_a_visible_one(title: str) -> None:
    """Emoji contain them; the title is kept unchanged."""
    assert TaskCreate(title=title).title == title


@pytest.mark.parametrize("character", ["x", EMOJI], ids=["one byte", "four bytes"])
def test_content_from_100_mb_on_is_refused(character: str) -> None:
    """The limit is in bytes of UTF-8; no database is asked."""
    largest = character * (TOO_LARGE // len(character.encode()))
    with pytest.raises(ValidationError, match=r"content\n.*must be shorter than 100,000,000 bytes"):
        MessageCreate(role="user", content=largest)
    assert MessageCreate(role="user", content=largest[:-1]).content == largest[:-1]


def test_empty_content_is_a_message() -> None:
    """An assistant's reply may be empty; only a task's title needs a visible character."""
    assert MessageCreate(role=Role.ASSISTANT, content="").content == ""


def test_an_update_tells_what_is_left_out_from_what_is_set_to_null() -> None:
    """Only the fields that the caller named are set."""
    assert TaskUpdate().model_fields_set == set()
    assert TaskUpdate(description=None).model_fields_set == {"description"}


def test_an_update_documents_null_only_where_it_takes_it() -> None:
    """A client written from the schema sends no null that is refused."""
    fields = TaskUpdate.model_json_schema()["properties"]
    assert {name: "null" in str(field.get("anyOf")) for name, field in fields.items()} == {
        "title": False,
        "description": True,
        "completed": False,
    }
    assert (fields["title"]["maxLength"], fields["completed"]["type"]) == (200, "boolean")


class _Input(InputModel):
    amount: Changed[Decimal] = None
    content: Changed[bytes] = None


def test_a_decimal_that_may_be_left_out_is_documented() -> None:
    """Its two forms in JSON stay, without null."""
    (number, digits) = _Input.model_json_schema()["properties"]["amount"]["anyOf"]
    assert (number["type"], digits["type"]) == ("number", "string")


def test_bytes_are_base64_in_json() -> None:
    """Most bytes are no text."""
    sent = _Input(content=b"\xff\x00")
    assert sent.model_dump(mode="json", exclude_unset=True) == {"content": "_wA="}
    assert (
        _Input.model_validate_json('{"content": "/wA="}') == _Input.model_validate_json('{"content": "_wA="}') == sent
    )


@pytest.mark.parametrize("value", [0, 1.5, True, "0", "-1", " 20261224 ", "1e3"])
@pytest.mark.parametrize("kind", [date, datetime])
def test_a_number_is_no_date(value: object, kind: type[date]) -> None:
    """Pydantic alone takes a number for seconds since 1970, which the service's document does not say."""
    annotation: Any = Annotated[kind, NotANumber]
    with pytest.raises(ValidationError):
        TypeAdapter(annotation).validate_python(value)


def test_a_date_that_is_no_number_is_one() -> None:
    """In text or as Python's own."""
    days: TypeAdapter[date] = TypeAdapter(Annotated[date, NotANumber])
    assert days.validate_python("2026-12-24") == days.validate_python(date(2026, 12, 24)) == date(2026, 12, 24)


def test_a_read_model_cannot_be_assigned_to() -> None:
    """What a repository returns stays as it was read."""
    now = "2026-01-01T00:00:00Z"
    values = {"user_id": "ada", "title": "x", "description": None, "completed": False}
    task = TaskRead(id=1, created_at=now, updated_at=now, **values)
    for field in TaskRead.model_fields:
        with pytest.raises(ValidationError, match="frozen"):
            setattr(task, field, None)


def test_a_read_model_trusts_the_database() -> None:
    """A later migration may allow longer titles; code that runs today must be able to read them."""
    now = "2026-01-01T00:00:00Z"
    values = {"user_id": "ada", "title": "x" * 500, "description": None, "completed": False}
    assert len(TaskRead(id=1, created_at=now, updated_at=now, **values).title) == 500
