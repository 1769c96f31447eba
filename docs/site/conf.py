"""Sphinx configuration of the site."""

import re
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.builders.html import StandaloneHTMLBuilder

from docs.site import commands, contract

_HERE = Path(__file__).parent

project = "Pourparler"
author = "The Pourparler authors"
extensions = ["myst_parser", "sphinx.ext.autodoc"]

default_role = "code"  # a docstring says `code`
autodoc_member_order = "bysource"
python_maximum_signature_line_length = 88
toc_object_entries = False
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 6

html_theme = "furo"
html_title = "Pourparler"
_PICTURES = [*_HERE.parent.glob("*.svg"), *(_HERE.parent / "pictures").glob("*.[ps][nv]g")]
html_static_path = [str(_HERE / "static"), *map(str, sorted(_PICTURES))]
html_favicon = str(_HERE / "static" / "favicon.svg")
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False

_COMMAND = re.compile(r"pourparler ([a-z][a-z-]*)\b.*")


def setup(app: Sphinx) -> None:
    """Add links to names, and make the pages accessible."""
    app.connect("doctree-resolved", _lead)
    app.connect("build-finished", _open)


def _lead(app: Sphinx, tree: nodes.document, page: str) -> None:
    """Link the first use of each contract name and command in a section to its place."""
    labels = app.env.domains.standard_domain.anonlabels
    for section in tree.findall(nodes.section):
        seen: set[str] = set()
        for literal in list(section.findall(nodes.literal)):
            inside = (nodes.reference, nodes.title, nodes.section)
            above = literal.parent
            while above is not None and not isinstance(above, inside):
                above = above.parent
            target = _target(literal.astext())
            if above is not section or target in seen or target not in labels:
                continue
            seen.add(target)
            to, anchor, *_ = labels[target]
            if to != page:
                address = app.builder.get_relative_uri(page, to) + f"#{anchor}"
                link = nodes.reference("", "", internal=True, refuri=address)
                literal.replace_self(link)
                link += literal


def _target(text: str) -> str:
    """Return the label of the object that a code span names; empty if it names none."""
    if command := _COMMAND.fullmatch(text):
        return commands.label(command[1])
    return contract.places().get(text, "")


_NO_HEAD = re.compile(r'<th class="head[^"]*"><p></p></th>')
_SIGNATURE = re.compile(r'<dt class="sig.*?</dt>', re.DOTALL)


def _open(app: Sphinx, failure: Exception | None) -> None:
    """Add the labels and the keyboard focus that the theme omits."""
    if failure is not None or not isinstance(app.builder, StandaloneHTMLBuilder):
        return
    for path in app.outdir.rglob("*.html"):
        text = path.read_text()
        said = _NO_HEAD.sub("<td></td>", _SIGNATURE.sub(_parameters, text))
        for theirs, ours in _SAID.items():
            said = said.replace(theirs, ours)
        if said != text:
            path.write_text(said)


_SAID = {
    '<aside class="sidebar-drawer">': '<aside class="sidebar-drawer" aria-label="All pages">',
    '<aside class="toc-drawer">': '<aside class="toc-drawer" aria-label="On this page">',
    'role="heading">': 'role="heading" aria-level="2">',
    "<pre>": '<pre tabindex="0">',
    '<div class="table-wrapper ': '<div tabindex="0" class="table-wrapper ',
}


def _parameters(found: re.Match[Any]) -> str:
    """Return a signature without a definition list for its parameters: it defines nothing."""
    text = found[0].replace("<dl>", "<span>").replace("<dd>", '<span class="parameter">')
    return re.sub(r"</d[ld]>", "</span>", text)
