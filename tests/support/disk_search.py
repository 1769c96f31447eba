"""Whether a text can be found anywhere in a folder, in any form in which it might lie there."""

import base64
import contextlib
import zlib
from collections.abc import Iterator
from pathlib import Path

_ZLIB = 0x78  # what zlib begins with, at every level
_LONGEST = 1 << 22


def traces(folder: Path, *texts: str) -> list[tuple[str, str]]:
    """Every file of a folder in which one of the texts can be found, in its case or in none."""
    return [
        (path.name, text)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        for text in texts
        if any(is_in(path.read_bytes(), form) for form in {text, text.casefold()})
    ]


def is_in(data: bytes, text: str) -> bool:
    """Whether these bytes have a text: plain, in UTF-16, base64 or hexadecimal, or compressed."""
    forms = set(_forms(text))
    return any(form in data for form in forms) or any(
        form in unpacked for unpacked in _unpacked(data) for form in forms
    )


def _forms(text: str) -> Iterator[bytes]:
    for plain in (text.encode(), text.encode("utf-16-le"), text.encode("utf-16-be")):
        yield plain
        yield plain.hex().encode()
        yield plain.hex().upper().encode()
        for before in range(3):
            # Of the characters at the edges some bits are a neighbour's.
            encoded = base64.b64encode(b"\0" * before + plain)
            core = encoded[4 if before else 0 : -4]
            yield core
            yield core.replace(b"+", b"-").replace(b"/", b"_")


def _unpacked(data: bytes) -> Iterator[bytes]:
    begin = data.find(_ZLIB)
    while begin >= 0:
        with contextlib.suppress(zlib.error):
            yield zlib.decompressobj().decompress(data[begin:], _LONGEST)
        begin = data.find(_ZLIB, begin + 1)
