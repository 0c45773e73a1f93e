"""Rows of tables of options as targets: `options.html#allow_request`, which the search finds too.

The table stays one as a code host shows it; the style sheet makes an entry of each row.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, cast

from docutils import nodes

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.domains.std import StandardDomain

__all__ = ["OPTION", "note_options"]

OPTION: Final = "setting"
"""Type of the objects in the standard domain; `option` is that of command lines."""

FIRST_CELL: Final = "option"
NOTHING: Final = "–"
"""In a cell: an option without a unit, or without a default."""


def note_options(app: Sphinx, document: nodes.document) -> None:
    """Give the rows of the tables of a page their addresses."""
    domain = cast("StandardDomain", app.env.get_domain("std"))
    for table in document.findall(nodes.table):
        rows = list(table.findall(nodes.row))
        if rows[0].children[0].astext() != FIRST_CELL:
            continue
        table["classes"].append("options")
        owner = _heading_of(table)
        for row in rows[1:]:
            name = row.children[0].astext()
            id_ = _free_id(document, name, owner)
            row["ids"].append(id_)
            document.note_explicit_target(row, row)
            domain.note_object(OPTION, f"{owner}.{name}", id_, location=row)
            for cell in row.children:
                if cell.astext() == NOTHING:
                    cell["classes"].append("nothing")


def _free_id(document: nodes.document, name: str, owner: str) -> str:
    """The name alone, as people guess it, unless another row has it."""
    plain = re.sub(r"[^\w-]", "", name)
    return f"{owner.replace(' ', '-')}-{plain}" if plain in document.ids else plain


def _heading_of(node: Any) -> str:
    while not isinstance(node, nodes.section):
        node = node.parent
    return str(node.next_node(nodes.title).astext())
