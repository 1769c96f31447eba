"""What each of the seven is shown of a game, by every read there is; and what of it is not theirs.

A power asks as itself, with a token of its own, or somebody who sees everything asks for its view.
"""

import base64
import contextlib
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from google.protobuf.message import Message

from examples.diplomacy import convert
from pourparler import Client, PourparlerError, grant_access

KEEPER = "keeper"

_STATEMENT = "statement_recorded"
_EVERYWHERE = [
    *convert.POWERS,
    *map(str.lower, convert.POWERS),
    *map(str.capitalize, convert.POWERS),
]
_TELLING = 6  # characters: what is shorter may stand anywhere by chance


class Seen(NamedTuple):
    """What came of all reads: the statements of each that gives them, and all bytes there were."""

    statements: Mapping[str, list[str]]
    """By the read, their texts in the order in which they came."""
    said: bytes


def tokens(folder: Path) -> dict[str, str]:
    """The tokens of the keeper and of the seven: `keeper`, `austria` and so on, a file each."""
    names = [KEEPER, *(power.lower() for power in convert.POWERS)]
    return {name: (folder / name).read_text(encoding="ascii").strip() for name in names}


def principal(token: str) -> str:
    """How the record names who bears a token."""
    claims = token.split(".")[1]
    said = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
    return f"{said['iss']}#{said['sub']}"


@contextlib.contextmanager
def called(call: Callable[[str], Client]) -> Iterator[Mapping[str, Client]]:
    """Clients of the keeper and of the seven, for a while."""
    names = [KEEPER, *(power.lower() for power in convert.POWERS)]
    with contextlib.ExitStack() as opened:
        yield {name: opened.enter_context(call(name)) for name in names}


def let_in(keeper: Client, name: str, principals: Mapping[str, str]) -> None:
    """Grant each of the seven access to a game, once."""
    known = keeper.get_negotiation(name).negotiation.principals
    grants = [
        grant_access(principals[power.lower()], "party", participant=power.lower())
        for power in convert.POWERS
        if principals[power.lower()] not in known
    ]
    if grants:
        keeper.record(name, *grants)


def seen(client: Client, name: str, last: int, seen_by: str = "", guess: str = "") -> Seen:
    """What a caller is shown of a game of so many entries, perhaps as one of the seven would be.

    `guess` is some words to look for.
    """
    asked: dict[str, Any] = {"viewer_participant_id": seen_by} if seen_by else {}
    statements: dict[str, list[str]] = {}
    said: list[bytes] = []

    def taken(what: str, messages: Iterable[Any]) -> list[Any]:
        found = list(messages)
        said.extend(one.SerializeToString() for one in found)
        if what:
            statements[what] = [one.words.text for one in found if one.facts.HasField(_STATEMENT)]
        return found

    def refused(call: Callable[[], object]) -> None:
        try:
            call()
        except PourparlerError as error:
            said.append(f"{error} {error.metadata}".encode())

    (state,) = taken("", [client.get_negotiation(name, **asked)])
    statements["get"] = [one.words.text for _, one in sorted(state.negotiation.statements.items())]
    taken("", _states(client, name, last, asked))
    taken("history", client.replay(name, **asked))
    backwards = taken("", client.replay(name, reverse=True, **asked))
    statements["reverse"] = [
        one.words.text for one in reversed(backwards) if one.facts.HasField(_STATEMENT)
    ]
    taken("of a kind", client.replay(name, entry_types=_STATEMENT, **asked))
    taken("as of", client.replay(name, as_of=last, **asked))
    with client.watch(name, **asked) as watch:
        taken("watch", islice(watch, last))
    refused(lambda: client.get_negotiation(name, as_of=last + 1, **asked))
    refused(lambda: list(client.replay(name, as_of=last + 1, **asked)))
    found = taken("", (hit.entry for hit in client.search(names=name, order="oldest", **asked)))
    statements["search"] = [one.words.text for one in found if one.facts.HasField(_STATEMENT)]
    if guess:
        taken("", client.search(f'"{guess}"', names=name, **asked))
    if not seen_by:
        taken("", client.list_negotiations())
        id_ = name.removeprefix("negotiations/")
        over_all = client.replay("-", entry_types=_STATEMENT)
        # Another game has the same ids.
        taken("over all", (one for one in over_all if one.header.negotiation == id_))
        said.append(client.get_checkpoint(name).encode())
        bundle = io.BytesIO()
        client.export_bundle(name, bundle)
        said.append(bundle.getvalue())
        refused(lambda: client.get_negotiation(name, viewer_participant_id="france"))
        refused(lambda: list(client.replay(name, viewer_participant_id="france")))
        refused(lambda: client.record(name, grant_access("anybody", "recorder")))
    return Seen(statements, b"\n".join(said))


def _states(client: Client, name: str, last: int, asked: Mapping[str, Any]) -> Iterator[Message]:
    yield client.get_negotiation(name, view="basic", **asked)
    yield client.get_negotiation(name, as_of=last // 2, **asked)
    yield client.get_negotiation(name, occur_date="2022", **asked)
    yield client.status_report(name, **asked)
    yield client.status_report(name, on_date="2022-09-01", as_of=last // 2, **asked)
    yield client.diff(name, **asked)
    yield client.diff(name, start=last // 2, end=last, **asked)


class Game(NamedTuple):
    """What is for each of the seven to see of a game, and what is not."""

    texts: Mapping[str, list[str]]
    """Of each power, the messages from and to it, and those to all."""
    hidden: Mapping[str, list[str]]
    """Of each power, what stands in the others' messages alone: texts, and ids of statements."""


def game(played: Mapping[str, Any]) -> Game:
    """A game of the data, as each of the seven is to see it."""
    sent = [message for phase in played["phases"] for message in phase["messages"]]
    ids = [f"m-{number:04}" for number in range(1, len(sent) + 1)]
    texts: dict[str, list[str]] = {}
    hidden: dict[str, list[str]] = {}
    for power in convert.POWERS:
        theirs = [bool({power, "ALL"} & {one["sender"], one["recipient"]}) for one in sent]
        texts[power] = [
            one["message"] or convert.EMPTY for one, is_theirs in zip(sent, theirs, strict=True)
            if is_theirs
        ]  # fmt: skip
        known = "\n".join([*texts[power], *_EVERYWHERE])
        others = [
            word
            for one, id_, is_theirs in zip(sent, ids, theirs, strict=True)
            if not is_theirs
            for word in (one["message"], id_)
        ]
        hidden[power] = [
            one for one in dict.fromkeys(others) if len(one) >= _TELLING and one not in known
        ]
    return Game(texts, hidden)


def wrong(power: str, game: Game, seen: Seen) -> list[str]:
    """What is wrong with what a power was shown: reads that differ, and words that are not its."""
    differing = [what for what, texts in seen.statements.items() if texts != game.texts[power]]
    told = [one for one in game.hidden[power] if one.encode() in seen.said]
    return [*(f"{what} differs" for what in differing), *(f"{one!r} is told" for one in told)]
