"""Terms: what fits their types and qualifiers, and what does not."""

import pytest

from pourparler import v1 as pb
from pourparler_service.domain.refusal import RefusalError, ViolationList, reason_name
from pourparler_service.validation.terms import check_terms

PATH = "facts.proposal_made.terms"


def term(
    kind: str,
    value: str = "",
    unit: str = "",
    *,
    qualifier: str = "EXACT",
    value_max: str = "",
    key: str = "k",
) -> pb.Term:
    """A term, by the names of its type and qualifier."""
    return pb.Term(
        key=key,
        type=pb.TermType.Value(f"TERM_TYPE_{kind}"),
        qualifier=pb.TermQualifier.Value(f"TERM_QUALIFIER_{qualifier}"),
        value=value,
        value_max=value_max,
        unit=unit,
    )


def found(*terms: pb.Term, **texts: str) -> list[tuple[str, str]]:
    """What is wrong with these terms: reasons and fields."""
    findings = ViolationList()
    given = [pb.TermText(key=key, text=text) for key, text in texts.items()]
    check_terms(findings, terms, given, PATH)
    try:
        findings.raise_if_any()
    except RefusalError as refusal:
        return [(reason_name(one.reason), one.field) for one in refusal.violations]
    return []


FITS = {
    "money": term("MONEY", "12.50", "EUR"),
    "nothing owed": term("MONEY", "0", "EUR"),
    "a loss": term("MONEY", "-0.25", "USD"),
    "as long as can be": term("MONEY", "1" * 40, "JPY"),
    "money unknown": term("MONEY", qualifier="UNKNOWN"),
    "money unknown in euros": term("MONEY", unit="EUR", qualifier="UNKNOWN"),
    "a share": term("PERCENT", "50"),
    "more than half": term("PERCENT", "50", qualifier="MORE_THAN"),
    "a range": term("PERCENT", "9.5", qualifier="BETWEEN", value_max="10.25"),
    "a range of one": term("PERCENT", "15", qualifier="BETWEEN", value_max="15.0"),
    "things": term("QUANTITY", "10000", qualifier="APPROX"),
    "things of a kind": term("QUANTITY", "3", "packages of food"),
    "a choice": term("ENUM", "fob"),
    "a day": term("DATE", "2024-02-29"),
    "by a day": term("DATE", "2024-02-28", qualifier="UP_TO"),
    "within days": term("DATE", "2024-02-28", qualifier="BETWEEN", value_max="2024-03-01"),
    "true": term("BOOL", "true"),
    "false": term("BOOL", "false"),
    "text unknown": term("TEXT", qualifier="UNKNOWN"),
}
UNFIT = {
    "a float": (term("MONEY", "1e5", "EUR"), "value"),
    "a comma": (term("MONEY", "1,000", "EUR"), "value"),
    "a point at the end": (term("MONEY", "1.", "EUR"), "value"),
    "a point at the start": (term("MONEY", ".5", "EUR"), "value"),
    "a nought in front": (term("MONEY", "007", "EUR"), "value"),
    "a plus": (term("MONEY", "+1", "EUR"), "value"),
    "no number": (term("MONEY", "NaN", "EUR"), "value"),
    "endless": (term("PERCENT", "Infinity"), "value"),
    "other digits": (term("QUANTITY", "१२"), "value"),
    "a line break": (term("QUANTITY", "12\n"), "value"),
    "too long": (term("MONEY", "1" * 41, "EUR"), "value"),
    "no value": (term("PERCENT"), "value"),
    "no currency": (term("MONEY", "1"), "unit"),
    "a currency in small letters": (term("MONEY", "1", "eur"), "unit"),
    "a currency unknown": (term("MONEY", unit="euros", qualifier="UNKNOWN"), "unit"),
    "percent of something": (term("PERCENT", "1", "EUR"), "unit"),
    "a unit too long": (term("QUANTITY", "1", "x" * 65), "unit"),
    "a unit that cannot be printed": (term("QUANTITY", "1", "a\x00"), "unit"),
    "a choice with a blank": (term("ENUM", "FOB 1"), "value"),
    "no choice": (term("ENUM"), "value"),
    "a choice more than another": (term("ENUM", "fob", qualifier="MORE_THAN"), "qualifier"),
    "a truth about": (term("BOOL", "true", qualifier="APPROX"), "qualifier"),
    "a truth in capitals": (term("BOOL", "True"), "value"),
    "no day": (term("DATE", "2023-02-29"), "value"),
    "a month": (term("DATE", "2023-02"), "value"),
    "a year zero": (term("DATE", "0000-01-01"), "value"),
    "a day in other digits": (term("DATE", "२०२३-०१-०१"), "value"),
    "unknown with a value": (term("PERCENT", "1", qualifier="UNKNOWN"), "value"),
    "unknown with an end": (
        term("PERCENT", qualifier="UNKNOWN", value_max="1"),
        "value_max",
    ),
    "two values": (term("PERCENT", "1", value_max="2"), "value_max"),
    "half a range": (term("PERCENT", "1", qualifier="BETWEEN"), "value_max"),
    "the other half": (term("PERCENT", qualifier="BETWEEN", value_max="1"), "value"),
    "a range backwards": (
        term("PERCENT", "10", qualifier="BETWEEN", value_max="9"),
        "value_max",
    ),
    "days backwards": (
        term("DATE", "2024-01-02", qualifier="BETWEEN", value_max="2024-01-01"),
        "value_max",
    ),
    "a text in the facts": (term("TEXT", "said", qualifier="UNKNOWN"), "value"),
}


@pytest.mark.parametrize("case", FITS)
def test_fits(case: str) -> None:
    assert found(FITS[case]) == []


@pytest.mark.parametrize("case", UNFIT)
def test_does_not_fit(case: str) -> None:
    wrong, field = UNFIT[case]

    assert found(wrong) == [("TERM_INVALID", f"{PATH}[0].{field}")]


def test_a_range_of_what_has_no_order_is_refused_and_not_compared() -> None:
    wrong = term("ENUM", "b", qualifier="BETWEEN", value_max="a")

    assert found(wrong) == [("TERM_INVALID", f"{PATH}[0].qualifier")]


def test_the_language_of_a_term_stands_in_the_words() -> None:
    assert found(term("TEXT", key="scope"), scope="All of it.") == []
    assert found(term("TEXT", key="scope")) == [("TERM_INVALID", f"{PATH}[0].value")]
    assert found(scope="All of it.") == [("TERM_INVALID", "words.term_texts[0]")]
    assert found(term("PERCENT", "1", key="scope"), scope="All of it.") == [
        ("TERM_INVALID", "words.term_texts[0]")
    ]


def test_a_term_has_one_text() -> None:
    findings = ViolationList()
    texts = [pb.TermText(key="scope", text="All"), pb.TermText(key="scope", text="None")]
    check_terms(findings, [term("TEXT", key="scope")], texts, PATH)

    with pytest.raises(RefusalError) as caught:
        findings.raise_if_any()

    assert (caught.value.reason, caught.value.field) == (
        pb.ERROR_REASON_DUPLICATE,
        "words.term_texts[1]",
    )


def test_the_same_term_of_the_same_participants_comes_once() -> None:
    mine, yours = term("PERCENT", "1"), term("PERCENT", "2")
    mine.held_by, yours.held_by = "acme", "bolt"

    assert found(mine, yours) == []
    assert found(mine, yours, mine) == [("DUPLICATE", f"{PATH}[2]")]
    assert found(term("TEXT"), term("TEXT"), k="All") == [("DUPLICATE", f"{PATH}[1]")]
