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
    Verdict.SOUND: "The entries are the signed ones.",
    Verdict.PARTIAL: (
        "The readable entries are the signed ones. Withheld entries may correct or retract them."
    ),
    Verdict.MANIPULATED: "The record is not the signed one, or it contradicts itself.",
    Verdict.INCOMPLETE: "A part is missing, so the rest is not proven.",
    Verdict.CANNOT_TELL: "The data for a verdict is missing.",
}
_UNVERIFIED = (
    "This report is not verified. To verify the record, write the report with"
    " `pourparler report --verifier-key` and the verifier key of the service."
)


class Made(NamedTuple):
    """A page, of how many entries it tells, and what verifying these came to; None without keys."""

    text: str
    entries: int
    audit: Audit | None


def make(data: bytes, keys: Sequence[VerifierKey], *, on: str, as_of: int | None = None) -> Made:
    """Return the page of the record in a bundle, up to a version. Raises BundleError."""
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
