"""Entries found by their words: over all negotiations, in every script, in pages that stay."""

import io
import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format
from google.protobuf.timestamp_pb2 import Timestamp
from rich.console import Console

from examples.casino import convert as casino
from pourparler import Client
from pourparler import v1 as pb
from pourparler.cli.commands import run
from pourparler.cli.output import search_hits
from pourparler.cli.output.page import Page
from pourparler_service.config.settings import Settings
from pourparler_service.server import running
from tests.support.sample_entries import ANALYSIS, REPORTED, draft, joined, offered, opened, topic
from tests.support.service_client import Service, connected, refused

DATA = Path(__file__).parents[1] / "data"
SEED = Path(__file__).parents[2] / "examples" / "renault-nissan" / "negotiation.jsonl"
SEARCH = "/pourparler.v1.NegotiationService/SearchEntries"


def search(service: Service, query: str = "", **asked: Any) -> pb.SearchEntriesResponse:
    request = pb.SearchEntriesRequest(query=query, **asked)
    found: pb.SearchEntriesResponse = service.negotiations.SearchEntries(request, timeout=10)
    return found


def versions(response: pb.SearchEntriesResponse) -> list[int]:
    return [one.entry.header.version for one in response.hits]


def marked(response: pb.SearchEntriesResponse) -> list[str]:
    """What is marked in the passages of each hit."""
    return [
        "|".join(part.text for shown in one.snippets for part in shown.segments if part.match)
        for one in response.hits
    ]


def stated(text: str, *speakers: str, **more: Any) -> pb.Draft:
    event = pb.StatementRecorded(
        statement_id=more.pop("id", f"s-{abs(hash(text))}"),
        speakers=speakers,
        act=pb.STATEMENT_ACT_ASSERT,
        topic_ids=more.pop("topics", ()),
        addressed_to=more.pop("to", ()),
        attributed_to=more.pop("attributed", ()),
    )
    return draft(event, pb.Words(text=text), **more)


def corrected(target: int, said: pb.Draft | None, why: str) -> pb.Draft:
    event = pb.EntryCorrected(target_version=target, kind=pb.CORRECTION_KIND_RECORDER)
    event.mode = pb.CORRECTION_MODE_REPLACE if said else pb.CORRECTION_MODE_ANNUL
    words = pb.Words()
    if said is not None:
        event.replacement.CopyFrom(said.facts)
        words.CopyFrom(said.words)
    words.correction_reason = why
    return draft(event, words)


@pytest.fixture(scope="module")
def crane(service: Service) -> Service:
    service.record(
        "crane",
        draft(pb.NegotiationOpened(), pb.Words(title="Lease of a crane")),
        joined("harbour"),
        joined("freight"),
        topic("rent"),
        stated("Nine thousand is our limit for the crane", "harbour", topics=["rent"], id="limit"),
        offered("offer", ["harbour"], ["freight"], topics=["rent"]),
        draft(
            pb.ProposalAnswered(proposal_id="offer", by="freight", answer=pb.ANSWER_REJECT),
            pb.Words(reason="Above our limit"),
            occurred="2023-05-17",
        ),
        stated("They may walk away", basis=REPORTED, attributed=["freight"], occurred="2023-41"),
        stated("The limit is a bluff", basis=ANALYSIS, occurred="[2025-01-01..]"),
    )
    return service


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"query": "limit"}, [5, 7, 9]),
        ({"query": "LIMIT crane"}, [5]),
        ({"query": '"our limit"'}, [5, 7]),
        ({"query": "thou*"}, [5]),
        ({"query": "limit -crane"}, [7, 9]),
        ({"query": "-limit", "entry_types": ["statement_recorded"]}, [8]),
        ({"query": "limit", "speaker_ids": ["harbour"]}, [5]),
        ({"query": "walk", "speaker_ids": ["freight"]}, [8]),
        ({"speaker_ids": ["freight"]}, [7, 8]),
        ({"participant_ids": ["freight"]}, [3, 6, 7, 8]),
        ({"topic_ids": ["rent"]}, [4, 5, 6, 7]),
        ({"entry_types": ["proposal_made", "proposal_answered"]}, [6, 7]),
        ({"bases": [pb.BASIS_REPORTED, pb.BASIS_ANALYSIS]}, [8, 9]),
        ({"query": "limit", "bases": [pb.BASIS_ANALYSIS]}, [9]),
        ({"query": "limit", "record_end_time": Timestamp(seconds=1)}, []),
        ({"query": "limit", "record_start_time": Timestamp(seconds=1)}, [5, 7, 9]),
        (
            {"occur_start_date": "2023-05", "occur_end_date": "2023-07", "query": "a*"},
            [1, 4, 7, 8],
        ),
        ({"occur_start_date": "2024", "occur_end_date": "2024", "bases": [pb.BASIS_REPORTED]}, []),
        ({"occur_start_date": "2023-05", "occurred_match": 2, "occur_end_date": "2023-05"}, [7]),
        ({"occur_start_date": "2023-41", "occurred_match": 2, "occur_end_date": "2023-41"}, [8]),
        ({"occur_start_date": "2023-08", "occurred_match": 2, "occur_end_date": "2023-12"}, []),
        ({"occur_start_date": "2025", "occurred_match": 2}, [9]),
        ({"query": "nothing at all"}, []),
    ],
    ids=str,
)
def test_a_search_has_what_meets_the_words_and_every_filter(
    crane: Service, asked: dict[str, Any], found: list[int]
) -> None:
    response = search(crane, names=["negotiations/crane"], **asked)

    assert sorted(versions(response)) == found
    assert [one.name for one in response.negotiations] == ["negotiations/crane"]


def test_a_hit_is_the_entry_as_it_is_stored_and_says_where_it_was_found(crane: Service) -> None:
    request = pb.SearchEntriesRequest(query="limit crane", names=["negotiations/crane"])
    data = crane.raw(SEARCH, request.SerializeToString())
    response = pb.SearchEntriesResponse.FromString(data)

    (hit,) = response.hits
    (negotiation,) = response.negotiations
    state = crane.state("crane")
    (stored,) = [
        record
        for message in crane.replay("crane", entry_types=["statement_recorded"], limit=1)
        for record in pb.Records.FromString(message.SerializeToString()).records
    ]
    assert pb.Records.FromString(hit.SerializeToString()).records[0] == stored
    assert (hit.status, hit.effective_version, hit.amended_by) == (pb.HIT_STATUS_CURRENT, 5, 0)
    assert [(one.text, one.match) for one in hit.snippets[0].segments] == [
        ("Nine thousand is our ", False),
        ("limit", True),
        (" for the ", False),
        ("crane", True),
    ]
    assert hit.snippets[0].field == "text"
    assert negotiation.title == "Lease of a crane"
    assert negotiation.computed_at == state.computed_at


def test_over_all_negotiations_the_better_comes_first(service: Service) -> None:
    service.record(
        "one", opened(), joined("a"), stated("We spoke of zebras, and of much else", "a")
    )
    service.record("two", opened(), joined("a"), stated("Zebras, zebras", "a"))
    service.record("three", draft(pb.NegotiationOpened(), pb.Words(title="Zebras")))

    response = search(service, "zebras")

    where = [one.entry.header.negotiation for one in response.hits]
    assert where == ["three", "two", "one"]
    assert [one.name for one in response.negotiations] == [f"negotiations/{one}" for one in where]


def test_who_asks_for_time_gets_time(crane: Service) -> None:
    name = ["negotiations/crane"]

    assert versions(search(crane, "limit", names=name, order=pb.SEARCH_ORDER_NEWEST)) == [9, 7, 5]
    assert versions(search(crane, "limit", names=name, order=pb.SEARCH_ORDER_OLDEST)) == [5, 7, 9]
    assert versions(search(crane, names=name)) == [9, 8, 7, 6, 5, 4, 3, 2, 1]


SCRIPTS = [
    ("会議は東京都庁で開かれます", "京都", "京都"),
    ("会議は東京都庁で開かれます", "東京 会議", "会議|東京"),
    ("ﾀﾅｶさんはｶﾞｲﾄﾞです", "ガイド", "ｶﾞｲﾄﾞ"),
    ("L’Élan d’été, un cœur", "elan ETE coeur", "Élan|été|cœur"),
    ("قال مُحَمَّد إن الاتفاق جاهز", "محمد الاتفاق", "مُحَمَّد|الاتفاق"),
    ("Die Straße ist gesperrt", "STRASSE", "Straße"),
    ("Toplantı Isparta'da, ILIK", "ısparta ılık", "Isparta|ILIK"),
    ("We agree 👍🏽 on it", "👍", "👍🏽"),
    ("Re\u0301union a\u0300 Gene\u0300ve", "réunion genève", "Re\u0301union|Gene\u0300ve"),
    ("협상을 계속합니다", "협상", "협상"),
    ("การเจรจาเริ่มแล้ว", "เจรจา", "เจรจา"),
    ("Переговоры о Ёлке", "елке", "Ёлке"),
]


@pytest.mark.parametrize(("text", "query", "shown"), SCRIPTS)
def test_words_of_every_script_are_found_and_shown_as_they_were_written(
    service: Service, text: str, query: str, shown: str
) -> None:
    name = f"script-{SCRIPTS.index((text, query, shown))}"
    service.record(name, opened(), joined("a"), stated(text, "a"))

    response = search(service, query, names=[f"negotiations/{name}"])

    assert marked(response) == [shown]
    assert "".join(part.text for part in response.hits[0].snippets[0].segments) == text


def test_what_was_corrected_is_found_by_what_counts_and_the_original_is_marked(
    service: Service,
) -> None:
    service.record("mended", opened(), joined("a"), stated("Nine thusand a week", "a", id="s"))
    mended = stated("Nine thousand a week", "a", id="s")
    service.record("mended", corrected(3, mended, "Misspelled"))
    names = ["negotiations/mended"]

    (hit,) = search(service, "thousand", names=names, entry_types=["statement_recorded"]).hits
    was, now = sorted(search(service, "nine", names=names).hits, key=lambda one: one.status)[::-1]

    assert (hit.entry.header.version, hit.status, hit.effective_version) == (
        4,
        pb.HIT_STATUS_CURRENT,
        3,
    )
    assert now == search(service, "nine", names=names).hits[0]
    assert (was.entry.header.version, was.status, was.amended_by) == (3, pb.HIT_STATUS_REPLACED, 4)
    assert versions(search(service, "nine", names=names, only_current=True)) == [4]
    assert versions(search(service, "misspelled", names=names)) == [4]

    service.record("mended", corrected(3, None, "Never said"))

    annulled = search(service, "nine", names=names).hits
    assert {(one.entry.header.version, one.status, one.amended_by) for one in annulled} == {
        (3, pb.HIT_STATUS_ANNULLED, 5),
        (4, pb.HIT_STATUS_ANNULLED, 5),
    }
    assert versions(search(service, "nine", names=names, only_current=True)) == []
    assert versions(search(service, "never", names=names, only_current=True)) == [5]


def test_what_counts_no_more_comes_last_however_much_of_it_is_looked_for(service: Service) -> None:
    short = [stated("Dugong", "a", id=f"short-{number}") for number in range(6)]
    long = [stated("A dugong among others", "a", id=f"long-{number}") for number in range(2)]
    service.record("dugong", opened(), joined("a"), *short, *long)
    service.record("dugong", *(corrected(3 + place, None, "Never said") for place in range(6)))
    names = ["negotiations/dugong"]

    found: list[int] = []
    token = ""
    while token or not found:
        page = search(service, "dugong", names=names, page_size=1, page_token=token)
        found += versions(page)
        token = page.next_page_token

    assert found == [10, 9, 8, 7, 6, 5, 4, 3]


def test_pages_are_of_the_record_as_it_was_at_the_first(service: Service) -> None:
    said = [stated(f"Okapi number {number}", "a", id=f"s-{number}") for number in range(7)]
    service.record("okapi", opened(), joined("a"), *said)

    for order in (0, pb.SEARCH_ORDER_NEWEST, pb.SEARCH_ORDER_OLDEST):
        whole = versions(search(service, "okapi", order=order, page_size=100))
        found, token = [], ""
        while True:
            page = search(service, "okapi", order=order, page_size=3, page_token=token)
            found += versions(page)
            service.record(
                "okapi", stated("Okapi okapi okapi", "a", id=f"later-{order}-{len(found)}")
            )
            token = page.next_page_token
            if not token:
                break
            assert len(page.hits) == 3
        assert found == whole


@pytest.mark.parametrize(
    ("asked", "reason", "field"),
    [
        ({"query": "?!"}, "FIELD_INVALID", "query"),
        ({"query": "x" * 1_001}, "LIMIT_EXCEEDED", "query"),
        ({"names": ["crane"]}, "ID_INVALID", "names[0]"),
        ({"names": ["negotiations/nowhere"]}, "NEGOTIATION_NOT_FOUND", ""),
        ({"speaker_ids": ["No id"]}, "ID_INVALID", "speaker_ids[0]"),
        ({"participant_ids": ["No id"]}, "ID_INVALID", "participant_ids[0]"),
        ({"topic_ids": [""]}, "ID_INVALID", "topic_ids[0]"),
        ({"entry_types": ["no_such"]}, "FIELD_INVALID", "entry_types[0]"),
        ({"bases": [99]}, "ENUM_UNKNOWN", "bases[0]"),
        ({"order": 99}, "ENUM_UNKNOWN", "order"),
        ({"occurred_match": 99}, "ENUM_UNKNOWN", "occurred_match"),
        ({"occur_start_date": "soon"}, "DATE_INVALID", "occur_start_date"),
        ({"occur_end_date": "2023-13"}, "DATE_INVALID", "occur_end_date"),
        ({"record_start_time": Timestamp(nanos=-1)}, "FIELD_INVALID", "record_start_time"),
        ({"page_size": -1}, "FIELD_INVALID", "page_size"),
        ({"page_token": "made up"}, "PAGE_TOKEN_INVALID", "page_token"),
        ({"viewer_participant_id": "No id"}, "ID_INVALID", "viewer_participant_id"),
    ],
    ids=str,
)
def test_what_cannot_be_searched_is_refused_with_the_field(
    service: Service, asked: dict[str, Any], reason: str, field: str
) -> None:
    answered = refused(lambda: search(service, **asked))

    assert (answered.reason, answered.field) == (reason, field)


def test_a_page_token_is_good_for_its_search_alone(crane: Service) -> None:
    token = search(crane, "limit", page_size=1).next_page_token

    assert token
    assert len(search(crane, "limit", page_size=2, page_token=token).hits) == 2
    for other in ({"query": "our"}, {"query": "limit", "only_current": True}):
        answered = refused(lambda other=other: search(crane, page_token=token, **other))  # type: ignore[misc]
        assert answered.reason == "PAGE_TOKEN_INVALID"
    listed = crane.negotiations.ListNegotiations(pb.ListNegotiationsRequest(page_size=1))
    assert (
        refused(lambda: search(crane, "limit", page_token=listed.next_page_token)).reason
        == "PAGE_TOKEN_INVALID"
    )


@pytest.mark.parametrize(
    "query",
    ['" OR 1=1', "text:x", "NEAR(a b, 2)", "a\0b", "{a b} : c", "^a", "a-", 'a"', "%", "'--a"],
)
def test_nothing_that_is_typed_means_anything_to_the_database(service: Service, query: str) -> None:
    if not any(one.isalnum() for one in query):
        assert refused(lambda: search(service, query)).field == "query"
        return
    name = f"typed-{query.encode().hex()}"
    service.record(name, opened(), joined("a"), stated(query, "a"))

    assert 3 in versions(search(service, query, names=[f"negotiations/{name}"]))


def test_what_was_recorded_is_found_at_once(service: Service) -> None:
    service.record("fresh", opened(), joined("a"))
    for number in range(20):
        service.record("fresh", stated(f"Axolotl {number}", "a", id=f"s-{number}"))

        assert len(search(service, "axolotl").hits) == number + 1


@contextmanager
def serving(folder: Path) -> Iterator[Service]:
    settings = Settings(data=folder, address="127.0.0.1:0", environment={})
    with running(settings) as address, connected(address) as service:
        yield service


def person_said(service: Service, text: str) -> None:
    person = joined("anna", kind=pb.PARTICIPANT_KIND_PERSON)
    service.record("talks", opened(), person, joined("b"), stated(text, "anna"), stated("Hm", "b"))


def test_after_a_restart_all_is_found_and_what_concerns_persons_too(tmp_path: Path) -> None:
    with serving(tmp_path) as service:
        person_said(service, "A confidential quokka")
        assert versions(search(service, "quokka")) == [4]
    for damage in ("nothing", "lost", "no database", "another format"):
        index = tmp_path / "search.sqlite"
        if damage == "lost":
            index.unlink()
        elif damage == "no database":
            index.write_bytes(b"x" * 10_000)
        elif damage == "another format":
            with sqlite3.connect(index) as database:
                database.execute("UPDATE progress SET format = 99")
            database.close()
        with serving(tmp_path) as service:
            assert versions(search(service, "quokka")) == [4], damage
            assert versions(search(service, "hm")) == [5], damage
            assert marked(search(service, "quokka confidential")) == ["confidential|quokka"]


def test_an_index_is_rebuilt_in_a_folder_that_nobody_uses(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = str(tmp_path)
    with serving(tmp_path) as service:
        person_said(service, "A confidential quokka")
        assert run(["rebuild-indexes", "--data", data]) == 1
        assert "is in use by another process" in capsys.readouterr().err

    assert run(["rebuild-indexes", "--data", data]) == 0
    assert "search index from 5 entries" in capsys.readouterr().out
    assert run(["rebuild-indexes", "--data", f"{data}/none"]) == 1
    with serving(tmp_path) as service:
        assert versions(search(service, "quokka")) == [4]
        assert (
            len(service.negotiations.ListNegotiations(pb.ListNegotiationsRequest()).negotiations)
            == 1
        )


def test_the_seed_article_is_searched(service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--server", service.address, "import", str(SEED)]) == 0
    names = ["negotiations/renault-nissan"]

    offer = search(service, '"second half"', names=names)
    shares = search(service, "shares", names=names, occur_start_date="2022-10", occurred_match=2)

    assert versions(offer) == [15]
    assert {one.entry.facts.WhichOneof("event") for one in shares.hits} >= {"question_raised"}
    assert versions(search(service, "leader follower", names=names, occur_end_date="2021")) == [7]


@pytest.mark.parametrize("word", ["firewood", "kids", "deal"])
def test_talks_over_a_camp_site_are_searched_by_what_was_said(camp: Service, word: str) -> None:
    said = [json.loads(line) for line in casino.lines(DATA / "casino")]
    numbers: dict[str, int] = {}
    wanted = set()
    for one in said:
        name = one["negotiation"]
        numbers[name] = numbers.get(name, 0) + 1
        if re.search(rf"\b{word}\b", json.dumps(one.get("words", {})), re.IGNORECASE):
            wanted.add((name, numbers[name]))

    with Client(camp.address) as client:
        hits = list(client.search(word, page_size=7))

    found = [
        (f"negotiations/{hit.entry.header.negotiation}", hit.entry.header.version) for hit in hits
    ]
    assert set(found) == wanted
    assert len(found) == len(wanted)
    assert all(hit.snippets for hit in hits)


@pytest.fixture(scope="module")
def camp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A part of CaSiNo, whose parties are persons."""
    folder = tmp_path_factory.mktemp("camp")
    file = folder / "camp.jsonl"
    file.write_text("".join(f"{line}\n" for line in casino.lines(DATA / "casino")))
    with serving(folder / "data") as service:
        assert run(["--server", service.address, "import", str(file)]) == 0
        yield service


def lines(capsys: pytest.CaptureFixture[str], service: Service, *arguments: str) -> list[str]:
    assert run(["--server", service.address, "search", *arguments]) == 0
    return capsys.readouterr().out.splitlines()


def test_the_command_has_a_line_for_each_hit_in_a_pipe(
    crane: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    head, *rows = lines(capsys, crane, "limit", "--in", "crane", "--order", "oldest")

    assert head.split()[:2] == ["NEGOTIATION", "#"]
    assert [row.split()[:2] for row in rows] == [["crane", f"#{one}"] for one in (5, 7, 9)]
    assert "Nine thousand is our limit for the crane" in rows[0]
    assert "harbour" in rows[0]
    assert rows[1].endswith("Above our limit                           reason")

    def found(*arguments: str) -> list[str]:
        return [row.split()[1] for row in lines(capsys, crane, "--in", "crane", *arguments)[1:]]

    assert found("our limit", "--order", "newest") == ["#7", "#5"]
    assert found("limit", "--exclude", "crane", "--basis", "direct") == ["#7"]
    assert found("--topic", "rent", "--type", "proposal_made") == ["#6"]
    assert found("--from", "2023-41", "--to", "2023-41", "--definite") == ["#8"]
    assert found("--speaker", "freight", "--limit", "1") == ["#8"]
    assert found("limit", "--recorded-before", "2001-01-01") == []
    assert found("limit", "--recorded-from", "2001-01-01T00:00Z", "--current", "--limit", "1")
    assert run(["--server", crane.address, "search", "x", "--recorded-from", "soon"]) == 2
    assert "'soon' is not a time" in capsys.readouterr().err


def test_the_command_gives_hits_as_they_are(
    crane: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    told = lines(capsys, crane, "limit", "--in", "crane", "--json")

    hits = [json_format.Parse(line, pb.SearchHit()) for line in told]
    assert hits == list(search(crane, "limit", names=["negotiations/crane"]).hits)


def test_in_a_terminal_hits_are_together_by_negotiation_and_what_was_found_stands_out(
    crane: Service,
) -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=100, color_system="256")
    with Client(crane.address) as client:
        hits = client.search('"our limit"', names="crane", order="oldest")
        search_hits.results(Page(console), list(hits), hits.negotiations)
        nothing = client.search("no such words", names="crane")
        assert list(nothing) == []
    search_hits.nothing(
        Page(console), {"query": "no such words", "names": ("crane",), "topics": ()}
    )

    told = console.file.getvalue()  # type: ignore[attr-defined]
    assert "Lease of a crane (crane)" in told
    assert re.search(r"\x1b\[1;38;5;166mour limit\x1b", told)
    assert "Nothing is found for no such words." in told
    assert "without --in" in told
    assert "options that narrow it" not in told
