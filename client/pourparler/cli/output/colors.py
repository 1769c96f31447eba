"""The colours of a terminal: each has contrast of 3.6 and more on black and on white alike."""

from collections.abc import Mapping

from pourparler import v1 as pb

BASES: Mapping[int, str] = {
    pb.BASIS_DIRECT: "not dim color(29)",
    pb.BASIS_ON_RECORD: "not dim color(32)",
    pb.BASIS_REPORTED: "not dim color(166)",
    pb.BASIS_UNATTRIBUTED: "not dim color(133)",
    pb.BASIS_ANALYSIS: "not dim color(100)",
}
"""The colour of each basis: cold if confirmed, warm if not, and equally bright on a dim page.
where it stands among what is dim."""

GOOD = "color(28)"
DOUBTFUL = "color(166)"
BAD = "color(196)"
LINK = "color(31)"
MARKED = "color(16) on color(220)"
"""Black on a warm yellow: what stands out of everything."""
