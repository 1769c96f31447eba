"""Points in time, as they are asked for on the command line."""

import click
import pytest

from pourparler import v1 as pb
from pourparler.cli.options.query_options import PointType, point


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-11-23", "2026-11-23T23:59:59.999999999Z"),
        ("2026-11-23T09:30Z", "2026-11-23T09:30:59.999999999Z"),
        ("2026-11-23T09:30", "2026-11-23T09:30:59.999999999Z"),
        ("2026-11-23 09:30:10Z", "2026-11-23T09:30:10.999999999Z"),
        ("2026-11-23T09:30:10+02:00", "2026-11-23T07:30:10.999999999Z"),
        ("2026-11-23T09:30:10.5Z", "2026-11-23T09:30:10.500Z"),
        ("2026-11-23T09:30:10.000000001Z", "2026-11-23T09:30:10.000000001Z"),
        ("0001-01-01", "0001-01-01T23:59:59.999999999Z"),
    ],
)
def test_a_time_is_meant_to_the_end_of_what_it_names(text: str, instant: str) -> None:
    assert PointType().convert(text, None, None).record_time.ToJsonString() == instant


def test_a_number_is_a_version() -> None:
    assert PointType().convert("17", None, None) == pb.AsOf(version=17)
    assert PointType().convert("0", None, None).HasField("version")


@pytest.mark.parametrize(
    "text",
    ["", "-1", "1" * 5000, str(1 << 64), "²", "soon", "2026-02-30", "2026-11-23T25:00", "2026-W01"],
)
def test_anything_else_is_not_understood(text: str) -> None:
    with pytest.raises(click.BadParameter):
        PointType().convert(text, None, None)


def test_the_clocks_are_asked_together() -> None:
    asked = point(pb.AsOf(version=3), "2021")

    assert (asked.version, asked.occur_date) == (3, "2021")
    assert point(None, "") == pb.AsOf()
