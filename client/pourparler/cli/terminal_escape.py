"""Makes words harmless to a terminal: what could move, hide or turn text is shown. Pure."""

import unicodedata
from functools import cache

_JOINERS = frozenset("\u200c\u200d")
"""Written within words of several scripts, and within emoji: they join letters and turn nothing."""


def escaped(text: str, *, lines: bool = False) -> str:
    r"""Return a text with each control, escape, direction and invisible character by its name.

    Control characters come out as `\x1b`, others as `<U+202E>`. With `lines`, line ends stay: for
    places that keep a text within its column.
    """
    if text.isascii() and text.isprintable():
        return text
    if lines:
        text = text.replace("\r\n", "\n")
        return "\n".join("".join(map(_shown, line)) for line in text.split("\n"))
    return "".join(map(_shown, text))


@cache
def _shown(character: str) -> str:
    if character in _JOINERS:
        return character
    named = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}.get(character)
    if named is not None:
        return named
    category = unicodedata.category(character)
    if category == "Cc":
        return f"\\x{ord(character):02x}"
    # Zl and Zp end lines, Cf turns and hides text; terminals differ on the rest.
    if category in {"Zl", "Zp"} or category.startswith("C"):
        return f"<U+{ord(character):04X}>"
    return character
