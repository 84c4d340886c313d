"""The documentation as pages of the site: the Markdown files of docs/, with links and pictures led to our addresses.

In a checkout they lie in docs/ beside the packages; an installed package carries them in server/docs. Only files that
are there when a process starts are pages, so no address reaches outside of the folder.
"""

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
    """A page: its title, and its body as HTML that was made from Markdown without any HTML of its own."""

    name: str
    title: str
    html: str


@lru_cache(maxsize=1)
def help_names() -> frozenset[str]:
    """The names of all pages: files of docs/ without their ending, decisions under decisions/."""
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
    """A line of the index: a page, its title, and what it is about."""

    name: str
    title: str


@lru_cache(maxsize=1)
def help_index() -> tuple[tuple[str, tuple[Entry, ...]], ...]:
    """The index as it is written: for each of its lists the sentence before it, and the pages it names."""
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
    """The page called `name`, one of `help_names()`.

    page_url, image_url: the address of a page and of a picture. A link to anything else of the repository becomes text.
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
            token.attrSet("class", "num")  # the policy for styles allows none on an element
        elif token.type == "inline":
            token.children = _led(token.children or [], name, page_url, image_url)
    return HelpPage(name, title, _scrolling(parser.renderer.render(tokens, parser.options, {})))


def slug(heading: str) -> str:
    """A heading as an anchor, as code hosts make it: words in small letters, joined by dashes."""
    return re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-")


def _led(
    tokens: list[Token], name: str, page_url: Callable[[str], str], image_url: Callable[[str], str]
) -> list[Token]:
    """The tokens of a line with every link led to a page of ours; one that leads nowhere here loses its link."""
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
    """Wide tables and code scroll by themselves, also for the keyboard, and leave the page where it is."""
    html = html.replace("<pre>", '<pre tabindex="0">')
    opened = '<div class="scroll" role="region" aria-label="Table" tabindex="0"><table>'
    return html.replace("<table>", opened).replace("</table>", "</table></div>")
