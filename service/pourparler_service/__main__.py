"""`python -m pourparler_service` serves, with the options of `pourparler serve`."""

from pourparler.cli import main

if __name__ == "__main__":
    main(["serve"])
