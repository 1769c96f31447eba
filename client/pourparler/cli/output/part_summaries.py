"""How a part of a negotiation is told, part by part. Pure."""

from typing import Any, NamedTuple

from pourparler import v1 as pb
from pourparler.cli.output import part_descriptions, wording
from pourparler.cli.output import state as state_page
from pourparler.cli.output.wording import Names

GOOD = frozenset(
    {"settled", "agreed in principle", "accepted", "reached", "in force", "fulfilled", "answered"}
)
BAD = frozenset({"rejected", "missed", "breached", "disputed", "retracted", "terminated", "left"})


class PartSummary(NamedTuple):
    """A part as it is told: at some versions, for a part may change."""

    key: str
    who: str
    form: str
    """`verbatim`, or what the text is instead: `paraphrase`, `summary`, `translation`."""
    text: str
    gone: str
    """Why there is no text where there should be. Empty where there is one, or none is due."""
    terms: tuple[str, ...]
    details: str
    replies: tuple[str, ...]
    status: str
    tone: str
    since: str
    basis: str
    confirmed: bool
    when: str
    blame: tuple[int, ...]
    amended: str
    sources: tuple[tuple[str, str, str], ...]
    """Each source: its description, its address if it is a web address, and its excerpt."""


def summarize(kind: str, key: str, part: Any, state: pb.Negotiation, names: Names) -> PartSummary:
    """How a part is told as it stands in this state."""
    origin, words = part.origin, part.words
    description = part_descriptions.PART_DESCRIPTIONS[kind]
    text = words.title or words.name or words.text
    extra = words.text if text != words.text else ""
    status = str(part_descriptions.status(part, names))
    note = state.amendments.get(origin.version)
    gone = ""
    if not text and not description.text_optional:
        erased = note is not None and note.redacted_by
        gone = f"words erased by #{note.redacted_by}" if note and erased else "words withheld"
    who = description.who(part, names)
    plain = status.partition(",")[0]
    return PartSummary(
        key=key,
        who=who,
        form=wording.word_of("Form", origin.provenance.form) if description.quoted else "",
        text=text,
        gone=gone,
        terms=tuple(wording.term(one, names, words) for one in getattr(part.facts, "terms", ())),
        details=wording.listing(
            [
                ("", extra),
                ("", _details(kind, part, names)),
                ("", wording.seen_by(origin.visibility, names)),
                ("in session", origin.session_id),
            ]
        ),
        replies=tuple(_reply(one, names) for one in getattr(part, "replies", ())),
        status=status,
        tone="good" if plain in GOOD else "bad" if plain in BAD else "",
        since=str(part_descriptions.since(part, names)),
        basis=wording.BASES.get(origin.provenance.basis, ("not said", ""))[0],
        confirmed=origin.confirmed,
        when=wording.when(origin.occurred, words.occurred_verbatim),
        blame=tuple(part.blame),
        amended=state_page.amended(state.amendments, origin.version),
        sources=sources(words),
    )


def sources(words: pb.Words) -> tuple[tuple[str, str, str], ...]:
    """Return the sources of an entry. Only a web address becomes a link."""
    return tuple(
        (
            wording.source(one) or one.id,
            one.uri if one.uri.startswith(("https://", "http://")) else "",
            one.excerpt,
        )
        for one in words.sources
    )


def _details(kind: str, part: Any, names: Names) -> str:
    """Return the details of a part, without its terms and answers."""
    if kind == "proposals":
        facts = part.facts
        return wording.listing(
            [
                ("", wording.word(facts, "binding")),
                ("until", wording.when(facts.expires, part.words.date_verbatim)),
                ("if", "; ".join(part.words.conditions)),
                ("counters", facts.counters),
                ("in place of", facts.supersedes),
                ("countered by", wording.listed(list(part.countered_by))),
                ("became", part.agreement_id),
            ]
        )
    if kind == "positions":
        return wording.listing([("in place of", part.facts.supersedes)])
    return part_descriptions.details_of(part, names)


def _reply(reply: pb.ProposalReply, names: Names) -> str:
    said = f"{names[reply.facts.by]}: {wording.word(reply.facts, 'answer')}"
    if reply.words.conditions:
        said += f", if {'; '.join(reply.words.conditions)}"
    if reply.words.text or reply.words.reason:
        said += f" ({wording.listing([('', reply.words.text), ('', reply.words.reason)])})"
    return f"{said} #{reply.origin.version}"
