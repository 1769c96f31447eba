"""How things are put to a person."""

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from pourparler import money, percent, quantity, term
from pourparler import v1 as pb
from pourparler.cli.output import wording
from pourparler.cli.output.wording import Names
from tests.support import sample_entries


@pytest.mark.parametrize(
    ("edtf", "said"),
    [
        ("2022-10-10", "2022-10-10"),
        ("2020-05", "2020-05"),
        ("2022", "2022"),
        ("2023-41", "second half of 2023"),
        ("2023-33", "first quarter of 2023"),
        ("2023-22", "summer of 2023"),
        ("2022~", "about 2022"),
        ("2022-10?", "2022-10, uncertain"),
        ("2022%", "about 2022, uncertain"),
        ("201X", "the 2010s"),
        ("[2022-10-10..]", "from 2022-10-10, open"),
        ("[..2022-10-10]", "no later than 2022-10-10"),
        ("[2022..2023-41]", "one day from 2022 to second half of 2023"),
        ("[2022,2024]", "2022 or 2024"),
        ("2022/2023", "lasting from 2022 to 2023"),
        ("2022/..", "lasting from 2022, open"),
        ("../2022", "lasting until 2022"),
        ("2022/", "lasting from 2022 to an unknown end"),
        ("/2022", "lasting from an unknown beginning to 2022"),
        ("1985-04-XX", "1985-04-XX (1985-04-01 to 1985-04-30)"),
    ],
)
def test_a_date_is_said_as_what_it_is(edtf: str, said: str) -> None:
    assert wording.when(sample_entries.date(edtf)) == said


def test_an_instant_is_said_in_utc() -> None:
    assert wording.when(pb.FuzzyDate(instant=Timestamp(seconds=1_665_388_800))) == (
        "2022-10-10 08:00:00Z"
    )


def test_a_date_comes_with_the_words_in_which_it_was_given() -> None:
    assert wording.when(sample_entries.date("[2022-10-10..]"), "in due course") == (
        "from 2022-10-10, open (“in due course”)"
    )
    assert wording.when(pb.FuzzyDate(), "some day") == "“some day”"
    assert wording.when(pb.FuzzyDate()) == ""


def test_a_date_that_cannot_be_said_is_shown_harmlessly() -> None:
    assert wording.edtf("\x1b[2J") == r"\x1b[2J"


NAMES = Names(
    {
        key: pb.Participant(words=pb.Words(name=name))
        for key, name in {
            "renault": "Renault Group",
            "ampere": "Ampère",
            "one": "Smith",
            "two": "Smith",
            "evil": "a\x1bb",
        }.items()
    }
)


@pytest.mark.parametrize(
    ("given_term", "said"),
    [
        (
            percent("stake", more_than=50, of="ampere", held_by="renault"),
            "stake of Ampère held by Renault Group: more than 50 %",
        ),
        (money("price", "12.50", "EUR"), "price: 12.50 EUR"),
        (money("price", between=(10, 20), currency="EUR"), "price: from 10 to 20 EUR"),
        (
            money("investment", by="nissan", into="ampere"),
            "investment by nissan into Ampère: not known",
        ),
        (quantity("staff", about=10000), "staff: about 10000"),
        (quantity("water", up_to=2, unit="package"), "water: up to 2 package"),
        (term("exclusive", "bool", value=True), "exclusive: yes"),
        (term("end", "date", at_least="2023-07-01"), "end: at least 2023-07-01"),
    ],
)  # fmt: skip
def test_a_term_is_said_with_whose_it_is_and_how_it_is_meant(
    given_term: pb.Term, said: str
) -> None:
    assert wording.term(given_term, NAMES) == said


def test_a_term_that_is_language_is_taken_from_the_words() -> None:
    words = pb.Words(term_texts=[pb.TermText(key="scope", text="All of Europe")])

    assert wording.term(term("scope", "text", value="x"), NAMES, words) == "scope: All of Europe"


def test_participants_who_share_a_name_are_told_apart() -> None:
    assert NAMES.all(["renault", "one", "two", "nobody"]) == (
        "Renault Group, Smith (one), Smith (two) and nobody"
    )
    assert NAMES["evil"] == r"a\x1bb"


@pytest.mark.parametrize(
    ("basis", "said"),
    [
        (pb.BASIS_DIRECT, "direct"),
        (pb.BASIS_ON_RECORD, "on record"),
        (pb.BASIS_REPORTED, "reported, unconfirmed"),
        (pb.BASIS_UNATTRIBUTED, "unattributed, unconfirmed"),
        (pb.BASIS_ANALYSIS, "analysis, unconfirmed"),
        (pb.BASIS_UNSPECIFIED, "-"),
    ],
)
def test_a_basis_says_whether_it_confirms(basis: pb.Basis.ValueType, said: str) -> None:
    assert wording.basis(pb.Provenance(basis=basis)) == said


def test_only_what_was_said_word_for_word_stands_in_quotation_marks() -> None:
    assert wording.quote("Yes.", pb.FORM_VERBATIM, "Nissan") == "Nissan: “Yes.”"
    assert wording.quote("Yes.", pb.FORM_PARAPHRASE, "Nissan") == "Nissan, paraphrase: Yes."
    assert wording.quote("Yes.", pb.FORM_TRANSLATION) == "translation: Yes."


@pytest.mark.parametrize(
    ("statement", "words", "said"),
    [
        (pb.StatementRecorded(speakers=["renault"]), pb.Words(), "Renault Group"),
        (
            pb.StatementRecorded(speakers=["renault", "nissan"], joint=True),
            pb.Words(as_role="as owners"),
            "Renault Group and nissan, jointly, as owners",
        ),
        (
            pb.StatementRecorded(attributed_to=["renault"]),
            pb.Words(),
            "attributed to Renault Group",
        ),
        (
            pb.StatementRecorded(speakers=["renault"], on_behalf_of=["alliance"]),
            pb.Words(),
            "Renault Group, on behalf of alliance",
        ),
        (
            pb.StatementRecorded(),
            pb.Words(speaker_described="a person close to the talks"),
            "a person close to the talks",
        ),
        (pb.StatementRecorded(), pb.Words(), "an unnamed speaker"),
    ],
)
def test_a_speaker_is_told_from_whom_it_is_only_attributed_to(
    statement: pb.StatementRecorded, words: pb.Words, said: str
) -> None:
    assert wording.speaker(statement, words, NAMES) == said


def test_a_value_of_an_enum_that_is_not_known_here_is_said_by_its_number() -> None:
    assert wording.word_of("TopicStatus", pb.TOPIC_STATUS_UNDER_DISCUSSION) == "under discussion"
    assert wording.word_of("TopicStatus", 99) == "unknown (99)"
    assert wording.word_of("TopicStatus", 0) == ""
