"""A full-screen reader of negotiations in the terminal."""

from pourparler.cli.browsing.app import Browser
from pourparler.cli.browsing.shelf import Bundled, Service, Shelf

__all__ = ["Browser", "Bundled", "Service", "Shelf"]
