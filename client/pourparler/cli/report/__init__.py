"""A negotiation as one page for a browser, that asks for nothing else."""

from pourparler.cli.report.making import Made, make
from pourparler.cli.report.page import Checked, page

__all__ = ["Checked", "Made", "make", "page"]
