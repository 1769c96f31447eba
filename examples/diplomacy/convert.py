"""Convert games of Diplomacy to drafts, one negotiation per game, with the standard library only.

python examples/diplomacy/convert.py DATA_FOLDER > diplomacy.jsonl
"""

import argparse
import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

Json = dict[str, Any]

POWERS = ("AUSTRIA", "ENGLAND", "FRANCE", "GERMANY", "ITALY", "RUSSIA", "TURKEY")
TICKS = 10_000
"""The number of units of `time_sent` in a second."""

EMPTY = "(empty message)"
"""The summary that replaces a message without characters, because a statement needs a text."""

SOURCE: Json = {
    "id": "cicero-redacted-games",
    "kind": "SOURCE_KIND_SYSTEM",
    "title": "Games of Diplomacy played by Cicero, redacted (MIT)",
    "publisher": "Meta FAIR",
    "published": "2022",
    "uri": "https://github.com/facebookresearch/diplomacy_cicero",
}
_SEASON = {"S": "Spring", "F": "Fall", "W": "Winter"}
_STEP = {"M": "movement", "R": "retreats", "A": "adjustments"}


def games(folder: Path) -> Iterator[tuple[Path, Json]]:
    """Yield every game in the `game_*.json` files of a folder, with its file."""
    for path in sorted(folder.glob("game_*.json")):
        yield path, json.loads(path.read_text(encoding="utf-8"))


def name(path: Path) -> str:
    """Return the name of the negotiation of a game, from the number in the file name.

    The id in the file has capitals and slashes, which the id of a negotiation may not have.
    """
    return f"negotiations/diplomacy-{path.stem.split('_')[1]}"


def drafts(path: Path, game: Json) -> Iterator[Json]:
    """Yield the drafts of one game: the powers, then the phases with messages, as sessions.

    The files do not say how the talks ended, so the negotiation stays open.
    """
    _, number, cicero, _ = path.stem.split("_")
    spoken = [phase for phase in game["phases"] if phase["messages"]]
    begun = _between(None, spoken[0]["messages"][0]["time_sent"])
    yield _draft(
        "negotiation_opened",
        {"acceptance_rule": "ACCEPTANCE_RULE_ALL_ADDRESSEES"},
        begun,
        title=f"Diplomacy, game {number}",
        purpose="Seven powers talk, all together and two by two, before they move.",
        sources=[{**SOURCE, "locator": path.name}],
    )
    for power in POWERS:
        words: Json = {"name": power.capitalize()}
        if power == cicero:
            words["aliases"] = ["Cicero"]
        yield _draft(
            "participant_joined",
            {
                "participant_id": power.lower(),
                "kind": "PARTICIPANT_KIND_ORGANIZATION",
                "role": "PARTICIPANT_ROLE_PARTY",
            },
            begun,
            **words,
        )
    yield from _phases(spoken, last=game["phases"][-1])


def _phases(spoken: list[Json], *, last: Json) -> Iterator[Json]:
    """Yield each phase as a session, with dates that the messages around it bound."""
    count = 0
    before: int | None = None
    for place, phase in enumerate(spoken):
        messages = phase["messages"]
        after = spoken[place + 1]["messages"][0]["time_sent"] if phase is not spoken[-1] else None
        session = phase["name"].lower()
        season, year, step = phase["name"][0], phase["name"][1:-1], phase["name"][-1]
        yield _draft(
            "session_opened",
            {
                "session_id": session,
                "kind": "SESSION_KIND_ROUND",
                "attendees": [power.lower() for power in POWERS],
            },
            _between(before, messages[0]["time_sent"]),
            title=f"{_SEASON[season]} {year}, {_STEP[step]}",
        )
        for message in messages:
            count += 1
            yield _statement(f"m-{count:04}", session, message)
        before = messages[-1]["time_sent"]
        if phase is not last:
            yield _draft("session_closed", {"closed_session_id": session}, _between(before, after))


def _statement(statement_id: str, session: str, message: Json) -> Json:
    sender, recipient = message["sender"].lower(), message["recipient"].lower()
    to_all = recipient == "all"
    draft = _draft(
        "statement_recorded",
        {
            "statement_id": statement_id,
            "speakers": [sender],
            "addressed_to": [
                power.lower()
                for power in POWERS
                if power.lower() in {sender, recipient} or to_all
                if power.lower() != sender
            ],
            "act": "STATEMENT_ACT_ASSERT",
            "language": "en",
        },
        {"instant": _instant(message["time_sent"])},
        text=message["message"] or EMPTY,
    )
    facts = draft["facts"]
    facts["session_id"] = session
    if message["message"]:
        facts["provenance"]["form"] = "FORM_VERBATIM"
    if not to_all:
        facts["visibility"] = {
            "level": "VISIBILITY_LEVEL_RESTRICTED",
            "audience": [sender, recipient],
        }
    return draft


def _draft(kind: str, event: Json, occurred: Json, **words: object) -> Json:
    """Return a public draft with these words."""
    facts = {
        "occurred": occurred,
        "provenance": {"basis": "BASIS_DIRECT", "form": "FORM_SUMMARY"},
        "visibility": {"level": "VISIBILITY_LEVEL_PUBLIC"},
        kind: event,
    }
    return {"facts": facts, "words": words} if words else {"facts": facts}


def _instant(time_sent: int) -> str:
    """Return a time of the files in the form of RFC 3339."""
    seconds, rest = divmod(time_sent, TICKS)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:04}Z"


def _between(start: int | None, end: int | None) -> Json:
    """Return the range of days between two times of the files in EDTF. Either may be open."""
    first, last = (_instant(time)[:10] if time else "" for time in (start, end))
    return {"edtf": first if first == last else f"[{first}..{last}]"}


def lines(folder: Path) -> Iterator[str]:
    """Yield all games of a folder in the import format, one draft per line."""
    for path, game in games(folder):
        for draft in drafts(path, game):
            yield json.dumps({"negotiation": name(path), **draft}, ensure_ascii=False)


def main() -> None:
    """Write the drafts of a data folder to the standard output."""
    parser = argparse.ArgumentParser(description="Convert games of Diplomacy to drafts to import.")
    parser.add_argument("data_folder", type=Path, help="the folder with the game_*.json files")
    folder = parser.parse_args().data_folder
    for line in lines(folder):
        sys.stdout.write(line + "\n")


if __name__ == "__main__":
    main()
