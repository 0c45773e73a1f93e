"""The menu beside each page.

Sphinx makes it anew for each page, from everything that any page has, which takes most of the time
of a build. Here it is made of titles, in the form that the theme expects.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from sphinx import addnodes

if TYPE_CHECKING:
    from collections.abc import Callable

    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

__all__ = ["Sidebar"]


class Sidebar:
    """Groups, pages and what is below them."""

    def __init__(self) -> None:
        self._groups: list[tuple[str, list[tuple[str, str]]]] | None = None

    def replace(
        self, app: Sphinx, page: str, _template: str, context: dict[str, Any], _document: object
    ) -> None:
        """Let the theme ask here."""
        if "toctree" in context:
            context["toctree"] = lambda **_: self._html(app, page, context["pathto"])

    def _html(self, app: Sphinx, page: str, pathto: Callable[[str], str]) -> str:
        if self._groups is None:
            self._groups = list(_groups(app))
        parts: list[str] = []
        for caption, entries in self._groups:
            heading = f'<span class="caption-text">{escape(caption)}</span>'
            items = "".join(_item(app.env, page, pathto, 1, *entry) for entry in entries)
            parts.append(f'<p class="caption" role="heading">{heading}</p><ul>{items}</ul>')
        return "".join(parts)


def _groups(app: Sphinx) -> list[tuple[str, list[tuple[str, str]]]]:
    """Captions, with texts and names of pages: those of the first page."""
    first = app.env.get_doctree(app.config.root_doc)
    return [
        (
            tree.get("caption") or "",
            [(text or _title(app.env, name), name) for text, name in tree["entries"]],
        )
        for tree in first.findall(addnodes.toctree)
    ]


def _item(
    env: BuildEnvironment,
    page: str,
    pathto: Callable[[str], str],
    level: int,
    text: str,
    name: str,
) -> str:
    """A page in the menu, with those below it."""
    children = env.toctree_includes.get(name, [])
    below = "".join(
        _item(env, page, pathto, level + 1, _title(env, child), child) for child in children
    )
    is_here = name == page
    current = " current" if is_here or page in children else ""
    kind = "reference internal" + (" current" if is_here else "")
    address = "#" if is_here else escape(pathto(name))
    link = f'<a class="{kind}" href="{address}">{escape(text)}</a>'
    rest = f"<ul>{below}</ul>" if below else ""
    return f'<li class="toctree-l{level}{current}">{link}{rest}</li>'


def _title(env: BuildEnvironment, name: str) -> str:
    return str(env.titles[name].astext())
