"""Types of Python itself in signatures: they are no names of ours.

Sphinx would look for anything of ours that ends so: `type[...]` would lead to an attribute `type`,
and where there are two of these it would not know to which.
"""

from __future__ import annotations

import builtins
from typing import TYPE_CHECKING

from sphinx import addnodes

if TYPE_CHECKING:
    from docutils import nodes
    from sphinx.application import Sphinx

__all__ = ["leave_builtins"]


def leave_builtins(_: Sphinx, doctree: nodes.document) -> None:
    """Show them without a link."""
    for reference in [*doctree.findall(addnodes.pending_xref)]:
        if reference.get("refdomain") == "py" and hasattr(builtins, reference["reftarget"]):
            reference.replace_self(_without_aim(reference))


def _without_aim(reference: addnodes.pending_xref) -> list[nodes.Node]:
    """What it shows; a name in a signature has one form for the case that it leads nowhere."""
    shown: list[nodes.Node] = reference.children
    for child in shown:
        if isinstance(child, addnodes.pending_xref_condition) and child["condition"] == "*":
            shown = child.children
    return shown
