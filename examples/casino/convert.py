"""Convert CaSiNo dialogues to drafts, one negotiation per dialogue, with the standard library only.

python examples/casino/convert.py DATA_FOLDER > casino.jsonl
"""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Json = dict[str, Any]

PACKAGES = ("food", "water", "firewood")
SOURCE: Json = {
    "id": "casino",
    "kind": "SOURCE_KIND_SYSTEM",
    "title": "CaSiNo, a corpus of camp-site negotiation dialogues (CC BY 4.0)",
    "publisher": "Chawla, Ramirez, Clever, Lucas, May and Gratch",
    "published": "2021",
    "uri": "https://github.com/kushalchawla/CaSiNo",
}


def dialogues(folder: Path) -> Iterator[Json]:
    """Yield every dialogue in the `casino_*.json` files of a folder."""
    for path in sorted(folder.glob("casino_*.json")):
        yield from json.loads(path.read_text(encoding="utf-8"))


def name(dialogue: Json) -> str:
    """Return the name of the negotiation of a dialogue."""
    return f"negotiations/casino-{dialogue['dialogue_id']}"


def drafts(dialogue: Json) -> Iterator[Json]:
    """Yield the drafts of one dialogue: participants, topics, preferences, turns, and the end.

    The data has no times, so the drafts have none. The drafts omit the attributes of the campers
    outside the dialogue.
    """
    number, campers = dialogue["dialogue_id"], sorted(dialogue["participant_info"])
    yield _draft(
        "negotiation_opened",
        {"acceptance_rule": "ACCEPTANCE_RULE_ALL_ADDRESSEES"},
        title=f"Packages for the camp site, dialogue {number}",
        purpose="Two campers share out three packages each of food, water and firewood.",
        sources=[{**SOURCE, "locator": f"dialogue {number}"}],
    )
    for place, camper in enumerate(campers, start=1):
        yield _draft(
            "participant_joined",
            {
                "participant_id": camper,
                "kind": "PARTICIPANT_KIND_PERSON",
                "role": "PARTICIPANT_ROLE_PARTY",
            },
            name=f"Camper {place}",
        )
    for package in PACKAGES:
        yield _draft(
            "topic_added",
            {"topic_id": package, "status": "TOPIC_STATUS_UNDER_DISCUSSION"},
            title=f"The {package} packages",
        )
    for camper in campers:
        yield from _preferences(camper, dialogue["participant_info"][camper])
    yield from _turns(dialogue["chat_logs"], campers)


def _draft(kind: str, event: Json, *, form: str = "FORM_SUMMARY", **words: object) -> Json:
    """Return a draft with these words that all parties may see."""
    facts = {
        "provenance": {"basis": "BASIS_DIRECT", "form": form},
        "visibility": {"level": "VISIBILITY_LEVEL_PARTIES"},
        kind: event,
    }
    return {"facts": facts, "words": words} if words else {"facts": facts}


def _preferences(camper: str, about: Json) -> Iterator[Json]:
    """Yield the three priorities of a camper with their reasons. Only this camper may see them."""
    for level, package in about["value2issue"].items():
        draft = _draft(
            "position_taken",
            {
                "position_id": f"{camper}-{package.lower()}",
                "holders": [camper],
                "topic_id": package.lower(),
                "stance": "STANCE_WANTS",
                "terms": [
                    {
                        "key": "priority",
                        "type": "TERM_TYPE_ENUM",
                        "qualifier": "TERM_QUALIFIER_EXACT",
                        "value": level.lower(),
                    }
                ],
            },
            form="FORM_VERBATIM",
            text=about["value2reason"][level],
        )
        draft["facts"]["visibility"] = {
            "level": "VISIBILITY_LEVEL_RESTRICTED",
            "audience": [camper],
        }
        yield draft


def _turns(turns: list[Json], campers: list[str]) -> Iterator[Json]:
    """Yield the drafts of each turn.

    The other camper always answers an offer in the next turn, or walks away.
    """
    offers: list[Json] = []
    answered = True
    for number, turn in enumerate(turns, start=1):
        camper = turn["id"]
        other = next(one for one in campers if one != camper)
        if turn["text"] == "Submit-Deal":
            offer = _offer(f"deal-{len(offers) + 1}", camper, other, turn["task_data"])
            if offers and offers[-1]["by"] != [camper]:
                offer["counters"] = offers[-1]["proposal_id"]
            offers.append(offer)
            answered = False
            yield _draft("proposal_made", offer)
        elif turn["text"] == "Reject-Deal":
            answered = True
            yield _answer(offers[-1], camper, "ANSWER_REJECT")
        elif turn["text"] == "Accept-Deal":
            answered = True
            yield _answer(offers[-1], camper, "ANSWER_ACCEPT")
            yield from _agreed(offers[-1], campers)
        elif turn["text"] == "Walk-Away":
            yield _statement(number, turn, other, "STATEMENT_ACT_PROCEDURAL")
            yield from _walked_away(campers.index(camper) + 1, None if answered else offers[-1])
        else:
            yield _statement(number, turn, other, "STATEMENT_ACT_ASSERT")


def _statement(number: int, turn: Json, other: str, act: str) -> Json:
    return _draft(
        "statement_recorded",
        {
            "statement_id": f"turn-{number:03}",
            "speakers": [turn["id"]],
            "addressed_to": [other],
            "act": act,
            "language": "en",
        },
        form="FORM_VERBATIM",
        text=turn["text"],
    )


def _offer(proposal_id: str, camper: str, other: str, deal: Json) -> Json:
    shares = ((camper, deal["issue2youget"]), (other, deal["issue2theyget"]))
    return {
        "proposal_id": proposal_id,
        "by": [camper],
        "to": [other],
        "topic_ids": list(PACKAGES),
        "terms": [
            {
                "key": package,
                "type": "TERM_TYPE_QUANTITY",
                "qualifier": "TERM_QUALIFIER_EXACT",
                "value": share[package.capitalize()],
                "unit": "package",
                "held_by": holder,
            }
            for holder, share in shares
            for package in PACKAGES
        ],
        "binding": "PROPOSAL_BINDING_BINDING",
    }


def _answer(offer: Json, camper: str, answer: str) -> Json:
    return _draft(
        "proposal_answered",
        {"proposal_id": offer["proposal_id"], "by": camper, "answer": answer},
    )


def _agreed(offer: Json, campers: list[str]) -> Iterator[Json]:
    """Yield the end after an acceptance: topics agreed, agreement, topics settled, conclusion."""
    for package in PACKAGES:
        yield _draft(
            "topic_status_changed",
            {"topic_id": package, "status": "TOPIC_STATUS_AGREED_IN_PRINCIPLE"},
        )
    yield _draft(
        "agreement_recorded",
        {
            "agreement_id": "deal",
            "origin": "AGREEMENT_ORIGIN_REACHED",
            "kind": "AGREEMENT_KIND_DEFINITIVE",
            "between": campers,
            "proposal_id": offer["proposal_id"],
            "terms": offer["terms"],
            "status": "AGREEMENT_STATUS_IN_FORCE",
            "topic_ids": list(PACKAGES),
        },
        title="Who gets which packages",
    )
    for package in PACKAGES:
        yield _draft(
            "topic_status_changed",
            {
                "topic_id": package,
                "status": "TOPIC_STATUS_SETTLED",
                "by_agreement_id": "deal",
            },
        )
    yield _draft(
        "negotiation_concluded",
        {"outcome": "OUTCOME_AGREEMENT", "agreement_ids": ["deal"]},
    )


def _walked_away(place: int, offer: Json | None) -> Iterator[Json]:
    """Yield the end if a camper walks away. An open offer lapses, because it has no answer."""
    if offer is not None:
        yield _draft(
            "proposal_closed",
            {"proposal_id": offer["proposal_id"], "how": "PROPOSAL_CLOSING_LAPSED"},
            reason=f"Camper {place} walked away and gave no answer.",
        )
    yield _draft(
        "negotiation_concluded",
        {"outcome": "OUTCOME_WITHDRAWN"},
        reason=f"Camper {place} walked away.",
    )


def lines(folder: Path) -> Iterator[str]:
    """Yield all dialogues of a folder in the import format, one draft per line."""
    for dialogue in dialogues(folder):
        for draft in drafts(dialogue):
            yield json.dumps({"negotiation": name(dialogue), **draft}, ensure_ascii=False)


def main() -> None:
    """Write the drafts of a data folder to the standard output."""
    parser = argparse.ArgumentParser(description="Convert CaSiNo dialogues to drafts to import.")
    parser.add_argument("data_folder", type=Path, help="the folder with the casino_*.json files")
    folder = parser.parse_args().data_folder
    for line in lines(folder):
        sys.stdout.write(line + "\n")


if __name__ == "__main__":
    main()
