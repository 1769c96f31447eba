"""The page of a bundle: verified where there is a key, and then made from the very same bytes."""

import io
from collections.abc import Sequence
from typing import NamedTuple

from google.protobuf.message import DecodeError

from pourparler import v1 as pb
from pourparler.cli.output import wording
from pourparler.cli.report.page import Checked, page
from pourparler.transparency import bundle
from pourparler.transparency.checkpoint import VerifierKey
from pourparler.transparency.findings import Audit, Verdict

_SAYINGS = {
    Verdict.SOUND: "They are just as they were signed for.",
    Verdict.PARTIAL: (
        "What can be read is just as it was signed for; the rest is withheld, and may correct or"
        " take back what is here."
    ),
    Verdict.MANIPULATED: "This is not what was signed for, or it contradicts itself.",
    Verdict.INCOMPLETE: "Something is missing; that the rest is as it was, is not shown.",
    Verdict.CANNOT_TELL: "What is needed to tell is not here.",
}
_UNVERIFIED = (
    "Nobody has verified the record of which this page was made: no key was given. With the key of"
    " the service, had from elsewhere, `pourparler report --key` does."
)


class Made(NamedTuple):
    """A page, of how many entries it tells, and what verifying these came to; None without keys."""

    text: str
    entries: int
    audit: Audit | None


def make(data: bytes, keys: Sequence[VerifierKey], *, on: str, as_of: int | None = None) -> Made:
    """The page of the record in a bundle, up to a version. Raises BundleError."""
    audit = bundle.verify(io.BytesIO(data), keys) if keys else None
    entries = _entries(data)
    shown = [one for one in entries if as_of is None or one.header.version <= as_of]
    checked = Checked("", _UNVERIFIED) if audit is None else _checked(audit, keys)
    if len(shown) < len(entries):
        of = f" It shows the first {len(shown):,} of {len(entries):,} entries."
        checked = checked._replace(said=checked.said + of)
    return Made(page(shown, on, checked), len(shown), audit)


def _entries(data: bytes) -> list[pb.Entry]:
    try:
        read = [
            pb.Entry.FromString(stored)
            for stored in bundle.BundleReader(io.BytesIO(data)).records()
        ]
    except DecodeError:
        raise bundle.CorruptBundleError("An entry of the bundle is garbled.") from None
    for version, entry in enumerate(read, 1):
        if entry.header.version != version:
            raise bundle.CorruptBundleError(
                f"Where entry {version} should be, the bundle has another."
            )
    return read


def _checked(audit: Audit, keys: Sequence[VerifierKey]) -> Checked:
    count = wording.count(audit.size, "entry was", "entries were")
    checkpoint = audit.checkpoint
    return Checked(
        verdict=audit.verdict.value,
        said=f"{count} checked before this page was made. {_SAYINGS[audit.verdict]}",
        origin=checkpoint.origin if checkpoint is not None else "",
        size=checkpoint.size if checkpoint is not None else 0,
        root=checkpoint.root.hex() if checkpoint is not None else "",
        keys=tuple(map(str, keys)),
        findings=tuple(
            f"{one.name}{f' at #{one.version}' if one.version else ''}: {one.text}"
            for one in audit.findings
        ),
    )
