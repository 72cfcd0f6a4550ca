"""What a command prints when it fails, on standard error: the output may be a file of a user's data."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NoReturn

import typer
from alembic.util import CommandError
from rich.console import Console
from rich.markup import escape

from app.db.errors import ConfigurationError, DataAccessError, NotDoneError, TransientError, UnavailableError
from app.embedded import EmbeddedPostgresError
from app.extras import MissingExtraError

_EXAMINE: Final = "To see why, and what to do: python -m app doctor"
_console = Console(stderr=True)


@contextmanager
def errors_in_a_sentence() -> Iterator[None]:
    """Print what is wrong in one sentence and exit with 2: a traceback does not help after a wrong URL."""
    try:
        yield
    except BrokenPipeError:  # nobody reads the output any more: the command ends without a word
        raise
    except MissingExtraError as error:
        end(str(error))
    except ConfigurationError as error:
        end(_explained(error, str(error)), getattr(error, "exit_status", 2))
    except (DataAccessError, EmbeddedPostgresError, CommandError, OSError) as error:
        end(_explained(error, f"{type(error).__name__}: {error}"))


def _explained(error: Exception, sentence: str) -> str:
    """Name the doctor where the database refused, and the error does not say what to do."""
    if not isinstance(error, (ConfigurationError, NotDoneError, TransientError)) or error.advice:
        return sentence
    refused = error.sqlstate is not None or isinstance(error, UnavailableError)
    return f"{sentence.rstrip('.')}. {_EXAMINE}" if refused else sentence


def end(sentence: str, status: int = 2) -> NoReturn:
    """Print the sentence and exit."""
    _console.print(f"[bold red]error:[/] {escape(sentence)}", soft_wrap=True)
    raise typer.Exit(status) from None
