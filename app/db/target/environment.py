"""Settings that are read from variables, and the sentence for a variable that is wrong."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

from pydantic import PrivateAttr, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from app.db.errors import ConfigurationError
from app.db.invalid import words_of
from app.db.target.misspelt import meant
from app.db.target.variables import Variable, variables_of_environment, variables_of_file

_ENV_FILE: Final = "_env_file"


class EnvironmentSettings(BaseSettings):
    """Settings from arguments, variables, and a file like ``.env``, in this order.

    An empty variable counts as unset. Every mistake is a `ConfigurationError` of one sentence that names the variable
    and the file; neither its text nor the frames behind it hold a value.
    """

    model_config = SettingsConfigDict(
        env_file=".env", extra="forbid", frozen=True, hide_input_in_errors=True, defer_build=True
    )

    error: ClassVar[type[Exception]] = ConfigurationError
    """The class of the error that the constructor raises."""

    _read: Mapping[str, Variable] = PrivateAttr(default_factory=dict)
    """The variables that values came from, by the names of their fields."""
    _notes: tuple[str, ...] = PrivateAttr(default=())
    """Notes on variables that have the prefix and are not read."""

    if not TYPE_CHECKING:  # a checker takes the arguments from the fields

        def __init__(self, **given: Any) -> None:
            problem = self._fill(given)
            given.clear()  # an error collector records the variables of this frame
            if problem:
                raise self.error(problem)

    def _fill(self, given: dict[str, Any]) -> str:
        """Read, validate and keep the values; return the sentence about what is wrong, or an empty one."""
        read: dict[str, Variable] = {}
        strangers: list[Variable] = []
        try:
            files = given.pop(_ENV_FILE, type(self).model_config.get("env_file"))
            read, strangers = self._variables(files)
            notes = self.judge(strangers)
            values = {name: each.value for name, each in read.items()}
            super().__init__(_env_file=None, **{**values, **given})
        except ConfigurationError as error:
            return str(error)
        except ValidationError as error:
            read = {name: each for name, each in read.items() if name not in given}
            details = error.errors(include_input=False, include_url=False, include_context=False)
            return "; ".join(self._sentence(each, read, strangers) for each in details)
        self._read = {name: each for name, each in read.items() if name not in given}
        self._notes = notes
        return ""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the signature is the library's
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - as above
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - as above
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - as above
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Use the arguments alone: the constructor has added the variables to them."""
        return (init_settings,)

    @classmethod
    def variable(cls, field: str) -> Variable | None:
        """Return the variable that a field is read from, None if it is unset. Raises `ConfigurationError`."""
        return cls._variables(cls.model_config.get("env_file"))[0].get(field)

    @classmethod
    def _variables(cls, files: Any) -> tuple[dict[str, Variable], list[Variable]]:
        """Return the variables that are set: those of fields, by the field, and the others."""
        prefix = cls.model_config.get("env_prefix", "").upper()
        outside = variables_of_environment(prefix)
        inside = {name: each for path in _paths(files) for name, each in variables_of_file(path, prefix).items()}
        for name in outside.keys() & inside.keys():
            if inside[name].value.strip() and not outside[name].value.strip():
                file = inside[name].file
                raise ConfigurationError(
                    f"{name}: it is empty in the environment and set in {file}; unset it, or give it a value"
                )
        found = {name: each for name, each in {**inside, **outside}.items() if each.value.strip()}
        fields = {f"{prefix}{field.upper()}": field for field in cls.model_fields}
        read = {fields[name]: each for name, each in found.items() if name in fields}
        return read, [each for name, each in found.items() if name not in fields]

    @classmethod
    def judge(cls, strangers: Iterable[Variable]) -> tuple[str, ...]:
        """Return notes on variables with the prefix and no field; raises `ConfigurationError` for a misspelt one."""
        prefix = cls.model_config.get("env_prefix", "").upper()
        for each in strangers:
            if setting := meant(each.name.upper().removeprefix(prefix).lower(), cls.model_fields):
                raise ConfigurationError(f"{each.label} is not a setting; did you mean {prefix}{setting.upper()}?")
        return ()

    @classmethod
    def missing(cls, field: str, strangers: Iterable[Variable]) -> str:  # noqa: ARG003 - for subclasses
        """Return the sentence for a required setting that is missing."""
        return f"Set {cls.model_config.get('env_prefix', '')}{field.upper()}, in the environment or in .env"

    @classmethod
    def _sentence(cls, details: ErrorDetails, read: Mapping[str, Variable], strangers: Iterable[Variable]) -> str:
        field = str(details["loc"][0]) if details["loc"] else ""
        if details["type"] == "missing":
            return cls.missing(field, strangers)
        if details["type"] == "extra_forbidden":
            alike = meant(field, cls.model_fields)
            return f"{field} is not a setting; " + (f"did you mean {alike}?" if alike else "remove it")
        words = re.sub("^(Input|String) should", "it must", words_of(details))
        label = read[field].label if field in read else field
        return f"{label}: {words}" if label else words


def _paths(files: Any) -> Iterable[Path]:
    if files is None:
        return ()
    return (Path(files).expanduser(),) if isinstance(files, (str, Path)) else map(Path, files)
