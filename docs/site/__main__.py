"""Build the documentation site: `python -m docs.site FOLDER` writes it to FOLDER/site."""

import shutil
import sys
from pathlib import Path

from sphinx.cmd.build import build_main

from docs.site.assembly import assemble
from docs.site.made import made

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]


def main(folder: Path) -> int:
    """Assemble the pages and build them; a warning is an error."""
    pages, doctrees, site = (folder / name for name in ("pages", "doctrees", "site"))
    assemble(ROOT, pages, made(ROOT))
    # Every page contains the contents of the site, so a new page changes all of them.
    shutil.rmtree(site, ignore_errors=True)
    strict = ["--fail-on-warning", "--quiet", "--jobs", "auto", "--write-all"]
    places = ["-c", str(HERE), "-d", str(doctrees), str(pages), str(site)]
    code = int(build_main([*strict, "-b", "html", *places]))
    if code:
        # Sphinx does not read unchanged pages again, and would not repeat their warnings.
        shutil.rmtree(doctrees)
    return code


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
