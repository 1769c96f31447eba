"""A settings file: TOML, read section by section. An unknown key is an error."""

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pourparler_service.config.settings_table import Kind, Setting


class SettingsError(Exception):
    """The service cannot use its settings. The text says why and what to change."""


class Section:
    """A section of a settings file. `end` refuses each key that no setting has read."""

    def __init__(self, path: Path, name: str, values: Mapping[str, Any]) -> None:
        """Take the section of this name in this file. The name of the top level is empty."""
        self._path = path
        self._name = name
        self._values = dict(values)

    def section(self, key: str) -> "Section":
        """Return the section of this name; an empty one if the file has none."""
        given = self._values.pop(key, {})
        if not isinstance(given, dict):
            raise self._wrong(key, given, f"a section, [{key}]")
        return Section(self._path, key, given)

    def sections(self, key: str) -> Iterator["Section"]:
        """Yield the sections of this name: none, `[key]`, or several `[[key]]`."""
        given = self._values.pop(key, [])
        for one in given if isinstance(given, list) else [given]:
            if not isinstance(one, dict):
                raise self._wrong(key, one, f"a section, [[{key}]]")
            yield Section(self._path, key, one)

    def value(self, setting: Setting) -> Any:
        """Return the value of a setting; None if the section does not have it, or has "".

        A relative path starts at the directory of the file. Raises SettingsError.
        """
        if setting.key not in self._values:
            return None
        given = self._values.pop(setting.key)
        if given == "":
            return None
        if not _fits(setting, given):
            raise self._wrong(setting.key, given, setting.expected)
        match setting.kind:
            case Kind.PATH:
                return self._path.parent / given
            case Kind.PATHS:
                return tuple(self._path.parent / text for text in given)
            case Kind.TEXTS:
                return tuple(given)
            case Kind.SECONDS:
                return float(given)
            case _:
                return given

    def end(self) -> None:
        """Raise SettingsError if a key is left that no setting has read."""
        if self._values:
            where = f"section [{self._name}] of the" if self._name else "the"
            unknown = ", ".join(sorted(self._values))
            raise SettingsError(
                f"Unknown in {where} settings file {self._path}: {unknown}. Correct the name, or"
                " remove it. `pourparler serve --help` lists all settings."
            )

    def _wrong(self, key: str, given: object, expected: str) -> SettingsError:
        name = f"{self._name}.{key}" if self._name else key
        return SettingsError(f"In {self._path}, {name} is {given!r}. Set it to {expected}.")


def _fits(setting: Setting, given: object) -> bool:
    """Return True if a value of a file has the type and the size that its setting needs."""
    match setting.kind:
        case Kind.PATHS | Kind.TEXTS:
            return isinstance(given, list) and all(isinstance(one, str) for one in given)
        case Kind.COUNT | Kind.SECONDS:
            kind = int if setting.kind is Kind.COUNT else int | float
            return isinstance(given, kind) and not isinstance(given, bool) and setting.allows(given)
        case _:
            return isinstance(given, str)


def read(path: Path) -> Section:
    """Return the top level of a settings file. Raises SettingsError."""
    try:
        with path.open("rb") as file:
            return Section(path, "", tomllib.load(file))
    except OSError as error:
        raise SettingsError(
            f"The settings file {path} cannot be read: {error.strerror}. Name another with --config"
            " or POURPARLER_CONFIG."
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"The settings file {path} is not TOML: {error}.") from error
