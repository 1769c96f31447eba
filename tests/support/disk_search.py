"""A search for a text in all files of a folder, in each form in which it may be stored."""

import base64
import contextlib
import zlib
from collections.abc import Iterator
from pathlib import Path

_ZLIB = 0x78  # the headers of zlib at every level
_LONGEST = 1 << 22


def traces(folder: Path, *texts: str) -> list[tuple[str, str]]:
    """Return each file of a folder that contains one of the texts, in any case."""
    return [
        (path.name, text)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        for text in texts
        if any(is_in(path.read_bytes(), form) for form in {text, text.casefold()})
    ]


def is_in(data: bytes, text: str) -> bool:
    """Return True if bytes contain a text: plain, UTF-16, base64, hexadecimal or compressed."""
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
            # The characters at the edges share bits with their neighbours.
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
