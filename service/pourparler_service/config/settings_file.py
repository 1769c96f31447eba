"""A settings file: TOML, read section by section. What is not known in it is refused by name."""

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any


class SettingsError(Exception):
    """The settings cannot be followed. The text says why."""


class Section:
    """A section of a settings file. What is not taken from it is refused at its end."""

    def __init__(self, path: Path, name: str, values: Mapping[str, Any]) -> None:
        """Take the section of this name in this file; the name is empty for the whole."""
        self._path = path
        self._name = name
        self._values = dict(values)

    def section(self, key: str) -> "Section":
        """The section below; an empty one if it is not given."""
        return Section(self._path, self._below(key), self._take(key, dict, {}))

    def sections(self, key: str) -> Iterator["Section"]:
        """The sections below of this name: one, several, or none."""
        given = self._take(key, dict | list, [])
        for one in given if isinstance(given, list) else [given]:
            if not isinstance(one, dict):
                raise self._wrong(key, "a section")
            yield Section(self._path, self._below(key), one)

    def text(self, key: str) -> str:
        """A text; empty if it is not given."""
        given: str = self._take(key, str, "")
        return given

    def path(self, key: str) -> Path | None:
        """A path, which begins at the folder of the file; None if it is not given."""
        text = self.text(key)
        return self._path.parent / text if text else None

    def paths(self, key: str) -> tuple[Path, ...]:
        """A list of paths."""
        return tuple(self._path.parent / text for text in self.texts(key))

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of texts."""
        given = self._take(key, list, [])
        if not all(isinstance(one, str) for one in given):
            raise self._wrong(key, "a list of texts")
        return tuple(given)

    def has(self, key: str) -> bool:
        """Whether it is given, be it empty."""
        return key in self._values

    def number(self, key: str, least: int = 1) -> int | None:
        """A whole number, `least` or more; None if it is not given."""
        given: int | None = self._take(key, int, None)
        if given is not None and (isinstance(given, bool) or given < least):
            raise self._wrong(key, f"a whole number of {least} or more")
        return given

    def end(self) -> None:
        """Raise SettingsError if something is left that was not asked for."""
        if self._values:
            where = f"section [{self._name}] of " if self._name else ""
            unknown = ", ".join(sorted(self._values))
            raise SettingsError(f"The {where}settings file {self._path} says {unknown}: unknown.")

    def _below(self, key: str) -> str:
        return f"{self._name}.{key}" if self._name else key

    def _take(self, key: str, kind: Any, otherwise: object) -> Any:
        given = self._values.pop(key, otherwise)
        if given is not otherwise and not isinstance(given, kind):
            names = {str: "a text", int: "a whole number", list: "a list"}
            raise self._wrong(key, names.get(kind, "a section"))
        return given

    def _wrong(self, key: str, wanted: str) -> SettingsError:
        return SettingsError(f"In {self._path}, {self._below(key)} is not {wanted}.")


def read(path: Path) -> Section:
    """The whole of a settings file. Raises SettingsError."""
    try:
        with path.open("rb") as file:
            return Section(path, "", tomllib.load(file))
    except OSError as error:
        raise SettingsError(
            f"The settings file {path} cannot be read: {error.strerror}."
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"The settings file {path} is not TOML: {error}.") from error
