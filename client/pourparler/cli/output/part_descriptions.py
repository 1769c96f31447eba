"""The description of each kind of part: the only place where the command says what a kind means.

Pure.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from rich.text import Text

from pourparler import v1 as pb
from pourparler.cli.output import colors, wording
from pourparler.cli.output.page import Cell
from pourparler.cli.output.wording import Names
from pourparler.cli.terminal_escape import escaped


def known(provenance: pb.Provenance) -> Text:
    """How something is known, in the colour of its basis."""
    return Text(wording.basis(provenance), colors.BASES.get(provenance.basis, ""))


_Pairs = Iterable[tuple[str, str]]


class PartDescription(NamedTuple):
    """The description of one kind of part."""

    details: Callable[[Any, Names], _Pairs]
    what: Callable[[Any, Names], Cell]
    """The part in its own words."""
    status: Callable[[Any, Names], str]
    who: Callable[[Any, Names], str]
    """The participants whose words or acts the part is."""
    quoted: bool = False
    """True if the text of the part is what participants said, in one of the forms."""
    text_optional: bool = False
    """True if a part without a text lacks nothing."""


def what(part: Any, names: Names) -> Cell:
    """Return a part in its own words. A text is in quotation marks only if it is verbatim."""
    return PART_DESCRIPTIONS[kind_of(part)].what(part, names)


def status(part: Any, names: Names) -> Cell:
    """Return the status of a part, in bold if it is not the usual one."""
    said = PART_DESCRIPTIONS[kind_of(part)].status(part, names)
    return Text(said, "" if said in _USUAL else "bold") if kind_of(part) != "documents" else said


def since(part: Any, names: Names) -> Cell:
    """Which later entry gave a part its status, and how that is known."""
    if isinstance(part, pb.Document) or not part.status_change.version:
        return ""
    change = part.status_change
    if change.version == part.origin.version:
        return ""
    said = Text.assemble(f"#{change.version} ", known(change.provenance))
    if change.by:
        said.append(f", by {names.all(change.by)}")
    if change.HasField("occurred"):
        said.append(f", {wording.when(change.occurred)}")
    if change.reason:
        said.append(f": {escaped(change.reason)}")
    return said


def details_of(part: Any, names: Names) -> str:
    """Return the details of a part that its text and its status do not have."""
    return wording.listing(PART_DESCRIPTIONS[kind_of(part)].details(part, names))


def kind_of(part: Any) -> str:
    """Return the kind of a part: the field of Negotiation that holds it."""
    return f"{part.DESCRIPTOR.name.lower()}s"


_USUAL = frozenset({"stands", "active", "open", "held", "in force", "planned"})


def _own_words(part: Any, names: Names) -> Cell:
    del names
    own = part.words.title or part.words.name or part.words.text
    return escaped(own, lines=True) or "(words destroyed or withheld)"


def _plain_status(part: Any, names: Names) -> str:
    del names
    return wording.word(part, "status") or "only named"


def _no_one(part: Any, names: Names) -> str:
    del part, names
    return ""


def _participant_details(part: pb.Participant, names: Names) -> _Pairs:
    facts, words = part.facts, part.words
    members = names.all(facts.members)
    if members:
        members += " (all of them)" if facts.members_complete else " (and perhaps others)"
    return [
        ("", wording.word(facts, "role")),
        ("", wording.word(facts, "kind")),
        ("speaks for", names.all(facts.represents)),
        ("members", members),
        ("count", f"{facts.count:,}" if facts.HasField("count") else ""),
        ("owned by", names.all(facts.owned_by)),
        ("", wording.terms(facts.attributes, names, words)),
        ("also called", wording.listed([escaped(alias) for alias in words.aliases], "or")),
        ("mandate:", escaped(words.mandate)),
    ]


def _session_details(part: pb.Session, names: Names) -> _Pairs:
    return [
        ("", wording.word(part.facts, "kind")),
        ("with", names.all(part.facts.attendees)),
        ("at", escaped(part.words.place)),
        ("its entries", wording.seen_by(part.facts.default_visibility, names)),
        ("came to:", escaped(part.summary)),
    ]


def _topic_details(part: pb.Topic, names: Names) -> _Pairs:
    return [
        ("part of", part.facts.parent_id),
        ("put on the table by", names.all(part.facts.proposed_by)),
        ("settled by", part.by_agreement_id),
        ("", escaped(part.words.text)),
    ]


def _statement_details(part: pb.Statement, names: Names) -> _Pairs:
    facts = part.facts
    return [
        ("", wording.word(facts, "act")),
        ("to", names.all(facts.addressed_to)),
        ("on", wording.listed(facts.topic_ids)),
        ("in reply to", facts.in_reply_to),
        ("in", facts.document_id),
    ]


def _position_details(part: pb.Position, names: Names) -> _Pairs:
    facts = part.facts
    return [
        ("on", facts.topic_id),
        ("", wording.terms(facts.terms, names, part.words)),
        ("read from", wording.listed(facts.statement_ids)),
        ("replaces", facts.supersedes),
        ("replaced by", part.superseded_by),
    ]


def _question_details(part: pb.Question, names: Names) -> _Pairs:
    facts = part.facts
    return [
        ("asked by", names.all(facts.raised_by)),
        ("for", names.all(facts.addressed_to)),
        ("on", wording.listed(facts.topic_ids)),
        ("", wording.terms(facts.about, names, part.words)),
        ("asks again", facts.reopens),
        ("asked again in", part.reopened_by),
        ("answer:", escaped(part.answer)),
    ]


def _proposal_details(part: pb.Proposal, names: Names) -> _Pairs:
    facts = part.facts
    replies = [
        f"{names[reply.facts.by]} {wording.word(reply.facts, 'answer')} #{reply.origin.version}"
        for reply in part.replies
    ]
    return [
        ("", wording.word(facts, "binding")),
        ("on", wording.listed(facts.topic_ids)),
        ("if", "; ".join(escaped(condition) for condition in part.words.conditions)),
        ("until", wording.when(facts.expires, part.words.date_verbatim)),
        ("counters", facts.counters),
        ("replaces", facts.supersedes),
        ("answers:", ", ".join(replies)),
        ("countered by", wording.listed(part.countered_by)),
        ("replaced by", part.superseded_by),
        ("became", part.agreement_id),
    ]


def _agreement_details(part: pb.Agreement, names: Names) -> _Pairs:
    facts = part.facts
    return [
        ("", "older than these talks" if facts.origin == pb.AGREEMENT_ORIGIN_PRIOR else "reached"),
        ("", wording.word(facts, "kind")),
        ("between", names.all(facts.between)),
        ("", wording.terms(facts.terms, names, part.words)),
        ("from proposal", facts.proposal_id),
        ("replaces", wording.listed(facts.supersedes)),
        ("changes", wording.listed(facts.amends)),
        ("replaced by", part.superseded_by),
        ("changed by", wording.listed(part.amended_by)),
    ]


def _commitment_details(part: pb.Commitment, names: Names) -> _Pairs:
    facts = part.facts
    return [
        ("due", wording.when(facts.due, part.words.date_verbatim)),
        ("", wording.terms(facts.terms, names, part.words)),
        ("if", "; ".join(escaped(condition) for condition in part.words.conditions)),
        ("from", facts.agreement_id or facts.proposal_id or facts.statement_id),
        ("shown by", wording.listed([*part.statement_ids, *part.document_ids])),
    ]


def _milestone_details(part: pb.Milestone, names: Names) -> _Pairs:
    facts = part.facts
    before = [wording.when(date) or "no date" for date in part.planned_before]
    return [
        ("by", names.all(facts.by)),
        ("expected", wording.when(facts.expected, part.words.date_verbatim)),
        ("planned before for", wording.listed(before)),
        ("if", "; ".join(escaped(condition) for condition in part.words.conditions)),
        ("reached", wording.when(part.actual)),
        ("shown by", wording.listed([*part.statement_ids, *part.document_ids])),
    ]


def _document_details(part: pb.Document, names: Names) -> _Pairs:
    facts = part.facts
    return [
        ("by", names.all(facts.authors)),
        ("", escaped(facts.media_type)),
        ("", f"{facts.size_bytes:,} bytes" if facts.size_bytes else ""),
        ("later version of", facts.version_of),
        ("replaced by", wording.listed(part.later_versions)),
        ("at", escaped(part.words.uri)),
        ("", escaped(part.words.digest)),
    ]


def _participant_status(part: pb.Participant, names: Names) -> str:
    said = _plain_status(part, names)
    return f"{said}, {wording.word(part, 'leaving_reason')}" if part.leaving_reason else said


def _session_what(part: pb.Session, names: Names) -> Cell:
    own = part.words.title or part.words.name or part.words.text
    return _own_words(part, names) if own else wording.word(part.facts, "kind")


def _statement_what(part: pb.Statement, names: Names) -> Cell:
    speaker = wording.speaker(part.facts, part.words, names)
    return wording.quote(part.words.text, part.origin.provenance.form, speaker)


def _statement_status(part: pb.Statement, names: Names) -> str:
    said = _plain_status(part, names)
    if part.retracted_by and part.status == pb.STATEMENT_STATUS_STANDS:
        said += f", but taken back by {names.all(part.retracted_by)}"
    if part.corroboration:
        borne = wording.word(part, "corroboration")
        said += f", {borne} by {wording.listed(part.corroborated_by)}"
    return said


def _statement_who(part: pb.Statement, names: Names) -> str:
    to = f", to {names.all(part.facts.addressed_to)}" if part.facts.addressed_to else ""
    return f"{wording.speaker(part.facts, part.words, names)}{to}"


def _position_what(part: pb.Position, names: Names) -> Cell:
    held = f"{names.all(part.facts.holders)}, {wording.word(part.facts, 'stance')}"
    return wording.quote(part.words.text, part.origin.provenance.form, held)


def _position_who(part: pb.Position, names: Names) -> str:
    return f"{names.all(part.facts.holders)}: {wording.word(part.facts, 'stance')}"


def _question_what(part: pb.Question, names: Names) -> Cell:
    del names
    return wording.quote(part.words.text, part.origin.provenance.form)


def _proposal_what(part: pb.Proposal, names: Names) -> Cell:
    text, form = part.words.text, part.origin.provenance.form
    said = wording.quote(text, form) if text else ""
    content = [wording.terms(part.facts.terms, names, part.words), said]
    offer = "; ".join(one for one in content if one) or "an offer"
    return f"{_proposal_who(part, names)}: {offer}"


def _proposal_who(part: pb.Proposal, names: Names) -> str:
    return f"{names.all(part.facts.by)} to {names.all(part.facts.to)}"


def _commitment_what(part: pb.Commitment, names: Names) -> Cell:
    owed = _commitment_who(part, names)
    return wording.quote(part.words.text, part.origin.provenance.form, owed)


def _commitment_who(part: pb.Commitment, names: Names) -> str:
    return f"{names.all(part.facts.debtors)} to {names.all(part.facts.creditors) or 'all'}"


def _milestone_status(part: pb.Milestone, names: Names) -> str:
    if part.status == pb.MILESTONE_STATUS_PLANNED:
        return wording.word(part.facts, "certainty")
    return _plain_status(part, names) + (", late" if part.late else "")


def _document_status(part: pb.Document, names: Names) -> str:
    del names
    return "replaced" if part.later_versions else "latest"


PART_DESCRIPTIONS: Mapping[str, PartDescription] = {
    "participants": PartDescription(_participant_details, _own_words, _participant_status, _no_one),
    "topics": PartDescription(_topic_details, _own_words, _plain_status, _no_one),
    "agreements": PartDescription(_agreement_details, _own_words, _plain_status, _no_one),
    "proposals": PartDescription(
        _proposal_details,
        _proposal_what,
        _plain_status,
        _proposal_who,
        quoted=True,
        text_optional=True,
    ),
    "commitments": PartDescription(
        _commitment_details, _commitment_what, _plain_status, _commitment_who, quoted=True
    ),
    "milestones": PartDescription(_milestone_details, _own_words, _milestone_status, _no_one),
    "positions": PartDescription(
        _position_details, _position_what, _plain_status, _position_who, quoted=True
    ),
    "questions": PartDescription(
        _question_details, _question_what, _plain_status, _no_one, quoted=True
    ),
    "statements": PartDescription(
        _statement_details, _statement_what, _statement_status, _statement_who, quoted=True
    ),
    "sessions": PartDescription(
        _session_details, _session_what, _plain_status, _no_one, text_optional=True
    ),
    "documents": PartDescription(_document_details, _own_words, _document_status, _no_one),
}
"""The description of each kind, in the order in which a state shows them."""

KINDS = tuple(PART_DESCRIPTIONS)
"""The kinds of part, in that order."""

KINDS_BY_TOPIC = (
    "topics",
    "agreements",
    "positions",
    "proposals",
    "questions",
    "commitments",
    "milestones",
    "statements",
    "documents",
    "participants",
    "sessions",
)
"""The kinds of part, in the order in which a topic shows what belongs to it."""

KINDS_BY_RESULT = (
    "topics",
    "agreements",
    "commitments",
    "milestones",
    "questions",
    "positions",
    "proposals",
    "statements",
    "participants",
    "sessions",
    "documents",
)
"""The kinds of part, in the order in which a report shows them: what was achieved comes first."""

FRAMEWORK = frozenset({"participants", "topics", "sessions"})
"""The kinds that frame the talks. Parts of all other kinds belong to a topic, or to none."""

COUNTED_AT_ZERO = frozenset({"topics", "proposals", "commitments"})
"""The kinds whose absence the head of a state says: `no proposals`."""
