"""The drafts of an Akoma Ntoso debate: its opening, topics, participants and statements. Pure."""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from pourparler.formats.akoma_ntoso_references import Agent
from pourparler.formats.draft_lines import BadLineError, Note, NoteKind, Read, compact

_LONGEST_ID = 64


class Speech(NamedTuple):
    """A speech, question or answer of the debate."""

    number: int
    """The line that it begins at."""
    key: str
    speakers: Sequence[Agent]
    """The identified speakers. Without one, `sender` describes the speaker."""
    addressees: Sequence[Agent]
    sender: str
    role: str
    """The role of the speaker, as the references name it."""
    topic: str
    text: str
    occurred: dict[str, Any] | None


class DebateDrafts:
    """Makes the drafts in their order, and keeps the notes until the next draft has them."""

    def __init__(self) -> None:
        self.title = self.uri = ""
        self.day = ""
        """The date of the sitting, in EDTF."""
        self.reached = 0
        self._found: list[Read] = []
        self._notes: list[Note] = []
        self._joined: dict[Agent, str] = {}
        self._taken: set[str] = set()

    def take(self) -> list[Read]:
        """Return the drafts since the last call."""
        found, self._found = self._found, []
        return found

    def take_notes(self) -> tuple[Note, ...]:
        """Return the notes since the last draft."""
        notes, self._notes = tuple(self._notes), []
        return notes

    def lost(self, number: int, text: str) -> None:
        """Note that the record does not have some content of a line."""
        self._notes.append(Note(NoteKind.LOST, text, number))

    def inferred(self, number: int, text: str) -> None:
        """Note that the record has what the document does not state in a line."""
        self._notes.append(Note(NoteKind.INFERRED, text, number))

    def refuse(self, number: int, text: str) -> None:
        """Refuse the content of a line."""
        error = BadLineError(text)
        self._found.append(Read(number, error, self.reached, notes=self.take_notes()))

    def open(self, number: int) -> None:
        """Make the opening of the negotiation."""
        if not self.title:
            self.title = "A debate"
            self.inferred(number, "the title of the negotiation")
        self._add(number, "negotiation_opened", {}, {"title": self.title}, None)

    def topic(self, number: int, title: str, parent: str, occurred: dict[str, Any] | None) -> str:
        """Make a topic of a heading. Return its id."""
        key = self._id(f"section-{len(self._taken)}", "topic")
        event = {"topic_id": key} | ({"parent_id": parent} if parent else {})
        self._add(number, "topic_added", event, {"title": title}, occurred)
        return key

    def statement(self, speech: Speech) -> None:
        """Make the statement of a speech, and before it the participants that it names first."""
        speakers = [self._participant(one, speech) for one in speech.speakers]
        addressees = [self._participant(one, speech) for one in speech.addressees]
        key = self._id(speech.key or f"speech-{len(self._taken)}", "speech")
        event: dict[str, Any] = {"statement_id": key, "act": "STATEMENT_ACT_ASSERT"}
        words: dict[str, Any] = {"text": speech.text}
        if speakers:
            event["speakers"] = speakers
        else:
            words["speaker_described"] = speech.sender
            self.inferred(speech.number, "a speaker without a reference, described by <from>")
        if len(speakers) > 1:
            event["joint"] = True
        if addressees:
            event["addressed_to"] = addressees
        if speech.role:
            words["as_role"] = speech.role
        if speech.topic:
            event["topic_ids"] = [speech.topic]
        self.inferred(speech.number, "the act of a statement: it asserts its text")
        self._add(speech.number, "statement_recorded", event, words, speech.occurred)

    def _participant(self, agent: Agent, speech: Speech) -> str:
        """Return the id of a participant, and add it if it is new."""
        key = self._joined.get(agent)
        if key is not None:
            return key
        key = self._joined[agent] = self._id(agent.key, "participant")
        event = {"participant_id": key, "kind": agent.kind, "role": "PARTICIPANT_ROLE_PARTY"}
        self.inferred(speech.number, "a participant with the role of a party, from a reference")
        words = {"name": agent.name or key}
        self._add(speech.number, "participant_joined", event, words, speech.occurred)
        return key

    def _add(
        self,
        number: int,
        kind: str,
        event: dict[str, Any],
        words: dict[str, Any],
        occurred: dict[str, Any] | None,
    ) -> None:
        facts: dict[str, Any] = {"provenance": provenance(kind), kind: event}
        if kind == "participant_joined" and self.day:
            occurred = None  # the whole day includes the time of the speech
        if occurred is None and self.day:
            occurred = {"edtf": self.day}
            self.inferred(number, "the date of an entry, from the date of the debate")
        if occurred is not None:
            facts["occurred"] = occurred
        source = {"id": "minutes", "kind": "SOURCE_KIND_MINUTES", "title": self.title}
        if self.uri:
            source["uri"] = self.uri
        said = {"facts": facts, "words": words | {"sources": [source]}}
        line = compact(said).encode()
        self._found.append(Read(number, line, self.reached, notes=self.take_notes()))

    def _id(self, given: str, kind: str) -> str:
        """Return a valid id for an id of the debate. Raises BadLineError if two would be equal."""
        key = re.sub(r"[^a-z0-9._-]+", "-", given.lower()).lstrip("._-")[:_LONGEST_ID] or kind
        if f"{kind} {key}" in self._taken:
            raise BadLineError(f"Two would go by the id {key}: {given[:60]!r} and one before it.")
        self._taken.add(f"{kind} {key}")
        return key


def provenance(kind: str) -> dict[str, str]:
    """Return the provenance of an entry of the minutes, which are on the record.

    A speaker that the minutes do not identify is described, and never named.
    """
    return {
        "basis": "BASIS_ON_RECORD",
        "form": "FORM_VERBATIM" if kind == "statement_recorded" else "FORM_SUMMARY",
    }
