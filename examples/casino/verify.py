"""All of CaSiNo through a running service: import it, replay it, and compare with the data.

python examples/casino/verify.py DATA_FOLDER --server 127.0.0.1:50710
"""

import argparse
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

# Run as a script, Python looks for modules in this folder alone.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from examples import importing
from examples.casino import convert
from examples.casino.points import points
from pourparler import Client
from pourparler import v1 as pb
from pourparler.state.fold import fold

_ANSWERS = {
    pb.ANSWER_ACCEPT: ("Accept-Deal", "accept_deal"),
    pb.ANSWER_REJECT: ("Reject-Deal", "reject_deal"),
}


class Compared(NamedTuple):
    """How far one dialogue came back from the record as it went in."""

    entries: int
    turns: int
    same_turns: bool
    same_points: bool


def turns(entries: Iterable[pb.Entry]) -> list[dict[str, Any]]:
    """The turns of a dialogue as the data has them, from the entries of its record."""
    result = []
    for entry in entries:
        facts = entry.facts
        done: dict[str, Any] = {}
        match facts.WhichOneof("event"):
            case "statement_recorded":
                who, text = facts.statement_recorded.speakers[0], entry.words.text
                if facts.statement_recorded.act == pb.STATEMENT_ACT_PROCEDURAL:
                    done = {"data": "walk_away"}
            case "proposal_made":
                who, text = facts.proposal_made.by[0], "Submit-Deal"
                done = _deal(facts.proposal_made)
            case "proposal_answered":
                who = facts.proposal_answered.by
                text, what = _ANSWERS[facts.proposal_answered.answer]
                done = {"data": what}
            case _:
                continue
        result.append({"id": who, "text": text, "task_data": done})
    return result


def _deal(proposal: pb.ProposalMade) -> dict[str, dict[str, str]]:
    return {
        side: {
            term.key.capitalize(): term.value for term in proposal.terms if term.held_by == holder
        }
        for side, holder in (("issue2youget", proposal.by[0]), ("issue2theyget", proposal.to[0]))
    }


def compared(dialogue: dict[str, Any], entries: list[pb.Entry]) -> Compared:
    """A dialogue of the data beside the entries of its record."""
    scored = {
        camper: about["outcomes"]["points_scored"]
        for camper, about in dialogue["participant_info"].items()
    }
    said = turns(entries)
    return Compared(
        entries=len(entries),
        turns=len(said),
        same_turns=said == dialogue["chat_logs"],
        same_points=points(fold(entries)) == scored,
    )


def verify(folder: Path, server: str) -> bool:
    """Import, replay and compare a folder of dialogues; whether all came back equal."""
    began = time.monotonic()
    importing.send(convert.lines(folder), server)
    imported = time.monotonic()
    results = []
    with Client(server) as client:
        for dialogue in convert.dialogues(folder):
            name = convert.name(dialogue)
            result = compared(dialogue, list(client.replay(name)))
            results.append(result)
            if not (result.same_turns and result.same_points):
                print(f"{name} differs: {result}")
    read = time.monotonic()
    total = len(results)
    same_points = sum(result.same_points for result in results)
    same_turns = sum(result.same_turns for result in results)
    print(f"points equal:  {same_points:,} of {total:,} dialogues")
    print(f"turns equal:   {same_turns:,} of {total:,} dialogues")
    print(f"turns:         {sum(result.turns for result in results):,}")
    print(f"entries:       {sum(result.entries for result in results):,}")
    print(f"seconds:       {imported - began:.1f} to import, {read - imported:.1f} to replay")
    return total > 0 and same_points == same_turns == total


def main() -> None:
    """Verify a data folder against a service."""
    parser = argparse.ArgumentParser(description="Import, replay and compare CaSiNo.")
    parser.add_argument("data_folder", type=Path, help="where the casino_*.json files are")
    parser.add_argument("--server", default="127.0.0.1:50710", help="where the service is")
    arguments = parser.parse_args()
    sys.exit(0 if verify(arguments.data_folder, arguments.server) else 1)


if __name__ == "__main__":
    main()
