"""The language rules of the project, and the texts of its files that they apply to. Pure."""

import ast
import re
from collections.abc import Iterator
from typing import NamedTuple

LONGEST = 25
"""The number of words that a sentence may have."""

DENIED = (
    "whoever",
    "whom",
    "anew",
    "nor",
    "lest",
    "besides",
    "upon",
    "somebody",
    "nobody",
    "lie",
    "lies",
    "told apart",
    "taken up",
    "had by",
    "to be had",
    "gone back on",
    "is to be",
    "made so by",
)
"""Words and phrases that no text may use: learners of English stop at them."""

FIRST = ("Who", "What", "Whoever", "Of", "By")
"""Words that no sentence begins with: the subject comes first."""

_WORDS = "|".join(DENIED).replace(" ", r"\s+")
_DENIED = re.compile(rf"(?<![\w-])({_WORDS})(?![\w-])", re.IGNORECASE)
_CLOSED = r"(?<=[.!?])\s+|(?<=[.!?][)\"'*_])\s+"
_END = re.compile(rf"(?:{_CLOSED})(?=[\"'(*_`\[]*[A-Z0-9`\[])")
_ABBREVIATION = re.compile(r"\b(e\.g|i\.e|etc|vs|cf|No|Art|p)\.$")
_FENCE = re.compile(r"^[ \t]*(```|~~~).*?^[ \t]*\1[ \t]*$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"!?\[([^\]]*)\](?:\([^)]*\)|\[[^\]]*\])")
_CODE = re.compile(r"``[^`]+``|`[^`\n]+`", re.DOTALL)
_MARK = re.compile(r"^(\s*([-*+]|\d+\.)\s+|\s*>\s?|#+\s+)")
_TAG = re.compile(r"<!--.*?-->|<[^>\n]+>", re.DOTALL)
_URL = re.compile(r"https?://\S+")


class Problem(NamedTuple):
    """A place where a text breaks a rule."""

    line: int
    rule: str
    text: str

    def __str__(self) -> str:
        """Show the place in one line."""
        return f"{self.line}: {self.rule}: {self.text}"


class Text(NamedTuple):
    """A piece of running text, and the line of the file that it begins at."""

    line: int
    text: str


def problems(text: Text, *, prose: bool = True) -> Iterator[Problem]:
    """Yield each place where a text breaks a rule; of what is no prose, only denied words."""
    plain = _CODE.sub("X", _URL.sub("X", _LINK.sub(r"\1", text.text)))
    for found in _DENIED.finditer(plain):
        yield Problem(text.line, "denied", found[1])
    if not prose:
        return
    for sentence in sentences(plain):
        words = sentence.split()
        if len(words) > LONGEST:
            yield Problem(text.line, f"{len(words)} words", sentence)
        first = words[0].strip("\"'(*_[") if words else ""
        if first in FIRST and not sentence.rstrip("*_)\"'").endswith("?"):
            yield Problem(text.line, f"begins with {first}", sentence)


def sentences(text: str) -> list[str]:
    """Return the sentences of a piece of running text."""
    found: list[str] = []
    for part in _END.split(" ".join(text.split())):
        if found and _ABBREVIATION.search(found[-1]):
            found[-1] += f" {part}"
        else:
            found.append(part)
    return [one for one in found if re.search(r"\w", one)]


def of_markdown(page: str) -> Iterator[Text]:
    """Yield the paragraphs, list items, headings and table cells of a page, without its code."""
    page = _FENCE.sub(lambda fence: "\n" * fence[0].count("\n"), page)
    page = _TAG.sub(lambda tag: "\n" * tag[0].count("\n"), page)
    begin, lines = 1, list[str]()
    for number, line in enumerate([*page.splitlines(), ""], 1):
        is_row, is_new = line.lstrip().startswith("|"), bool(_MARK.match(line))
        if lines and (is_row or is_new or not line.strip()):
            yield Text(begin, " ".join(lines))
            lines = []
        if is_row:
            for cell in re.split(r"(?<!\\)\|", line.strip().strip("|")):
                if re.search(r"\w", cell):
                    yield Text(number, cell.strip())
        elif line.strip() and (lines or not line.startswith("    ")):  # else it is code
            begin = begin if lines else number
            lines.append(_MARK.sub("", line).strip())
            if line.startswith("#"):
                yield Text(begin, lines.pop())


def of_template(page: str) -> Iterator[Text]:
    """Yield the texts of an HTML template, without its tags and its expressions."""
    page = re.sub(r"<(style|script)>.*?</\1>", "", page, flags=re.DOTALL)
    for number, line in enumerate(page.splitlines(), 1):
        for text in re.split(r"<[^>]*>|\{%.*?%\}", re.sub(r"\{\{.*?\}\}", "X", line)):
            if re.search(r"[a-z]{2}", text):
                yield Text(number, text.strip(" :;,"))


def docstrings(source: str) -> Iterator[Text]:
    """Yield the paragraphs of the docstrings of a module, also those below its variables."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            said = node.value.value
            if isinstance(said, str):
                yield from _paragraphs(node.lineno, said)


def comments(source: str, mark: str = "#") -> Iterator[Text]:
    """Yield the comments of a file, each run of lines as one text."""
    begin, lines = 0, list[str]()
    pattern = re.compile(rf"^\s*{re.escape(mark)}+ ?(?P<text>.*)$")
    for number, line in enumerate([*source.splitlines(), ""], 1):
        found = pattern.match(line)
        if found and found["text"].strip():
            begin = begin if lines else number
            lines.append(found["text"])
        elif lines:
            yield from _paragraphs(begin, "\n".join(lines))
            lines = []


def messages(source: str) -> Iterator[Text]:
    """Yield the texts that a module shows: strings of three words and more, no docstrings."""
    tree = ast.parse(source)
    shown = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            text = "".join(
                str(part.value) if isinstance(part, ast.Constant) else "x" for part in node.values
            )
            shown |= {id(part) for part in node.values}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = "" if id(node) in shown else node.value
        else:
            continue
        if len(re.findall(r"[A-Za-z]{2,}", text)) > 2:
            yield Text(node.lineno, text)


def _paragraphs(line: int, text: str) -> Iterator[Text]:
    kept = re.sub(r"(?m)^( {4,}\S.*|\s*>>>.*)$", "", text) if "::" in text else text
    for part in re.split(r"\n\s*\n|\n(?=\s*[-*] )", kept):
        if part.strip() and "├" not in part:  # a drawn tree is no prose
            yield Text(line + text[: text.find(part)].count("\n"), _MARK.sub("", part))
