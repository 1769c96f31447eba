"""Debates of Akoma Ntoso, of version 3.0 and of the drafts and versions before it, as drafts.

A speaker is a participant only if the document identifies it. Otherwise `<from>` describes it.
The parser refuses a document type, and with it every entity.
"""

from collections.abc import Iterator
from typing import Any, BinaryIO
from xml.parsers import expat

from pourparler.formats.akoma_ntoso_dates import date_of, is_of_sitting, time_of
from pourparler.formats.akoma_ntoso_drafts import DebateDrafts, Speech
from pourparler.formats.akoma_ntoso_references import References, id_of
from pourparler.formats.draft_lines import LONGEST, BadLineError, Read

_NAMESPACES = ("http://docs.oasis-open.org/legaldocml/ns/akn/", "http://www.akomantoso.org/")
"""The beginnings of the namespaces: of OASIS, also of its drafts such as CSD13, and before it."""
_BODIES = {"debate": "debateBody", "debateReport": "mainBody"}
_SPOKEN = {"speech", "question", "answer"}
_SECTIONS = {
    "administrationOfOath", "rollCall", "prayers", "oralStatements", "writtenStatements",
    "personalStatements", "ministerialStatements", "resolutions", "nationalInterest",
    "declarationOfVote", "communication", "petitions", "papers", "noticesOfMotion", "questions",
    "address", "proceduralMotions", "pointOfOrder", "adjournment", "debateSection",
}  # fmt: skip
_TEXTS = {"heading", "from", "docTitle"}
_ASIDE = {"from", "heading", "subheading", "num", "authorialNote"}
_NOTES = {"summary", "scene", "narrative", "other", "subheading", "num", "authorialNote"}
"""The elements whose text is lost."""
_BLOCKS = {"p", "li", "item", "block", "tr"}
_OF_BODY = _SPOKEN | _SECTIONS | _TEXTS | _NOTES | _BLOCKS
_VOTES = {"voting", "quorumVerification"}
_DEEPEST = 200
_BREAK = "\0"  # between paragraphs: in no text of XML
_CHUNK = 1 << 16


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
        yield from reader.drafts.take()
        said = str(error) if isinstance(error, BadLineError) else f"It is not XML: {error}."
        number, notes = max(reader.line, 1), reader.drafts.take_notes()
        yield Read(number, BadLineError(said), reader.drafts.reached, notes=notes)


class _Reader:
    """The state of the parser: the open elements, and the open heading, speech or note."""

    def __init__(self) -> None:
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._parser.buffer_text = True
        self._parser.StartDoctypeDeclHandler = self._doctype
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._finish
        self._parser.CharacterDataHandler = self._characters
        self.drafts = DebateDrafts()
        self._references = References()
        self._namespace = ""
        self._open: list[str] = []
        self._sections: list[str] = []  # the topic of each open section; empty if it has none
        self._text: list[str] | None = None  # of the open heading, sender or title
        self._length = 0
        self._speech: dict[str, str] | None = None
        self._spoken: list[str] = []
        self._sender = ""
        self._unsaid = False  # there is text that no entry has
        self._time: dict[str, Any] | None = None  # of the open heading or speech
        self._began = 0  # the line of the open speech
        self._line = 1  # of the debate itself
        self._opened = False

    @property
    def line(self) -> int:
        """The current line, from 1."""
        return self._parser.CurrentLineNumber

    def take(self, data: bytes) -> list[Read]:
        """Parse more of the file. Return the drafts that are complete."""
        self.drafts.reached += len(data)
        self._parser.Parse(data, False)
        if self.drafts.reached - self._parser.CurrentByteIndex > LONGEST:
            raise BadLineError(f"A tag or comment is longer than {LONGEST:,} bytes.")
        return self.drafts.take()

    def end(self) -> list[Read]:
        """End the file. Return the remaining drafts and notes."""
        self._parser.Parse(b"", True)
        if not self._opened:
            raise BadLineError("It is no debate of Akoma Ntoso: it has no debateBody.")
        found, notes = self.drafts.take(), self.drafts.take_notes()
        return [*found, Read(self.line, b"", self.drafts.reached, notes=notes)] if notes else found

    def _doctype(self, *_: object) -> None:
        raise BadLineError("The document has a document type, which is not supported: remove it.")

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        namespace, _, name = tag.rpartition(" ")
        if len(self._open) >= _DEEPEST:
            raise BadLineError("It is nested too deeply.")
        if not self._open:
            self._check_root(namespace, name)
        if namespace != self._namespace:
            name = ""  # of another standard
        if len(self._open) == 1:
            if name not in _BODIES:
                raise BadLineError(f"It is no debate, but {tag.rpartition(' ')[2][:40]}.")
            self._line = self.line
        self._open.append(name)
        if "meta" in self._open:
            self._meta(name, attributes)
            if name in _OF_BODY:
                self._open[-1] = ""  # it has no meaning here, so its end has none
        elif name in {"debateBody", _BODIES[self._open[1]] if self._open[1:] else ""}:
            if self._opened:
                raise BadLineError("The debate has two bodies.")
            self._opened = True
            self.drafts.open(self._line)
        elif name in _SECTIONS:
            self._sections.append("")
        elif name in _SPOKEN:
            self._begin_speech(attributes)
        elif name == "recordedTime":
            self._recorded(attributes.get("time", ""))
        elif name in _TEXTS and self._text is None:
            self._text = []
            if self._speech is None:
                self._length, self._time = 0, None

    def _check_root(self, namespace: str, name: str) -> None:
        known = not namespace or namespace.startswith(_NAMESPACES)
        if not known or name != "akomaNtoso":
            raise BadLineError(
                "It is no document of Akoma Ntoso: it begins with"
                f" {name[:40]} of the namespace {namespace[:80]!r}."
            )
        self._namespace = namespace

    def _meta(self, name: str, attributes: dict[str, str]) -> None:
        drafts, value = self.drafts, attributes.get("value", "")
        if name in _VOTES:
            drafts.lost(self.line, f"the result of a vote (<{name}>)")
        elif "references" in self._open:
            self._references.add(name, attributes)
        elif "FRBRWork" not in self._open:
            return
        elif name == "FRBRthis":
            drafts.uri = value
        elif name == "FRBRname":
            drafts.title = value
        elif name == "FRBRdate" and not drafts.day:
            day = date_of(attributes.get("date", ""))
            if day and is_of_sitting(attributes.get("name", "")):
                drafts.day = day
            else:
                drafts.lost(self.line, "a date of the document that is not that of the debate")

    def _begin_speech(self, attributes: dict[str, str]) -> None:
        if self._speech is not None:
            raise BadLineError("A speech stands within another.")
        self._speech, self._spoken, self._sender = attributes, [], ""
        self._began, self._length, self._time = self.line, 0, None
        self._unsaid = False
        if "startTime" in attributes:
            self._recorded(attributes["startTime"])
        if "endTime" in attributes:
            self.drafts.lost(self.line, "the end of a speech (endTime)")

    def _recorded(self, text: str) -> None:
        """Take the time of the open heading or speech. A later time in it is not its own."""
        found = time_of(text)
        if found is not None and found.date == self._time:
            return
        if self._speech is None:
            is_own = "heading" in self._open
        else:
            is_own = not "".join(self._spoken).replace(_BREAK, "").strip()
        if found is None or not is_own or self._time is not None:
            self.drafts.lost(self.line, "a time that is not the start of a speech or section")
            return
        self._time = found.date
        if not found.is_exact:
            self.drafts.lost(self.line, "the time of day, because it has no time zone")

    def _characters(self, text: str) -> None:
        self._length += len(text)
        if self._length > LONGEST and (self._text is not None or self._speech is not None):
            raise BadLineError(f"The speech is longer than {LONGEST:,} characters.")
        if self._text is not None:
            if "recordedTime" not in self._open:
                self._text.append(text)
        elif self._speech is not None and not _ASIDE.intersection(self._open):
            self._spoken.append(text)
        elif self._opened and text.strip():
            self._unsaid = True

    def _finish(self, _tag: str) -> None:
        name = self._open.pop()
        if self._text is not None and name in _TEXTS and not _TEXTS.intersection(self._open):
            self._finish_text(name)
        elif name in _NOTES or (name in _BLOCKS and self._speech is None):
            self._finish_note(name)
        elif name in _BLOCKS:
            self._spoken.append(_BREAK)
        elif name in _SPOKEN:
            self._said()
        elif name in _SECTIONS:
            self._finish_note(name)
            self._sections.pop()
        elif name in {"attachments", "components", "conclusions"}:
            self._finish_note(name)

    def _finish_text(self, name: str) -> None:
        text = " ".join("".join(self._text or ()).split())
        self._text = None
        if self._speech is not None and name == "from":
            self._sender = text
        elif name == "heading" and self._speech is None:
            if self._sections and text and not self._sections[-1]:
                parent = next((one for one in reversed(self._sections) if one), "")
                self._sections[-1] = self.drafts.topic(self.line, text, parent, self._time)
            elif text:
                self.drafts.lost(self.line, "a heading that is not the first of a section")
        elif name == "docTitle" and not self._opened and not self.drafts.title:
            self.drafts.title = text
        elif text:
            self.drafts.lost(self.line, f"the text of a further <{name}>")

    def _finish_note(self, name: str) -> None:
        """Note the text of an element that no entry has, once for the outermost."""
        if not self._unsaid or _NOTES.intersection(self._open):
            return
        self._unsaid = False
        what = f"the text of a <{name}>" if name in _NOTES else "text outside of speeches"
        self.drafts.lost(self.line, what)

    def _said(self) -> None:
        speech, self._speech = self._speech or {}, None
        by = speech.get("by", "")
        speakers = self._references.agents(by)
        if speakers is None and not self._sender:
            self.drafts.refuse(
                self._began, f"The speaker is not among the references: {by[:60]!r}."
            )
            return
        if speakers is None and by.strip("# "):
            self.drafts.lost(self._began, "a pointer to a speaker that the references do not list")
        addressees = []
        for pointer in speech.get("to", "").split():
            agent = self._references.agent(pointer)
            if agent is not None:
                addressees.append(agent)
            else:
                self.drafts.lost(self._began, "an addressee that the references do not list")
        lines = (" ".join(one.split()) for one in "".join(self._spoken).split(_BREAK))
        self.drafts.statement(
            Speech(
                number=self._began,
                key=id_of(speech),
                speakers=speakers or (),
                addressees=addressees,
                sender=self._sender,
                role=self._role(speech.get("as", "")),
                topic=next((one for one in reversed(self._sections) if one), ""),
                text="\n".join(filter(None, lines)),
                occurred=self._time,
            )
        )

    def _role(self, pointer: str) -> str:
        """Return the name of the role that a pointer names, or ""."""
        if not pointer.strip("# "):
            return ""
        role = self._references.agent(pointer)
        if role is None or not role.name:
            self.drafts.lost(self._began, "a role that the references do not list")
            return ""
        return role.name
