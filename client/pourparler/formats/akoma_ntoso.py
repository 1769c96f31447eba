"""Akoma Ntoso 3.0 debates (OASIS LegalDocML): statements are speeches, other entries are notes.

The format serves archives of minutes: it carries the words and their speakers only.
"""

import re
import tempfile
from collections.abc import Iterable, Iterator
from html import escape
from typing import Any, BinaryIO
from xml.parsers import expat

from pourparler import v1 as pb
from pourparler.formats.draft_lines import LONGEST, BadLineError, Read, compact, withheld
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
        text = f"{kind.title}, {basis}: {row(entry)['text']}"
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


def _quoted(text: str) -> str:
    return f'"{_text(text)}"'


def _text(text: str) -> str:
    return escape(_UNFIT.sub("\ufffd", text))


# The reader.

_AGENTS = {
    "TLCPerson": "PARTICIPANT_KIND_PERSON",
    "TLCOrganization": "PARTICIPANT_KIND_ORGANIZATION",
    "TLCRole": "PARTICIPANT_KIND_PERSON",  # such as the chair, whoever it is
}
_SPOKEN = {"speech", "question", "answer"}
_SECTIONS = {
    "administrationOfOath", "rollCall", "prayers", "oralStatements", "writtenStatements",
    "personalStatements", "ministerialStatements", "resolutions", "nationalInterest",
    "declarationOfVote", "communication", "petitions", "papers", "noticesOfMotion", "questions",
    "address", "proceduralMotions", "pointOfOrder", "adjournment", "debateSection",
}  # fmt: skip
_TEXTS = {"heading", "from", "docTitle"}
_ASIDE = {"from", "heading", "subheading", "num", "authorialNote"}
_BLOCKS = {"p", "li", "item", "block", "tr"}
_ZONE = re.compile(r"(Z|[+-]\d\d:\d\d)$")
_DEEPEST = 200
_BREAK = "\0"  # between paragraphs: in no text of XML
_CHUNK = 1 << 16
_LONGEST_ID = 64


def read(file: BinaryIO) -> Iterator[Read]:
    """Yield the drafts of a debate: its opening, participants, headings and speeches.

    Notes between speeches are skipped. Malformed XML ends the reading, with its line number.
    """
    reader = _Reader()
    try:
        while data := file.read(_CHUNK):
            yield from reader.take(data)
        yield from reader.end()
    except (expat.ExpatError, ValueError) as error:
        yield from reader.found()
        said = str(error) if isinstance(error, BadLineError) else f"It is not XML: {error}."
        yield Read(max(reader.line, 1), BadLineError(said), reader.reached)


class _Reader:
    """The state of the parser: the open elements, and the known participants."""

    def __init__(self) -> None:
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._parser.buffer_text = True
        self._parser.StartDoctypeDeclHandler = self._doctype
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._finish
        self._parser.CharacterDataHandler = self._characters
        self._found: list[Read] = []
        self._open: list[str] = []
        self._sections: list[str] = []  # the topic of each open section; empty if it has none
        self._agents: dict[str, dict[str, str]] = {}  # who may speak, by what points at them
        self._joined: dict[str, str] = {}  # the ids of those who did
        self._taken: set[str] = set()
        self._text: list[str] | None = None  # of the open heading, sender or title
        self._length = 0
        self._speech: dict[str, str] | None = None
        self._spoken: list[str] = []
        self._sender = ""
        self._began = 0  # the line of the open speech
        self._title = self._uri = ""
        self._line = 1  # of the debate itself
        self._opened = False
        self.reached = 0

    @property
    def line(self) -> int:
        """The current line, from 1."""
        return self._parser.CurrentLineNumber

    def take(self, data: bytes) -> list[Read]:
        """Parse more of the file. Return the drafts that are complete."""
        self.reached += len(data)
        self._parser.Parse(data, False)
        if self.reached - self._parser.CurrentByteIndex > LONGEST:
            raise BadLineError(f"A tag or comment is longer than {LONGEST:,} bytes.")
        return self.found()

    def end(self) -> list[Read]:
        """End the file. Return the remaining drafts."""
        self._parser.Parse(b"", True)
        if not self._opened:
            raise BadLineError("It is no debate of Akoma Ntoso 3.0.")
        return self.found()

    def found(self) -> list[Read]:
        """Return the complete drafts since the last call."""
        found, self._found = self._found, []
        return found

    def _doctype(self, *_: object) -> None:
        raise BadLineError("The document has a document type, which is not supported: remove it.")

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        namespace, _, name = tag.rpartition(" ")
        if len(self._open) >= _DEEPEST:
            raise BadLineError("It is nested too deeply.")
        if not self._open and (namespace, name) != (NAMESPACE, "akomaNtoso"):
            raise BadLineError("It is no document of Akoma Ntoso 3.0.")
        if len(self._open) == 1 and name != "debate":
            raise BadLineError(f"It is no debate, but {name[:40]}.")
        if len(self._open) == 1:
            self._line = self.line
        self._open.append(name)
        if name in {"FRBRthis", "FRBRname"} and "FRBRWork" in self._open:
            if name == "FRBRthis":
                self._uri = attributes.get("value", "")
            else:
                self._title = attributes.get("value", "")
        elif name in _AGENTS and "references" in self._open:
            named = {"kind": _AGENTS[name], "name": attributes.get("showAs", "")}
            self._agents[f"#{attributes.get('eId', '')}"] = named
        elif name == "debateBody":
            self._begin()
        elif name in _SECTIONS:
            self._sections.append("")
        elif name in _SPOKEN:
            if self._speech is not None:
                raise BadLineError("A speech stands within another.")
            self._speech, self._spoken, self._sender = attributes, [], ""
            self._began, self._length = self.line, 0
        elif name in _TEXTS and self._text is None:
            self._text = []
            if self._speech is None:
                self._length = 0

    def _characters(self, text: str) -> None:
        self._length += len(text)
        if self._length > LONGEST and (self._text is not None or self._speech is not None):
            raise BadLineError(f"The speech is longer than {LONGEST:,} characters.")
        if self._text is not None:
            self._text.append(text)
        elif self._speech is not None and not _ASIDE.intersection(self._open):
            self._spoken.append(text)

    def _finish(self, tag: str) -> None:
        name = tag.rpartition(" ")[2]
        self._open.pop()
        if self._text is not None and name in _TEXTS and not _TEXTS.intersection(self._open):
            text = " ".join("".join(self._text).split())
            self._text = None
            if self._speech is not None and name == "from":
                self._sender = text
            elif name == "heading" and self._sections and text and not self._sections[-1]:
                self._topic(text)
            elif name == "docTitle" and "preface" in self._open:
                self._title = self._title or text
        elif name in _BLOCKS and self._speech is not None:
            self._spoken.append(_BREAK)
        elif name in _SPOKEN:
            self._said()
        elif name in _SECTIONS:
            self._sections.pop()

    def _named(self, pointer: str) -> str:
        """Return the id of a referenced participant, and add it if it is new; or ""."""
        agent = self._agents.get(pointer)
        if agent is None or pointer in self._joined:
            return self._joined.get(pointer, "")
        key = self._joined[pointer] = self._id(pointer[1:], "participant")
        event = {"participant_id": key, "kind": agent["kind"], "role": "PARTICIPANT_ROLE_PARTY"}
        self._add(self._began, "participant_joined", event, {"name": agent["name"] or key})
        return key

    def _begin(self) -> None:
        if self._opened:
            raise BadLineError("The debate has two bodies.")
        self._opened = True
        self._title = self._title or "A debate"
        self._add(self._line, "negotiation_opened", {}, {"title": self._title})

    def _topic(self, title: str) -> None:
        parent = next((one for one in reversed(self._sections) if one), "")
        key = self._id(f"section-{len(self._taken)}", "topic")
        self._sections[-1] = key
        event = {"topic_id": key} | ({"parent_id": parent} if parent else {})
        self._add(self.line, "topic_added", event, {"title": title})

    def _said(self) -> None:
        speech, self._speech = self._speech or {}, None
        by = self._named(speech.get("by", ""))
        key = self._id(speech.get("eId") or f"speech-{len(self._taken)}", "speech")
        lines = (" ".join(one.split()) for one in "".join(self._spoken).split(_BREAK))
        event: dict[str, Any] = {"statement_id": key, "act": "STATEMENT_ACT_ASSERT"}
        words: dict[str, Any] = {"text": "\n".join(filter(None, lines))}
        if by:
            event["speakers"] = [by]
        elif self._sender:
            words["speaker_described"] = self._sender
        else:
            self._refuse(f"The speaker is not among the references: {speech.get('by', '')[:60]!r}.")
            return
        to = self._named(speech.get("to", ""))
        if to:
            event["addressed_to"] = [to]
        topic = next((one for one in reversed(self._sections) if one), "")
        if topic:
            event["topic_ids"] = [topic]
        self._add(self._began, "statement_recorded", event, words, speech.get("startTime", ""))

    def _refuse(self, text: str) -> None:
        self._found.append(Read(self._began, BadLineError(text), self.reached))

    def _add(
        self, line: int, kind: str, event: dict[str, Any], words: dict[str, Any], when: str = ""
    ) -> None:
        """Add a draft. A speech without a name has no speaker."""
        unnamed = "speaker_described" in words
        facts: dict[str, Any] = {
            "provenance": {
                "basis": "BASIS_UNATTRIBUTED" if unnamed else "BASIS_ON_RECORD",
                "form": "FORM_VERBATIM" if kind == "statement_recorded" else "FORM_SUMMARY",
            },
            kind: event,
        }
        if when:
            # Without a zone the hour could be any: only the day is known.
            facts["occurred"] = {"instant": when} if _ZONE.search(when) else {"edtf": when[:10]}
        source = {"id": "minutes", "kind": "SOURCE_KIND_MINUTES", "title": self._title}
        if self._uri:
            source["uri"] = self._uri
        said = {"facts": facts, "words": words | {"sources": [source]}}
        self._found.append(Read(line, compact(said).encode(), self.reached))

    def _id(self, given: str, kind: str) -> str:
        """Return a valid id for an id of the debate. Raises BadLineError if two would be equal."""
        key = re.sub(r"[^a-z0-9._-]+", "-", given.lower()).lstrip("._-")[:_LONGEST_ID] or kind
        if f"{kind} {key}" in self._taken:
            raise BadLineError(f"Two would go by the id {key}: {given[:60]!r} and one before it.")
        self._taken.add(f"{kind} {key}")
        return key
