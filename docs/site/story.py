"""A negotiation with every entry type, recorded when the site is built.

The pages of the entry types show this code as examples, with the recorded entries. The talks are
about the lease of a crane: a harbour, a carrier, and a mediator with a clerk.
"""

import ast
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from google.protobuf.json_format import MessageToDict

from pourparler import (
    Client,
    agreement,
    agreement_status,
    answer,
    approval,
    commitment,
    commitment_status,
    conclusion,
    correction,
    departure,
    disclosure,
    document,
    grant_access,
    meeting,
    meeting_closing,
    milestone,
    milestone_closing,
    money,
    opening,
    participant,
    participant_change,
    position,
    position_withdrawal,
    proposal,
    proposal_closing,
    quantity,
    question,
    resolution,
    resumption,
    retraction,
    revoke_access,
    source,
    statement,
    suspension,
    tally,
    topic,
    topic_status,
    v1,
)

NAME = "crane-lease"

Say = Callable[[v1.Draft], v1.Entry]
"""Records a draft and returns its entry."""


class Example(NamedTuple):
    """An entry as Python code, and as stored: facts and words."""

    said: str
    entry: dict[str, object]


def tell(client: Client, say: Say) -> None:
    """Record the talks, from the opening to the end and the follow-up."""
    say(
        opening(
            "Lease of a crane",
            purpose="Who pays what for how long",
            occurred="2026-03-02",
        )
    )
    say(participant("harbour", "Harbour Authority", occurred="2026-03-02"))
    say(participant("freight", "Northern Freight", occurred="2026-03-02"))
    say(
        participant(
            "mediator",
            "Judith Ward",
            kind="person",
            role="mediator",
            occurred="2026-03-02",
        )
    )
    say(participant("clerk", "Tom Hale", kind="person", role="observer", occurred="2026-03-02"))
    say(
        participant_change(
            "freight",
            mandate="Up to ten thousand a month; more needs the board.",
            occurred="2026-03-02",
        )
    )
    say(
        grant_access(
            "https://login.example.org#ann",
            "party",
            participant="harbour",
            occurred="2026-03-02",
        )
    )
    say(topic("Rent", id="rent", by="harbour", occurred="2026-03-02"))
    say(topic("Length of the lease", id="length", by="freight", occurred="2026-03-02"))
    say(topic_status("rent", "under_discussion", occurred="2026-03-03"))
    say(
        document(
            "Draft of the lease",
            b"The harbour lets, and the carrier hires, crane number 4 ...",
            id="draft-1",
            media_type="text/plain",
            by="harbour",
            occurred="2026-03-03",
        )
    )
    say(
        meeting(
            "plenary",
            id="first-day",
            attendees=["harbour", "freight", "mediator", "clerk"],
            title="First meeting",
            place="Custom house",
            occurred="2026-03-03",
        )
    )
    said = say(
        statement(
            "Nine thousand a month is what the crane earns.",
            id="earns-nine",
            by="freight",
            to="harbour",
            about="rent",
            session="first-day",
            occurred="2026-03-03",
        )
    )
    say(
        position(
            "No more than nine thousand a month",
            id="at-most-nine",
            by="freight",
            stance="red_line",
            about="rent",
            terms=[money("rent", up_to=9000, currency="EUR", by="freight")],
            statements="earns-nine",
            session="first-day",
            occurred="2026-03-03",
        )
    )
    say(
        question(
            "For how long?",
            id="how-long",
            by="harbour",
            to="freight",
            about="length",
            terms=[quantity("length", unit="month")],
            session="first-day",
            occurred="2026-03-03",
        )
    )
    say(
        proposal(
            id="offer-1",
            by="harbour",
            to="freight",
            about="rent",
            terms=[money("rent", 9500, "EUR", by="freight")],
            binding="indicative",
            expires="2026-03-31",
            session="first-day",
            occurred="2026-03-03",
        )
    )
    say(
        meeting_closing(
            "first-day",
            summary="An offer is on the table; the length is open.",
            occurred="2026-03-03",
        )
    )
    caucus = say(
        meeting("caucus", id="aside", attendees=["freight", "mediator"], occurred="2026-03-04")
    )
    confided = say(
        statement(
            "We could go to nine and a half for two years.",
            id="could-go",
            by="freight",
            to="mediator",
            about=["rent", "length"],
            session="aside",
            occurred="2026-03-04",
        )
    )
    say(
        disclosure(
            caucus.header.version,
            to="parties",
            consented_by=["freight", "mediator"],
            occurred="2026-03-05",
        )
    )
    say(
        disclosure(
            confided.header.version,
            to="parties",
            consented_by="freight",
            occurred="2026-03-05",
        )
    )
    mended = v1.Draft(facts=said.facts, words=said.words)
    mended.words.text = "Nine thousand a month is what the crane earned last year."
    say(
        correction(
            said.header.version,
            "The clerk had left out: last year.",
            replacement=mended,
            kind="speaker_request",
            occurred="2026-03-05",
        )
    )
    say(
        retraction(
            "could-go",
            by="freight",
            reason="The board has not been asked.",
            occurred="2026-03-06",
        )
    )
    say(
        suspension(
            "The board of Northern Freight meets.",
            expected_resume="2026-03-16",
            occurred="2026-03-06",
        )
    )
    say(resumption("The board has met.", occurred="2026-03-16"))
    say(
        position_withdrawal(
            "at-most-nine",
            by="freight",
            reason="The board agrees to more.",
            occurred="2026-03-16",
        )
    )
    say(resolution("how-long", answer="24 months", occurred="2026-03-16"))
    say(
        answer(
            "offer-1",
            "reject",
            by="freight",
            reason="Only for two years.",
            occurred="2026-03-16",
        )
    )
    say(
        proposal(
            id="offer-2",
            by="freight",
            to="harbour",
            about="length",
            terms=[quantity("length", 36, "month")],
            occurred="2026-03-16",
        )
    )
    say(
        proposal_closing(
            "offer-2",
            "withdrawn",
            by="freight",
            reason="Three years is too long for the board.",
            occurred="2026-03-17",
        )
    )
    say(
        proposal(
            id="offer-3",
            by="freight",
            to="harbour",
            about=["rent", "length"],
            terms=[money("rent", 9500, "EUR", by="freight"), quantity("length", 24, "month")],
            binding="binding",
            counters="offer-1",
            occurred="2026-03-17",
        )
    )
    say(answer("offer-3", "accept", by="harbour", occurred="2026-03-18"))
    say(
        agreement(
            "Lease of crane number 4",
            id="lease",
            between=["harbour", "freight"],
            kind="definitive",
            proposal="offer-3",
            status="pending_approval",
            about=["rent", "length"],
            occurred="2026-03-20",
        )
    )
    say(
        approval(
            "approved",
            by="freight",
            agreement="lease",
            tally=tally(yes=5, no=1),
            occurred="2026-03-26",
        )
    )
    say(
        agreement_status(
            "lease",
            "in_force",
            by="freight",
            reason="Approved by the board.",
            occurred="2026-03-27",
        )
    )
    say(
        commitment(
            "The first rent is paid.",
            id="first-rent",
            by="freight",
            to="harbour",
            terms=[money("rent", 9500, "EUR")],
            due="2026-05-01",
            agreement="lease",
            occurred="2026-03-27",
        )
    )
    say(
        milestone(
            "The crane is handed over",
            id="handover",
            by="harbour",
            expected="2026-04",
            date_verbatim="some time in April",
            occurred="2026-03-27",
        )
    )
    say(departure("clerk", "withdrew", occurred="2026-03-27"))
    say(
        conclusion(
            "agreement",
            agreements="lease",
            reason="The lease is signed.",
            occurred="2026-03-27",
        )
    )
    say(milestone_closing("handover", "reached", actual="2026-04-14", occurred="2026-04-14"))
    say(
        commitment_status(
            "first-rent",
            "fulfilled",
            by="harbour",
            reason="Received in full.",
            sources=source("statement-5", "system", title="Bank statement of May"),
            occurred="2026-05-02",
        )
    )
    say(revoke_access("https://login.example.org#ann", occurred="2026-05-04"))
    client.erase_subject(
        NAME,
        "mediator",
        legal_basis="Art. 17(1)(a) GDPR",
        authority="Data protection officer",
    )


def examples(client: Client) -> Mapping[str, Example]:
    """Return the first entry of each type in the talks, by type name."""
    recorded: list[v1.Entry] = []

    def say(draft: v1.Draft) -> v1.Entry:
        entry = client.record(NAME, draft).entries[0]
        recorded.append(entry)
        return entry

    tell(client, say)
    found: dict[str, Example] = {}
    for said, entry in zip(_said(), recorded, strict=True):
        found.setdefault(entry.facts.WhichOneof("event") or "", Example(said, _plain(entry)))
    for entry in client.replay(NAME, after_version=len(recorded)):
        kind = entry.facts.WhichOneof("event") or ""
        found.setdefault(kind, Example(_erasure(), _plain(entry)))
    return found


def _plain(entry: v1.Entry) -> dict[str, object]:
    """Return an entry without the fields that the service adds to every entry."""
    shown = v1.Draft(facts=entry.facts, words=entry.words)
    stated = [shown.facts]
    if shown.facts.HasField("entry_corrected"):
        stated.append(shown.facts.entry_corrected.replacement)
    for facts in stated:
        facts.ClearField("request_id")
        facts.ClearField("recorded_by")
    return MessageToDict(shown, preserving_proto_field_name=True)


def _said() -> list[str]:
    """Return the source of the argument of each `say`, in order."""
    return [_dedented(call.args[0]) for call in _calls("say")]


def _erasure() -> str:
    return _dedented(_calls("erase_subject")[0])


_SOURCE = Path(__file__).read_text()


def _calls(name: str) -> list[ast.Call]:
    told = next(
        node
        for node in ast.parse(_SOURCE).body
        if isinstance(node, ast.FunctionDef) and node.name == "tell"
    )
    calls = [
        node
        for node in ast.walk(told)
        if isinstance(node, ast.Call)
        and name == (node.func.id if isinstance(node.func, ast.Name) else _attribute(node.func))
    ]
    return sorted(calls, key=lambda one: one.lineno)


def _attribute(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else ""


def _dedented(node: ast.expr) -> str:
    first, *rest = (ast.get_source_segment(_SOURCE, node) or "").splitlines()
    margin = len(rest[-1]) - len(rest[-1].lstrip()) if rest else 0
    return "\n".join([first, *(line[margin:] for line in rest)])
