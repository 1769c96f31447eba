"""The generated pages: contract, entry types, command, Python client, promises."""

from collections.abc import Mapping
from pathlib import Path

from docs.site import catalogue, commands, contract, promises, python, story
from pourparler import Client
from pourparler_service.server import running


def made(root: Path) -> Mapping[str, str]:
    """Return every generated page by name with suffix. A service records the examples."""
    with running() as address, Client(address) as client:
        examples = story.examples(client)
    markdown = {
        **contract.pages(root),
        **catalogue.pages(root, examples),
        "commands": commands.page(),
        "explanation/promises": promises.page(root),
    }
    return {f"{name}.md": text for name, text in markdown.items()} | {
        f"{name}.rst": text for name, text in python.pages().items()
    }
