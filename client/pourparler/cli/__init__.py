"""The command `pourparler`: the record of a negotiation, for people and for scripts."""

import sys

_NEEDED = frozenset({"click", "rich"})


def main() -> None:
    """Run the command, and leave with its exit code."""
    try:
        # Imported here, so that without the extra the command can say what it lacks.
        from pourparler.cli.commands import run  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if error.name not in _NEEDED:
            raise
        sys.exit(
            f"The command needs {error.name}: install it with `pip install 'pourparler[cli]'`."
        )
    sys.exit(run(sys.argv[1:]))
