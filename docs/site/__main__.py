"""Builds the documentation as a site: `python -m docs.site FOLDER`, the site in FOLDER/site."""

import shutil
import sys
from pathlib import Path

from sphinx.cmd.build import build_main

from docs.site.assembly import assemble
from docs.site.made import made

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]


def main(folder: Path) -> int:
    """Put the pages together and build them; a warning is an error."""
    pages, doctrees, site = (folder / name for name in ("pages", "doctrees", "site"))
    assemble(ROOT, pages, made(ROOT))
    # Every page has the contents of the site beside it: one that is new is written into all.
    shutil.rmtree(site, ignore_errors=True)
    strict = ["--fail-on-warning", "--quiet", "--jobs", "auto", "--write-all"]
    places = ["-c", str(HERE), "-d", str(doctrees), str(pages), str(site)]
    code = int(build_main([*strict, "-b", "html", *places]))
    if code:
        # What was read is not read again, and what is wrong with it would not be told again.
        shutil.rmtree(doctrees)
    return code


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
