"""Code in the text that is the name of an option, or of the API, leads there.

`Socket.join`, `sockwave.Socket` and `allow_request` are written as code in the pages, as anywhere;
here they become links.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, cast

from docutils import nodes
from sphinx.util.nodes import make_refnode

from scripts.site.option_rows import OPTION
from scripts.site.published import PACKAGES

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.domains.python import PythonDomain
    from sphinx.domains.std import StandardDomain
    from sphinx.environment import BuildEnvironment

__all__ = ["link_names"]

NAME: Final = re.compile(r"(?P<name>[A-Za-z_]\w*(?:\.\w+)*)(?:\(.*\))?", re.DOTALL)
OTHERS: Final = ("protocol/", "conformance", "rfc6455", "security", "files/", "adr/")
"""Pages where names are mostly those of the reference implementation, or of tests."""


def link_names(app: Sphinx, document: nodes.document, page: str) -> None:
    """Make the links of a page, when it is written: then all names are known."""
    if page.startswith(OTHERS):
        return
    known = _known(app.env)
    for literal in list(document.findall(nodes.literal)):
        match = NAME.fullmatch(literal.astext())
        place = None if match is None else known.get(match["name"])
        if place is None or _is_linked(literal) or place == (page, _own_id(literal)):
            continue
        link = make_refnode(app.builder, page, *place, literal.deepcopy())
        link["classes"].append("name")
        literal.replace_self(link)


def _ancestors(node: Any) -> list[Any]:
    found = []
    while (node := node.parent) is not None:
        found.append(node)
    return found


def _is_linked(literal: nodes.literal) -> bool:
    """Whether it is in a link already, or in a heading, which is one for the menu."""
    kinds = (nodes.title, nodes.reference, nodes.rubric)
    return any(isinstance(node, kinds) for node in _ancestors(literal))


def _own_id(literal: nodes.literal) -> str:
    """The address of the row that it stands in."""
    for node in _ancestors(literal):
        if isinstance(node, nodes.row) and node["ids"]:
            return str(node["ids"][0])
    return ""


def _known(env: BuildEnvironment) -> dict[str, tuple[str, str]]:
    """Page and address by what is written in texts."""
    objects = cast("PythonDomain", env.get_domain("py")).objects
    known = _options(cast("StandardDomain", env.get_domain("std")))
    for package in PACKAGES:
        for path, entry in objects.items():
            if path.startswith(f"{package}."):
                place = (entry.docname, entry.node_id)
                known.setdefault(path, place)
                short = path.removeprefix(f"{package}.")
                if short[0].isupper():  # `connect` alone may be anything
                    known.setdefault(short, place)
    for path, entry in objects.items():  # types that no package shows, by their name alone
        parts = path.split(".")
        start = next((at for at, part in enumerate(parts) if part[0].isupper()), None)
        if start is not None:
            known.setdefault(".".join(parts[start:]), (entry.docname, entry.node_id))
    return known


def _options(domain: StandardDomain) -> dict[str, tuple[str, str]]:
    """Options of whose name there is one, and that are no common word."""
    places: dict[str, list[tuple[str, str]]] = {}
    for (kind, name), place in domain.objects.items():
        if kind == OPTION:
            places.setdefault(name.rpartition(".")[2], []).append(place)
    return {name: found[0] for name, found in places.items() if len(found) == 1 and "_" in name}
