"""Files of drafts, checked and folded as in the service but without one."""

import json
from collections.abc import Iterable
from typing import NamedTuple

from google.protobuf import json_format

from pourparler import v1 as pb
from pourparler.schema import edtf
from pourparler.state.fold import evolve
from pourparler.state.summary import count_parts
from pourparler_service.domain import rules
from pourparler_service.validation.drafts import check_draft, prepare
from tests.support import sample_entries


class Replayed(NamedTuple):
    """The entries and the state from the drafts of one negotiation."""

    entries: list[pb.Entry]
    state: pb.Negotiation


def drafts(lines: Iterable[str]) -> dict[str, list[pb.Draft]]:
    """Return the drafts of a file in the import format, by negotiation name."""
    result: dict[str, list[pb.Draft]] = {}
    for line in lines:
        name, draft = read(line)
        result.setdefault(name, []).append(draft)
    return result


def read(line: str) -> tuple[str, pb.Draft]:
    """Return the negotiation name and the draft of one line of such a file."""
    said = json.loads(line)
    name = str(said.pop("negotiation"))
    return name, json_format.ParseDict(said, pb.Draft())


def replayed(name: str, negotiation: Iterable[pb.Draft]) -> Replayed:
    """Check drafts in order as the writer does. Raise the first refusal."""
    entries: list[pb.Entry] = []
    state = pb.Negotiation()
    for version, draft in enumerate(negotiation, start=1):
        prepare(draft, edtf.bounds)
        check_draft(draft)
        rules.complete(state, draft)
        rules.check(
            state, draft, record_time=sample_entries.recorded_at(version), history=lambda: entries
        )
        entry = sample_entries.recorded(version, draft)
        entry.header.negotiation = name.removeprefix("negotiations/")
        entries.append(entry)
        evolve(state, entry)
    count_parts(state)
    return Replayed(entries, state)
