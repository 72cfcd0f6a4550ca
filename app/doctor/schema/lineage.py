"""The order of the revisions."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self

from alembic.script import ScriptDirectory

from app.db.migrations.history import own_config


@dataclass(frozen=True)
class Lineage:
    """The revisions that this code knows, each with its ancestors."""

    ancestors: Mapping[str, frozenset[str]]
    heads: frozenset[str]

    @classmethod
    def known(cls) -> Self:
        """Read the revisions of this code."""
        script = ScriptDirectory.from_config(own_config())
        revisions = [each.revision for each in script.walk_revisions()]
        ancestors = {
            each: frozenset(one.revision for one in script.iterate_revisions(each, "base")) for each in revisions
        }
        return cls(ancestors, frozenset(script.get_heads()))

    def contained(self, at: Iterable[str]) -> set[str]:
        """Return the revisions that are ancestors of others in `at`, so that their rows are redundant."""
        at = set(at)
        return {each for each in at if any(each in self.ancestors[other] for other in at - {each})}

    def missing(self, at: Iterable[str]) -> set[str]:
        """Return the revisions that a database at `at` lacks."""
        return set(self.ancestors) - set().union(*(self.ancestors[each] for each in at))
