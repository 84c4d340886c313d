"""The documentation as pages of the site: renders the Markdown files of docs/ and rewrites their links.

In a checkout they are in docs/ beside the packages, in an installed package in server/docs. Only files that exist
when a process first lists them are pages, so no address reaches outside of the folder.
"""

import itertools
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

_ROOM = Path(__file__).parents[1]
FOLDER = next((folder for folder in (_ROOM / "docs", _ROOM.parent / "docs") if folder.is_dir()), _ROOM / "docs")
_EXTERNAL = re.compile(r"[a-z]+://|mailto:")


@dataclass(frozen=True)
class HelpPage:
    """A page: its title, and its body as HTML; HTML inside the Markdown is escaped."""

    name: str
    title: str
    html: str


@lru_cache(maxsize=1)
def help_names() -> frozenset[str]:
    """The names of all pages: files of docs/ without their suffix, decisions under decisions/."""
    return frozenset(
        path.relative_to(FOLDER).with_suffix("").as_posix()
        for folder in (FOLDER, FOLDER / "decisions")
        for path in folder.glob("*.md")
    )


@lru_cache(maxsize=1)
def help_images() -> frozenset[str]:
    """The file names of all pictures."""
    return frozenset(path.name for ending in ("png", "svg", "webp") for path in (FOLDER / "images").glob(f"*.{ending}"))


@dataclass(frozen=True)
class Entry:
    """A line of the index: a page and its title."""

    name: str
    title: str


@lru_cache(maxsize=1)
def help_index() -> tuple[tuple[str, tuple[Entry, ...]], ...]:
    """The lists of index.md: for each, the sentence before it and the pages that it names."""
    parts = re.split(r"\n(?=\S[^\n]*:\n\n- )", (FOLDER / "index.md").read_text(encoding="utf-8"))
    return tuple(
        (part.split(":", 1)[0].strip(), entries)
        for part in parts
        if (
            entries := tuple(
                Entry(name, title)
                for title, name in re.findall(r"^- \[([^\]]+)\]\(([\w-]+)\.md\)", part, re.MULTILINE)
                if name in help_names()
            )
        )
    )


def render(name: str, page_url: Callable[[str], str], image_url: Callable[[str], str]) -> HelpPage:
    """Return the page called `name`, one of `help_names()`.

    page_url, image_url: return the address of a page or picture. Links to other files of the repository become text.
    """
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = parser.parse((FOLDER / f"{name}.md").read_text(encoding="utf-8"))
    title = name
    for index, token in enumerate(tokens):
        if token.type == "heading_open":
            text = tokens[index + 1].content
            token.attrSet("id", slug(text))
            if token.tag == "h1":
                title = text.replace("`", "")
        elif token.type in ("th_open", "td_open") and "right" in str(token.attrs.pop("style", "")):
            token.attrSet("class", "num")  # the content security policy forbids inline styles
        elif token.type == "inline":
            token.children = _led(token.children or [], name, page_url, image_url)
    return HelpPage(name, title, _scrolling(parser.renderer.render(tokens, parser.options, {})))


def slug(heading: str) -> str:
    """Return the anchor of a heading as GitHub makes it: words in lower case, joined by hyphens."""
    return re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-")


def _led(
    tokens: list[Token], name: str, page_url: Callable[[str], str], image_url: Callable[[str], str]
) -> list[Token]:
    """Return the tokens of a line with links rewritten to our pages; a link to anything else is removed."""
    kept: list[Token] = []
    is_open = True
    for token in tokens:
        if token.type == "link_open":
            address = _address(str(token.attrs["href"]), name, page_url)
            is_open = address is not None
            if address is None:
                continue
            token.attrSet("href", address)
        elif token.type == "link_close" and not is_open:
            is_open = True
            continue
        elif token.type == "image":
            file = Path(str(token.attrs["src"])).name
            token.attrSet("src", image_url(file))
            token.attrSet("loading", "lazy")
        kept.append(token)
    return kept


def _address(target: str, name: str, page_url: Callable[[str], str]) -> str | None:
    if _EXTERNAL.match(target) or target.startswith("#"):
        return target
    path, _, anchor = target.partition("#")
    linked = (FOLDER / name).parent.joinpath(path).resolve()
    if not linked.is_relative_to(FOLDER.resolve()):
        return None
    page = linked.relative_to(FOLDER.resolve()).with_suffix("").as_posix()
    if page not in help_names():
        return None
    return page_url(page) + (f"#{anchor}" if anchor else "")


def _scrolling(html: str) -> str:
    """Wrap tables and code so that they scroll on their own, with the keyboard as well."""
    html = html.replace("<pre>", '<pre tabindex="0">')
    numbers = itertools.count(1)  # regions of a page need names of their own

    def opened(_table: re.Match[str]) -> str:
        return f'<div class="scroll" role="region" aria-label="Table {next(numbers)}" tabindex="0"><table>'

    return re.sub("<table>", opened, html).replace("</table>", "</table></div>")
