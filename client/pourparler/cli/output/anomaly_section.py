"""The section of a page that lists anomalies."""

from collections.abc import Iterable

from pourparler import v1 as pb
from pourparler.cli.output import colors
from pourparler.cli.output.anomaly_descriptions import describe
from pourparler.cli.output.page import Page


def anomalies(page: Page, found: Iterable[pb.Anomaly]) -> None:
    """Print the anomalies of a state or a report, if there are any."""
    said = [f"{describe(one)}." for one in found]
    if said:
        page.heading("What does not fit together?")
    for line in said:
        page.line(line, colors.DOUBTFUL)
