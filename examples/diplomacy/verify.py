"""Import all games of Diplomacy into a running service, replay them, and compare with the data.

python examples/diplomacy/verify.py DATA_FOLDER --server 127.0.0.1:50710

With `--tokens`, each of the seven powers calls with its own token and makes every kind of read. The
script searches each response for content that this power may not see.
"""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

# Python adds only the folder of a script to the module path, not the root folder.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from examples import importing
from examples.diplomacy import convert, powers
from pourparler import Client
from pourparler import v1 as pb


class Compared(NamedTuple):
    """The result of the comparison of one game in the data with its record."""

    entries: int
    messages: int
    same_messages: bool
    same_counts: bool
    same_audiences: bool
    same_views: bool = True
    """True if each power sees exactly its own messages and the messages to all."""


def messages(entries: Iterable[pb.Entry]) -> list[dict[str, Any]]:
    """Return the messages of a game in the form of the data, from the entries of its record."""
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
    """Return the powers that may see an entry."""
    seen = entry.facts.visibility
    if seen.level == pb.VISIBILITY_LEVEL_PUBLIC:
        return frozenset(convert.POWERS)
    return frozenset(power.upper() for power in seen.audience)


def compared(game: dict[str, Any], entries: list[pb.Entry]) -> Compared:
    """Compare a game of the data with the entries of its record."""
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
    """Return the messages that each power may see: its own messages and the messages to all."""
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
    """Import, replay and compare a folder of games. Return whether all games are equal.

    `call` returns a client for the custodian. `secure` has the command options that identify the
    custodian.
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
        "audiences": sum(result.same_audiences for result in results),
        "views of the powers": sum(result.same_views for result in results),
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
    """Read every imported game as each power. Return whether each sees only its own messages.

    `call` returns a client for one of the powers or for the custodian. The custodian reads the same
    views.
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
    print(f"reads:      {asked:,} with statements, as caller and with viewer_participant_id")
    print(f"seconds:    {time.monotonic() - began:.1f} to read")
    return games > 0 and right == games


def main() -> None:
    """Verify a data folder against a service."""
    parser = argparse.ArgumentParser(description="Import, replay and compare the games.")
    parser.add_argument("data_folder", type=Path, help="the folder with the game_*.json files")
    parser.add_argument("--server", default="127.0.0.1:50710", help="the address of the service")
    parser.add_argument("--root-certificates", help="a PEM file with the authorities to trust")
    parser.add_argument(
        "--tokens",
        type=Path,
        help="a folder with one token in each file: `keeper` for the custodian, and each power",
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
