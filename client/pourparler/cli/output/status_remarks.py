"""The remarks of a status report about its parts. Pure."""

from pourparler import v1 as pb


def remarks(answer: pb.StatusReport) -> dict[str, str]:
    """Return what the date of a report says of its parts, by their paths."""
    found: dict[str, list[str]] = {}
    for key in answer.not_yet_effective:
        found.setdefault(f"agreements/{key}", []).append("does not apply yet")
    for key in answer.past_their_end:
        found.setdefault(f"agreements/{key}", []).append("its end has passed")
    for key in answer.provisional:
        found.setdefault(f"proposals/{key}", []).append("provisional")
    for key, agreement in answer.agreed_by.items():
        found.setdefault(f"topics/{key}", []).append(f"agreed by {agreement}")
    return {path: ", ".join(some) for path, some in found.items()}
