"""Akoma Ntoso 3.0 debates (OASIS LegalDocML): statements are speeches, other entries are notes.

The format serves archives of minutes: it carries the words and their speakers only.
`akoma_ntoso_reader` reads them, and those of other programs.
"""

import re
import tempfile
from collections.abc import Iterable
from html import escape
from typing import BinaryIO

from pourparler import v1 as pb
from pourparler.formats.draft_lines import withheld
from pourparler.formats.table import row
from pourparler.schema.contract import entry_type

NAMESPACE = "http://docs.oasis-open.org/legaldocml/ns/akn/3.0"

_OURS = "Pourparler"  # no id of ours has a capital letter, so that none is there twice
_COUNTRY = "xx"  # of no country: ISO 3166 leaves it to users
_LANGUAGE = "und"
_IN_MEMORY = 1 << 24
_UNFIT = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write(file: BinaryIO, entries: Iterable[pb.Entry], origin: str) -> int:
    """Write a debate. Return the number of entries. The body is buffered in a temporary file."""
    named: dict[str, tuple[str, str]] = {}
    first = last = pb.Entry()
    count = 0
    with tempfile.SpooledTemporaryFile(_IN_MEMORY, mode="w+b") as body:
        for entry in entries:
            first = entry if not count else first
            last = entry
            count += 1
            if entry.facts.HasField("participant_joined"):
                joined = entry.facts.participant_joined
                known = joined.kind == pb.PARTICIPANT_KIND_PERSON
                kind = "TLCPerson" if known else "TLCOrganization"
                named[joined.participant_id] = (kind, entry.words.name or joined.participant_id)
            body.write(_told(entry).encode())
        body.seek(0)
        file.write(_head(first, last, origin, named).encode())
        while part := body.read(1 << 16):
            file.write(part)
    if not count:
        file.write(b'<narrative status="undefined"/>\n')
    file.write(b"</debateSection>\n</debateBody>\n</debate>\n</akomaNtoso>\n")
    return count


def _head(first: pb.Entry, last: pb.Entry, origin: str, named: dict[str, tuple[str, str]]) -> str:
    work = f"/akn/{_COUNTRY}/debate/{origin}"
    began, ended = (one.header.record_time.ToJsonString()[:10] for one in (first, last))
    title = first.words.title or first.header.negotiation or origin
    agents = {_OURS: ("TLCOrganization", _OURS), **named}
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<akomaNtoso xmlns="{NAMESPACE}">\n<debate name="negotiation">\n<meta>\n'
        f'<identification source="#{_OURS}">\n'
        f"{_frbr('Work', work, began)}<FRBRcountry value={_quoted(_COUNTRY)}/>"
        f"<FRBRname value={_quoted(title)}/></FRBRWork>\n"
        f"{_frbr('Expression', f'{work}/{_LANGUAGE}@{ended}', ended)}"
        f"<FRBRlanguage language={_quoted(_LANGUAGE)}/></FRBRExpression>\n"
        f"{_frbr('Manifestation', f'{work}/{_LANGUAGE}@{ended}.xml', ended)}</FRBRManifestation>\n"
        f'</identification>\n<references source="#{_OURS}">\n'
        + "".join(
            f"<{kind} eId={_quoted(key)} href={_quoted(f'/ontology/{kind[3:].lower()}/{key}')}"
            f" showAs={_quoted(name)}/>\n"
            for key, (kind, name) in agents.items()
        )
        + '</references>\n</meta>\n<debateBody>\n<debateSection name="record" eId="Record">\n'
        f"<heading>{_text(title)}</heading>\n"
    )


def _frbr(level: str, uri: str, date: str) -> str:
    return (
        f"<FRBR{level}><FRBRthis value={_quoted(uri)}/><FRBRuri value={_quoted(uri)}/>"
        f'<FRBRdate date={_quoted(date)} name="recorded"/><FRBRauthor href="#{_OURS}"/>'
    )


def _told(entry: pb.Entry) -> str:
    """Return an entry as a speech if its speaker is known, or else as a note."""
    said = entry.facts.statement_recorded
    kind = entry_type(entry.facts)
    if withheld(entry) or kind is None:
        what = kind.title if kind else "Entry"
        return f'<narrative eId="E{entry.header.version}" status="incomplete">{what}</narrative>\n'
    if not said.speakers:
        basis = str(row(entry)["basis"]).replace("_", " ")
        columns = row(entry)
        who = [f"{name.replace('_', ' ')} {columns[name]}" for name in _ROLES if columns[name]]
        what = f" {_answer(entry)}" if entry.facts.HasField("proposal_answered") else ""
        about = ", ".join([f"{kind.title}{what}", *who, basis])
        text = f"{about}: {columns['text']}"
        return f'<narrative eId="E{entry.header.version}">{_text(text)}</narrative>\n'
    to = f" to={_quoted(f'#{said.addressed_to[0]}')}" if said.addressed_to else ""
    when = ""
    if entry.facts.occurred.HasField("instant"):
        when = f" startTime={_quoted(entry.facts.occurred.instant.ToJsonString())}"
    paragraphs = "".join(f"<p>{_text(one)}</p>" for one in entry.words.text.split("\n"))
    by = _quoted(f"#{said.speakers[0]}")
    return (
        f"<speech eId={_quoted(f'S-{said.statement_id}')} by={by}{to}{when}>"
        f"<from>{_text(', '.join(said.speakers))}</from>{paragraphs}</speech>\n"
    )


_ROLES = ("by", "to", "between", "on_behalf_of")


def _answer(entry: pb.Entry) -> str:
    """Return an answer and its proposal: `ACCEPT to offer-1`."""
    event = entry.facts.proposal_answered
    return f"{pb.Answer.Name(event.answer).removeprefix('ANSWER_')} to {event.proposal_id}"


def _quoted(text: str) -> str:
    return f'"{_text(text)}"'


def _text(text: str) -> str:
    return escape(_UNFIT.sub("\ufffd", text))
