"""Synthetic negotiations of any length for the HTML report."""

from collections.abc import Iterator

from pourparler import v1 as pb
from pourparler.drafts.builders import (
    answer,
    commitment,
    correction,
    milestone,
    milestone_closing,
    opening,
    participant,
    participant_change,
    position,
    proposal,
    question,
    statement,
    topic,
)
from pourparler.drafts.values import percent, source
from tests.support.draft_replay import replayed

SCRIPT = "</script><script>document.title='taken'</script><img src=x onerror=alert(1)>"
TURNED = "abc\u202edef\u2066ghi\x1b[31m"
HOSTILE = f"{SCRIPT}{{{{ 7 * 7 }}}}\"'&{TURNED}"

PRESS = source("press", "news", title="A newspaper", uri="https://news.example/1")


def talks(rounds: int = 3, words: str = "as they say") -> list[pb.Entry]:
    """Return talks of two parties on two topics, with corrections and reversals."""
    return _replayed("talks", list(_drafts(rounds, words)))


def _replayed(name: str, drafts: list[pb.Draft]) -> list[pb.Entry]:
    for draft in drafts:
        for facts in (draft.facts, draft.facts.entry_corrected.replacement):
            if facts.occurred.HasField("instant"):  # now, unless they set another date
                facts.occurred.edtf = "2025-12-31"
    return replayed(name, drafts).entries


def changed() -> list[pb.Entry]:
    """Return talks whose later entries change positions, plans and names."""

    def held(id_: str, share: str, before: str = "") -> pb.Draft:
        terms = [percent("stake", share)]
        return position(
            f"Part of it: {share}", id=id_, by="acme", stance="wants", about="stake", terms=terms,
            supersedes=before,
        )  # fmt: skip

    drafts = [
        opening("Talks"),  # 1
        participant("acme", "Acme"),
        participant("bolt", "Bolt"),
        topic("The stake", id="stake"),
        held("first", "50"),  # 5
        held("then", "40", "first"),
        held("now", "45", "then"),
        milestone("Signing", id="signing", expected="2026-03", certainty="planned"),
        milestone("Signing", id="signing", expected="2026-05", certainty="planned"),
        milestone("Dinner", id="dinner", expected="2026-06", certainty="planned"),  # 10
        correction(10, "Nobody dines"),
        participant_change("acme", name="Acme and Sons"),
        participant("another", "Bolt"),
        correction(4, "Misheard", replacement=topic("The stakes", id="stake")),
        correction(5, "It was less", replacement=held("first", "42")),  # 15
    ]
    return _replayed("changed", drafts)


def sized(size: int) -> list[pb.Entry]:
    """Return the first entries of long talks."""
    return talks(size // 5)[:size]


def _drafts(rounds: int, words: str) -> Iterator[pb.Draft]:
    yield opening(f"Talks {words}", purpose=f"To settle {words}", occurred="2025-12")  # 1
    yield participant("acme", f"Acme {words}")
    yield participant("bolt", "Bolt")
    yield topic("The stake", id="stake")
    yield topic("The seat", id="seat")  # 5
    yield milestone("Signing", id="signing", expected="2026-03-01", certainty="planned")
    yield milestone("Signing", id="signing", expected="[2026-04-01..]", certainty="planned")
    yield milestone("Audit", id="audit", expected="2025-41", certainty="possible")
    yield milestone_closing("audit", "reached", actual="2025-12-20~")
    yield statement(f"Never {words}", id="never", by="acme", about="stake", form="verbatim")
    yield commitment(
        f"Open the books {words}",
        id="books",
        by="acme",
        to="bolt",
        due="2026-01",
        statement="never",
    )
    yield question(f"Who pays {words}?", id="pays", by="bolt", to="acme", about="seat")
    yield statement(  # 13
        f"They would sell {words}", id="rumour", attributed_to="bolt", about="stake",
        basis="reported", form="paraphrase", sources=[PRESS],
    )  # fmt: skip
    denial = statement(
        "We would not", id="denial", by="bolt", act="deny", in_reply_to="rumour", about="stake"
    )
    yield denial
    held = position(
        "Half", id="half", by="acme", stance="wants", about="stake", terms=[percent("stake", "50")]
    )
    yield held
    mended = pb.Draft()
    mended.CopyFrom(held)
    mended.words.text = "A good half"
    yield correction(15, f"Misheard {words}", replacement=mended)
    yield correction(14, "Never said")
    for number in range(rounds):
        value = str((40, 45, 41)[number % 3] + number % 7)
        by, to = ("acme", "bolt") if number % 2 else ("bolt", "acme")
        offer = f"offer-{number}"
        yield proposal(
            f"{value} per cent {words}", id=offer, by=by, to=to, about="stake",
            terms=[percent("stake", value)],
        )  # fmt: skip
        yield statement(f"Round {number}: think of it.", by=by, to=to, about="stake")
        yield answer(offer, "reject" if number % 5 else "accept_in_principle", by=to)
        yield statement(f"Round {number}: we have.", by=to, to=by, about="stake", form="summary")
        yield statement(f"{words} {number}", by=to, about="seat", form="verbatim")
