"""All games of Diplomacy through a running service: import, replay, and compare with the data.

python examples/diplomacy/verify.py DATA_FOLDER --server 127.0.0.1:50710

With tokens, the seven call for themselves: each asks for all there is, and what comes is searched
for the others' words.
"""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

# Run as a script, Python looks for modules in this folder alone.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from examples import importing
from examples.diplomacy import convert, powers
from pourparler import Client
from pourparler import v1 as pb


class Compared(NamedTuple):
    """How far one game came back from the record as it went in."""

    entries: int
    messages: int
    same_messages: bool
    same_counts: bool
    same_audiences: bool
    same_views: bool = True
    """Whether each of the seven is shown the messages from and to them and to all, and no other."""


def messages(entries: Iterable[pb.Entry]) -> list[dict[str, Any]]:
    """The messages of a game as the data has them, from the entries of its record."""
    return [_message(entry) for entry in _statements(entries)]


def _statements(entries: Iterable[pb.Entry]) -> list[pb.Entry]:
    return [entry for entry in entries if entry.facts.HasField("statement_recorded")]


def _message(entry: pb.Entry) -> dict[str, Any]:
    facts, statement = entry.facts, entry.facts.statement_recorded
    verbatim = facts.provenance.form == pb.FORM_VERBATIM
    sent = facts.occurred.instant
    to_all = len(statement.addressed_to) == len(convert.POWERS) - 1
    return {
        "message": entry.words.text if verbatim else "",
        "phase": facts.session_id.upper(),
        "recipient": "ALL" if to_all else statement.addressed_to[0].upper(),
        "sender": statement.speakers[0].upper(),
        "time_sent": (sent.seconds * 10**9 + sent.nanos) * convert.TICKS // 10**9,
    }


def audience(entry: pb.Entry) -> frozenset[str]:
    """Who of the seven may see an entry."""
    seen = entry.facts.visibility
    if seen.level == pb.VISIBILITY_LEVEL_PUBLIC:
        return frozenset(convert.POWERS)
    return frozenset(power.upper() for power in seen.audience)


def compared(game: dict[str, Any], entries: list[pb.Entry]) -> Compared:
    """A game of the data beside the entries of its record."""
    sent = [message for phase in game["phases"] for message in phase["messages"]]
    back = messages(entries)
    audiences = [
        frozenset(
            convert.POWERS
            if message["recipient"] == "ALL"
            else {message["sender"], message["recipient"]}
        )
        for message in sent
    ]
    return Compared(
        entries=len(entries),
        messages=len(back),
        same_messages=back == sent,
        same_counts=_counts(back) == _counts(sent),
        same_audiences=[audience(entry) for entry in _statements(entries)] == audiences,
    )


def theirs(game: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """The messages of a game that are for each of the seven to see: theirs, and those to all."""
    sent = [message for phase in game["phases"] for message in phase["messages"]]
    return {
        power: [one for one in sent if {power, "ALL"} & {one["sender"], one["recipient"]}]
        for power in convert.POWERS
    }


def _counts(sent: list[dict[str, Any]]) -> Counter[tuple[str, str]]:
    return Counter((message["sender"], message["recipient"]) for message in sent)


def verify(
    folder: Path,
    server: str,
    call: Callable[[str], Client] | None = None,
    secure: Sequence[str] = (),
) -> bool:
    """Import, replay and compare a folder of games; whether all came back equal.

    `call` gives a client of the keeper, and `secure` is how the command says who that is.
    """
    began = time.monotonic()
    importing.send(convert.lines(folder), server, secure)
    imported = time.monotonic()
    results = []
    with call(powers.KEEPER) if call else Client(server) as client:
        for path, game in convert.games(folder):
            name = convert.name(path)
            result = compared(game, list(client.replay(name)))
            seen = {
                power: messages(client.replay(name, viewer_participant_id=power.lower()))
                for power in convert.POWERS
            }
            result = result._replace(same_views=seen == theirs(game))
            results.append(result)
            if not all(result[2:]):
                print(f"{name} differs: {result}")
    read = time.monotonic()
    total = len(results)
    equal = {
        "messages, order, times": sum(result.same_messages for result in results),
        "counts per pair": sum(result.same_counts for result in results),
        "who may see them": sum(result.same_audiences for result in results),
        "what each is shown": sum(result.same_views for result in results),
    }
    for what, count in equal.items():
        print(f"{what + ' equal:':<30}{count} of {total} games")
    print(f"statements: {sum(result.messages for result in results):,}")
    print(f"entries:    {sum(result.entries for result in results):,}")
    print(f"seconds:    {imported - began:.1f} to import, {read - imported:.1f} to replay")
    return total > 0 and set(equal.values()) == {total}


def verify_callers(
    folder: Path, call: Callable[[str], Client], principals: Mapping[str, str]
) -> bool:
    """Have each of the seven ask for every game that was imported; whether each sees its own alone.

    `call` gives a client of one of the seven, or of the keeper, who is asked for the same views.
    """
    began = time.monotonic()
    asked = right = games = 0
    with powers.called(call) as clients:
        keeper = clients[powers.KEEPER]
        for path, played in convert.games(folder):
            name, game, faults = convert.name(path), powers.game(played), 0
            powers.let_in(keeper, name, principals)
            last = keeper.get_negotiation(name).computed_at.version
            for power in convert.POWERS:
                own, guess = power.lower(), (game.hidden[power] or [""])[0]
                for seen in (
                    powers.seen(clients[own], name, last, guess=guess),
                    powers.seen(keeper, name, last, own, guess=guess),
                ):
                    wrong = powers.wrong(power, game, seen)
                    faults += len(wrong)
                    asked += len(seen.statements)
                    for one in wrong:
                        print(f"{name}, as {power}: {one}")
            games += 1
            right += not faults
    print(f"{'each sees its own alone:':<30}{right} of {games} games")
    print(f"reads:      {asked:,} that give statements, as caller and viewer_participant_id")
    print(f"seconds:    {time.monotonic() - began:.1f} to ask")
    return games > 0 and right == games


def main() -> None:
    """Verify a data folder against a service."""
    parser = argparse.ArgumentParser(description="Import, replay and compare the games.")
    parser.add_argument("data_folder", type=Path, help="where the game_*.json files are")
    parser.add_argument("--server", default="127.0.0.1:50710", help="where the service is")
    parser.add_argument("--root-certificates", help="whom the service is certified by")
    parser.add_argument(
        "--tokens",
        type=Path,
        help="a folder with a token of the `keeper`, who imports, and of each of the seven",
    )
    arguments = parser.parse_args()
    folder, server, secure = arguments.data_folder, arguments.server, []
    if arguments.tokens:
        secure = ["--root-certificates", arguments.root_certificates]
        secure += ["--token-file", str(arguments.tokens / powers.KEEPER)]
        tokens = powers.tokens(arguments.tokens)

    def call(name: str) -> Client:
        if not arguments.tokens:
            return Client(server)
        return Client(
            server, root_certificates=arguments.root_certificates, token=tokens[name], timeout=60
        )

    equal = verify(folder, server, call, secure)
    if arguments.tokens:
        principals = {name: powers.principal(token) for name, token in tokens.items()}
        equal = verify_callers(folder, call, principals) and equal
    sys.exit(0 if equal else 1)


if __name__ == "__main__":
    main()
