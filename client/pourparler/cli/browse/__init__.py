"""A full-screen reader of negotiations in the terminal."""

from pourparler.cli.browse.app import Browser
from pourparler.cli.browse.source import Bundled, Service, Shelf

__all__ = ["Browser", "Bundled", "Service", "Shelf"]
