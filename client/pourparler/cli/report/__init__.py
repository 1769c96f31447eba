"""A negotiation as one page for a browser, that asks for nothing else."""

from pourparler.cli.report.page import Checked, page
from pourparler.cli.report.render import Made, make

__all__ = ["Checked", "Made", "make", "page"]
