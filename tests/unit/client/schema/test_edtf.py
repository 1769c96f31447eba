import time
import warnings
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pourparler.schema.edtf import (
    MAX_CHARS,
    Bounds,
    Due,
    InvalidDateError,
    Occurrence,
    bounds,
    due,
    earliest_instant,
    instant_bounds,
    latest_instant,
    occurrence,
)

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # pyparsing warns of the grammar of edtf
    import edtf

OPEN = Bounds("", "")

READ = {
    # years, months, days
    "2022": ("2022-01-01", "2022-12-31"),
    "2022-10": ("2022-10-01", "2022-10-31"),
    "2022-10-10": ("2022-10-10", "2022-10-10"),
    "0001": ("0001-01-01", "0001-12-31"),
    "9999-12-31": ("9999-12-31", "9999-12-31"),
    "2023-02": ("2023-02-01", "2023-02-28"),
    "2024-02": ("2024-02-01", "2024-02-29"),
    "1900-02": ("1900-02-01", "1900-02-28"),
    "2000-02-29": ("2000-02-29", "2000-02-29"),
    # doubtful or approximate: as they would be without
    "2022~": ("2022-01-01", "2022-12-31"),
    "2022-10?": ("2022-10-01", "2022-10-31"),
    "2022-10-10%": ("2022-10-10", "2022-10-10"),
    "201X~": ("2010-01-01", "2019-12-31"),
    "2023-41~": ("2023-07-01", "2023-12-31"),
    "2022-22?": ("2022-06-01", "2022-08-31"),
    # unspecified digits
    "201X": ("2010-01-01", "2019-12-31"),
    "20XX": ("2000-01-01", "2099-12-31"),
    "2004-XX": ("2004-01-01", "2004-12-31"),
    "1985-04-XX": ("1985-04-01", "1985-04-30"),
    "1985-XX-XX": ("1985-01-01", "1985-12-31"),
    "2024-02-XX": ("2024-02-01", "2024-02-29"),
    "2023-02-XX": ("2023-02-01", "2023-02-28"),
    # parts of the year
    "2022-21": ("2022-03-01", "2022-05-31"),
    "2022-22": ("2022-06-01", "2022-08-31"),
    "2022-23": ("2022-09-01", "2022-11-30"),
    "2022-24": ("2022-12-01", "2023-02-28"),
    "2023-24": ("2023-12-01", "2024-02-29"),
    "2023-33": ("2023-01-01", "2023-03-31"),
    "2023-34": ("2023-04-01", "2023-06-30"),
    "2023-35": ("2023-07-01", "2023-09-30"),
    "2023-36": ("2023-10-01", "2023-12-31"),
    "2023-40": ("2023-01-01", "2023-06-30"),
    "2023-41": ("2023-07-01", "2023-12-31"),
    # lasting from, to
    "2022-10/2023-02": ("2022-10-01", "2023-02-28"),
    "2023/2023-06": ("2023-01-01", "2023-06-30"),
    "2023-06/2023": ("2023-06-01", "2023-12-31"),
    "2022~/2023-05?": ("2022-01-01", "2023-05-31"),
    "201X/2022-XX": ("2010-01-01", "2022-12-31"),
    "2022-33/2023-24": ("2022-01-01", "2024-02-29"),
    "2022-10-10/..": ("2022-10-10", ""),
    "../2022": ("", "2022-12-31"),
    "2022-10/": ("2022-10-01", ""),
    "/2022": ("", "2022-12-31"),
    # one day within
    "[2022-10-10..]": ("2022-10-10", ""),
    "[..2023-03-31]": ("", "2023-03-31"),
    "[..2023-33]": ("", "2023-03-31"),
    "[2022-10..2022-12]": ("2022-10-01", "2022-12-31"),
    "[2022-10-30..2023]": ("2022-10-30", "2023-12-31"),
    "[2022~..2023]": ("2022-01-01", "2023-12-31"),
    "[201X..]": ("2010-01-01", ""),
    "[2022,2024]": ("2022-01-01", "2024-12-31"),
    "[2024-05,2022-02]": ("2022-02-01", "2024-05-31"),
    "[1667,1668,1670..1672]": ("1667-01-01", "1672-12-31"),
    "[..1760-12-03,1762]": ("", "1762-12-31"),
    "[1760-01,1760-02,1760-12..]": ("1760-01-01", ""),
    # instants
    "2022-10-10T08:00:00Z": ("2022-10-10T08:00:00Z",) * 2,
    "2022-10-10T08:00:00+02:00": ("2022-10-10T06:00:00Z",) * 2,
    "2022-10-10T08:00:00-04": ("2022-10-10T12:00:00Z",) * 2,
    "2022-12-31T23:30:00-09:30": ("2023-01-01T09:00:00Z",) * 2,
    "2022-10-10T08:00:00+00:00": ("2022-10-10T08:00:00Z",) * 2,
    "2022-10-10T08:00:00.250Z": ("2022-10-10T08:00:00.25Z",) * 2,
    "2022-10-10T08:00:00.000Z": ("2022-10-10T08:00:00Z",) * 2,
    "0001-01-01T00:00:00.000000001Z": ("0001-01-01T00:00:00.000000001Z",) * 2,
    "9999-12-31T23:59:59.999999999Z": ("9999-12-31T23:59:59.999999999Z",) * 2,
}

REFUSED = {
    # not in the calendar
    "2023-02-30": "not in the calendar",
    "2023-02-29?": "not in the calendar",
    "1900-02-29": "not in the calendar",
    "2023-13": "not in the calendar",
    "2023-00": "not in the calendar",
    "2022-10-00": "not in the calendar",
    "2023-41-05": "not in the supported profile",
    "2023-13-XX": "not in the calendar",
    "2023-02-30T08:00:00Z": "not in the calendar",
    "9999-24": "not in the calendar",
    "0001-01-01T00:00:00+01:00": "not in the calendar",
    "9999-12-31T23:59:59-01:00": "not in the calendar",
    "0000": "not in the calendar",
    "000X": "not in the calendar",
    "00XX": "not in the calendar",
    "0000-01-01T00:00:00Z": "not in the calendar",
    "10000": "not in the calendar",
    "-0100": "not in the calendar",
    "Y17000": "not in the calendar",
    "Y-17E7": "not in the calendar",
    "Y1E9999999": "not in the calendar",
    # EDTF, but not in the profile
    "{1960,1961}": "set of all its members",
    "1950S2": "significant digits",
    "2XXX": "X elsewhere",
    "XXXX": "X elsewhere",
    "2023-1X": "X elsewhere",
    "2023-10-1X": "X elsewhere",
    "201X-05": "X elsewhere",
    "201X-XX": "X elsewhere",
    "201X-21": "X elsewhere",
    "1985-XX-15": "X elsewhere",
    "XXXX-12-25": "X elsewhere",
    "2022?-10": "one part only",
    "2022-10~-10": "one part only",
    "?2022-10-10": "one part only",
    "2022??": "one part only",
    "2023-25": "no part of the year",
    "2023-32": "no part of the year",
    "2023-37": "no part of the year",
    "2023-39~": "no part of the year",
    # times
    "2022-10-10T24:00:00Z": "hour 24",
    "2016-12-31T23:59:60Z": "second 60",
    "2022-10-10T08:00Z": "without seconds",
    "2022-10-10T08:00:00": "without Z or an offset",
    "2022-10-10T08:00:00~": "only days, months and years",
    "2022-10-10T08:60:00Z": "not in the supported profile",
    "2022-10-10T08:00:00+15:00": "not in the supported profile",
    "2022-10-10T08:00:00+0200": "not in the supported profile",
    "2022-10-10T08:00:00.0000000001Z": "not in the supported profile",
    "2022-10-10t08:00:00z": "not in the supported profile",
    "2022-10T08:00:00Z": "not in the supported profile",
    "2022-10-10T08:00:00Z/2022-10-10T09:00:00Z": "no part of an interval or set",
    "[2022-10-10T08:00:00Z..]": "no part of an interval or set",
    # intervals and sets
    "2023/2022": "ends before it begins",
    "2023-06-02/2023-06-01": "ends before it begins",
    "[2023..2022]": "ends before it begins",
    "[2020,2023-06..2023-05]": "ends before it begins",
    "../..": "open on both sides",
    "/": "open on both sides",
    "../": "open on both sides",
    "[..]": "open on both sides",
    "[..2022,2024..]": "open on both sides",
    "[2022,..2020]": "first or last",
    "[2022..,2023]": "first or last",
    "[2022]": "a set of one",
    "[]": "a set of one",
    "[2022,,2023]": "beside a comma",
    "[2022,2023,]": "beside a comma",
    "[[2022,2023],2024]": "no interval a/b and no set",
    "[2022/2023]": "a set of one",
    "2022/2023/2024": "no interval a/b and no set",
    "2022..2023": "no interval a/b and no set",
    "[2022...2023]": "not in the supported profile",
    "[2022..2023..2024]": "no interval a/b and no set",
    "[2022,2023": "no interval a/b and no set",
    "[2022-10..2023-02-30]": "not in the calendar",
    # no dates at all
    "": "empty",
    "early July": "blanks",
    "yesterday": "not in the supported profile",
    "202": "not in the supported profile",
    "20221010": "not in the supported profile",
    "2022-W41-1": "not in the supported profile",
    "2022-1-1": "not in the supported profile",
    "10/10/2022": "no interval a/b and no set",
    " 2022": "blanks",
    "2022 ": "blanks",
    "2022\n": "blanks",
    "[2022 , 2023]": "blanks",
    "[2022,  2023]": "blanks",
    "[2022, \n2023]": "blanks",
    "2022\x00": "blanks",
    "२०२२": "blanks",
    "２０２２": "blanks",
    "2022\u2013" + "2023": "blanks",
    "\u202e2022": "blanks",
    "\ud800": "blanks",
    "2" * (MAX_CHARS + 1): "longer than 64",
    "[" * 1_000_000: "longer than 64",
}

HOSTILE = [
    "[" * MAX_CHARS,
    "[" * 32 + "]" * 32,
    "," * MAX_CHARS,
    "[" + "," * 62 + "]",
    "." * MAX_CHARS,
    "[" + ".." * 31 + "]",
    "/" * MAX_CHARS,
    "X" * MAX_CHARS,
    "2" * MAX_CHARS,
    "?" * MAX_CHARS,
    "T" * MAX_CHARS,
    "T" + ":" * 63,
    "2X" * 32,
    "X-" * 32,
    "Y1E" + "9" * 61,
    "[" + "20XX," * 12 + "1]",
    "[" + "2022~," * 10 + "2]",
]

days = st.dates().map(date.isoformat)
points = st.builds(lambda day, length: day[:length], days, st.sampled_from([4, 7, 10]))
qualified = st.builds("{}{}".format, points, st.sampled_from("~?%"))
unspecified = st.builds(
    lambda day, form: form.format(*day.split("-")),
    st.dates(min_value=date(100, 1, 1)).map(date.isoformat),
    st.sampled_from(["{0:.3}X", "{0:.2}XX", "{0}-XX", "{0}-{1}-XX", "{0}-XX-XX"]),
)
parts_of_year = st.builds(
    "{0:.4}-{1}".format, days, st.sampled_from([21, 22, 23, 33, 34, 35, 36, 40, 41])
)
winters = days.map("{0:.4}-24".format)


def intervals(ends: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.builds("{}/{}".format, ends | st.just(".."), ends | st.just(".."))


def sets(members: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(members, min_size=2, max_size=5).map(lambda some: f"[{','.join(some)}]")


def spans(ends: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.builds("[{}..{}]".format, ends | st.just(""), ends | st.just(""))


single = points | qualified | unspecified | parts_of_year | winters
profile = single | intervals(single) | sets(single) | spans(single)
# What the library edtf reads rightly: less than the profile.
shared = (
    points
    | qualified
    | unspecified
    | parts_of_year
    | intervals(points | qualified)
    | sets(points | qualified)
    | spans(days)
)
nearly_edtf = st.text("0123456789X-/.,[]{}~?%:TZ+YES ", max_size=MAX_CHARS + 1)
instants = st.tuples(st.integers(-62_135_596_800, 253_402_300_799), st.integers(0, 999_999_999))


def readable(text: str) -> bool:
    try:
        bounds(text)
    except InvalidDateError:
        return False
    return True


readable_dates = profile.filter(readable)


@pytest.mark.parametrize(("text", "expected"), READ.items(), ids=READ)
def test_a_date_of_the_profile_has_these_bounds(text: str, expected: tuple[str, str]) -> None:
    assert bounds(text) == expected


@pytest.mark.parametrize(
    ("text", "reason"), REFUSED.items(), ids=[ascii(text)[1:30] or "empty" for text in REFUSED]
)
def test_what_is_no_date_here_is_refused_with_its_reason(text: str, reason: str) -> None:
    with pytest.raises(InvalidDateError) as refused:
        bounds(text)

    assert reason in str(refused.value)


def test_a_refusal_names_the_part_that_is_wrong() -> None:
    with pytest.raises(InvalidDateError) as refused:
        bounds("[..2023-02-30]")

    assert str(refused.value) == "'2023-02-30' is not in the calendar of the years 0001 to 9999"


def test_a_refusal_shows_awkward_characters_escaped_and_long_text_shortened() -> None:
    for text in ["\x00\x1b[31m\u202e2022", "é" * 60, "\ud800", "2" * 1_000_000, "\n" * 64]:
        with pytest.raises(InvalidDateError) as refused:
            bounds(text)
        shown = str(refused.value)

        assert shown.isprintable()
        assert len(shown) < 100
        assert shown.partition(" ")[0].removesuffix("…").isascii()


@given(st.text() | nearly_edtf)
def test_any_text_is_read_or_refused_and_nothing_else(text: str) -> None:
    assert not readable(text) or bounds(text) != OPEN


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_no_text_holds_the_reader_up(text: str) -> None:
    before = time.process_time()

    with pytest.raises(InvalidDateError):
        bounds(text)

    assert time.process_time() - before < 0.05


@given(readable_dates)
def test_a_date_never_ends_before_it_begins(text: str) -> None:
    read = bounds(text)
    earliest, latest = earliest_instant(read), latest_instant(read)

    assert earliest is None or latest is None or earliest <= latest


@given(readable_dates)
def test_every_bound_can_be_read_and_is_the_bounds_of_itself(text: str) -> None:
    for bound in filter(None, bounds(text)):
        assert bounds(bound) == (bound, bound)


@given(shared.filter(readable))
def test_where_the_edtf_library_is_right_it_says_the_same(text: str) -> None:
    theirs = edtf.parse_edtf(text)

    assert bounds(text) == tuple(
        "" if isinstance(bound, float) else "{:04}-{:02}-{:02}".format(*bound[:3])
        for bound in (theirs.lower_strict(), theirs.upper_strict())
    )


@given(
    st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30)),  # noqa: DTZ001 - Hypothesis wants them so
    st.integers(-14 * 60, 14 * 60),
)
def test_a_time_with_an_offset_is_the_same_instant_in_utc(moment: datetime, minutes: int) -> None:
    local = moment.replace(microsecond=0, tzinfo=timezone(timedelta(minutes=minutes)))

    read = bounds(local.isoformat())

    assert read.earliest == read.latest
    assert datetime.fromisoformat(read.earliest) == local
    assert read.earliest.endswith("Z")


@given(instants)
def test_an_instant_is_its_own_first_and_last_moment(instant: tuple[int, int]) -> None:
    read = instant_bounds(*instant)

    assert earliest_instant(read) == latest_instant(read) == instant
    assert bounds(read.earliest) == read


@pytest.mark.parametrize(
    ("instant", "text"),
    [
        ((0, 0), "1970-01-01T00:00:00Z"),
        ((-1, 0), "1969-12-31T23:59:59Z"),
        ((-1, 1), "1969-12-31T23:59:59.000000001Z"),
        ((1_665_388_800, 500_000_000), "2022-10-10T08:00:00.5Z"),
        ((-62_135_596_800, 0), "0001-01-01T00:00:00Z"),
        ((253_402_300_799, 999_999_999), "9999-12-31T23:59:59.999999999Z"),
    ],
)
def test_an_instant_is_written_in_utc(instant: tuple[int, int], text: str) -> None:
    assert instant_bounds(*instant) == (text, text)


@pytest.mark.parametrize(
    "instant",
    [
        (-62_135_596_801, 0),
        (253_402_300_800, 0),
        (2**63 - 1, 0),
        (-(2**63), 0),
        (0, -1),
        (0, 1_000_000_000),
    ],
)
def test_an_instant_beyond_the_calendar_is_refused(instant: tuple[int, int]) -> None:
    with pytest.raises(InvalidDateError):
        instant_bounds(*instant)


def test_a_day_runs_from_its_first_to_its_last_nanosecond() -> None:
    day = bounds("1970-01-02")

    assert earliest_instant(day) == (86_400, 0)
    assert latest_instant(day) == (172_799, 999_999_999)


def test_an_open_bound_has_no_instant() -> None:
    assert latest_instant(bounds("[1970..]")) is None
    assert earliest_instant(bounds("[..1970]")) is None


def at(text: str) -> tuple[int, int]:
    """The instant at which something was recorded."""
    moment = datetime.fromisoformat(text).replace(tzinfo=UTC)
    return int(moment.timestamp()), 0


LATER = at("2026-11-23")


@pytest.mark.parametrize(
    ("happened", "by", "expected"),
    [
        ("2020-05", "2021-01-01", Occurrence.DEFINITE),
        ("2020-05", "2020-05", Occurrence.DEFINITE),
        ("2020-05", "2020-05-31", Occurrence.DEFINITE),
        ("2020-05", "2020-05-30", Occurrence.POSSIBLE),
        ("2020-05", "2020-05-01", Occurrence.POSSIBLE),
        ("2020-05", "2020-04-30", Occurrence.NOT_YET),
        ("[..2022-10-10]", "2021-01-01", Occurrence.POSSIBLE),
        ("[..2022-10-10]", "2022-10-10", Occurrence.DEFINITE),
        ("[2022-10-10..]", "2022-10-09", Occurrence.NOT_YET),
        ("[2022-10-10..]", "2023", Occurrence.POSSIBLE),
        ("[2022-10-10..]", "2026-11-23", Occurrence.DEFINITE),
        ("2022-10", "2022-10-10T08:00:00Z", Occurrence.POSSIBLE),
        ("2022-10-10T08:00:00Z", "2022-10-10T08:00:00Z", Occurrence.DEFINITE),
        ("2022-10-10T08:00:00.000000001Z", "2022-10-10T08:00:00Z", Occurrence.NOT_YET),
        ("2022-10-10T23:59:59.999999999Z", "2022-10-10", Occurrence.DEFINITE),
        ("2022-10-10", "[2020..]", Occurrence.DEFINITE),
    ],
)
def test_what_was_recorded_long_after_had_happened_by(
    happened: str, by: str, expected: Occurrence
) -> None:
    assert occurrence(bounds(happened), bounds(by), LATER) is expected


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ("2022-10-09", Occurrence.POSSIBLE),
        ("2022-10-10T07:59:59Z", Occurrence.POSSIBLE),
        ("2022-10-10T08:00:00Z", Occurrence.DEFINITE),
        ("2022-10-10", Occurrence.DEFINITE),
    ],
)
def test_what_has_no_date_had_happened_when_it_was_recorded(by: str, expected: Occurrence) -> None:
    assert occurrence(OPEN, bounds(by), at("2022-10-10T08:00:00")) is expected


def test_what_was_recorded_within_its_bounds_had_happened_by_then() -> None:
    recorded = at("2022-10-10T08:00:00")

    assert occurrence(bounds("2022"), bounds("2022-10-10"), recorded) is Occurrence.DEFINITE
    assert occurrence(bounds("2022"), bounds("2022-10-09"), recorded) is Occurrence.POSSIBLE


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ("2022-12", Occurrence.NOT_YET),
        ("2023-08", Occurrence.POSSIBLE),
        ("2023", Occurrence.DEFINITE),
    ],
)
def test_what_was_recorded_before_its_bounds_had_not_happened_then(
    by: str, expected: Occurrence
) -> None:
    assert occurrence(bounds("2023-41"), bounds(by), at("2022-10-10")) is expected


@given(readable_dates, instants, st.dates(), st.dates())
def test_what_had_happened_by_a_day_has_happened_by_every_later_day(
    text: str, recorded: tuple[int, int], one: date, other: date
) -> None:
    rising = [Occurrence.NOT_YET, Occurrence.POSSIBLE, Occurrence.DEFINITE]
    sooner, later = (
        rising.index(occurrence(bounds(text), bounds(day.isoformat()), recorded))
        for day in sorted([one, other])
    )

    assert sooner <= later


@pytest.mark.parametrize(
    ("expected_by", "on", "stands"),
    [
        ("2023-41", "2023-06-30", Due.NOT_DUE),
        ("2023-41", "2023-07-01", Due.DUE),
        ("2023-41", "2023-12-31", Due.DUE),
        ("2023-41", "2024-01-01", Due.OVERDUE),
        ("2023-41", "2023", Due.DUE),
        ("2023-41", "2023-12/2024-01", Due.DUE),
        ("[..2023-03-31]", "2020", Due.DUE),
        ("[..2023-03-31]", "2023-03-31", Due.DUE),
        ("[..2023-03-31]", "2023-04-01", Due.OVERDUE),
        ("[2022-10-10..]", "2022-10-09", Due.NOT_DUE),
        ("[2022-10-10..]", "2022-10-10", Due.DUE),
        ("[2022-10-10..]", "9999", Due.DUE),
        ("2023", "[..2024]", Due.DUE),
        ("2023", "[..2022]", Due.NOT_DUE),
        ("2023", "[2022..]", Due.DUE),
        ("2023", "[2024..]", Due.OVERDUE),
        ("2022-10-10T08:00:00Z", "2022-10-10", Due.DUE),
        ("2022-10-10T08:00:00Z", "2022-10-10T07:59:59Z", Due.NOT_DUE),
        ("2022-10-10T08:00:00Z", "2022-10-10T08:00:01Z", Due.OVERDUE),
    ],
)
def test_what_is_expected_stands_on_a_date(expected_by: str, on: str, stands: Due) -> None:
    assert due(bounds(expected_by), bounds(on)) is stands


def test_what_has_no_date_is_never_due() -> None:
    assert due(OPEN, bounds("2023")) is Due.UNDATED


@given(readable_dates, st.dates(), st.dates())
def test_what_is_overdue_stays_so(text: str, one: date, other: date) -> None:
    rising = [Due.NOT_DUE, Due.DUE, Due.OVERDUE]
    sooner, later = (
        rising.index(due(bounds(text), bounds(day.isoformat()))) for day in sorted([one, other])
    )

    assert sooner <= later
