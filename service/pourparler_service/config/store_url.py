"""The store that a setting names: `sqlite:PATH`, `memory:`, or none for the default."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from pourparler_service.config.settings_file import SettingsError

VARIABLE = "POURPARLER_STORE"

SQLITE = "sqlite"
MEMORY = "memory"
_POSTGRESQL = ("postgresql", "postgres")

_OF_THE_LIBRARY = (
    "PERSISTENCE_MODULE",
    "SQLITE_DBNAME",
    "ORIGINATOR_ID_TYPE",
    "POSTGRES_ENABLE_DB_FUNCTIONS",
)


class StoreUrl(NamedTuple):
    """The kind of a store, and its file."""

    kind: str
    path: Path | None = None
    """The database of the record. None: the file in the data directory."""


def read_store_url(text: str) -> StoreUrl:
    """Return the store that a text names; an empty one names SQLite. Raise SettingsError."""
    kind, colon, rest = text.partition(":")
    if kind in _POSTGRESQL and colon:
        raise SettingsError(
            f"The store {kind}: is not supported yet. Set {VARIABLE} to sqlite:PATH or memory:."
        )
    if kind == MEMORY and colon and not rest:
        return StoreUrl(MEMORY)
    if not text or (kind == SQLITE and colon):
        return StoreUrl(SQLITE, Path(rest) if rest else None)
    raise SettingsError(
        f"The store {text!r} is unknown. Set {VARIABLE} to sqlite:PATH or memory:, or unset it for"
        " SQLite in the data directory."
    )


def refuse_library_settings(environment: Mapping[str, str]) -> None:
    """Raise SettingsError if a variable chooses a store by the `eventsourcing` library's names."""
    for name in _OF_THE_LIBRARY:
        if environment.get(name):
            raise SettingsError(
                f"{name} is a variable of the eventsourcing library, which the service does not"
                f" use to choose its store. Unset it, and set {VARIABLE} to sqlite:PATH or memory:."
            )
