"""What the site has beyond Sphinx's own: see the files that are registered here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scripts.site.builtin_types import leave_builtins
from scripts.site.names_in_text import link_names
from scripts.site.option_rows import OPTION, note_options
from scripts.site.sidebar import Sidebar

if TYPE_CHECKING:
    from sphinx.application import Sphinx

__all__ = ["setup"]


def setup(app: Sphinx) -> dict[str, object]:
    """Register it all."""
    app.add_object_type(OPTION, OPTION, objname="option")
    app.connect("doctree-read", note_options)
    app.connect("doctree-read", leave_builtins)
    app.add_config_value("site_names", "", "env")  # links in the text depend on them
    app.connect("doctree-resolved", link_names)
    app.connect("html-page-context", Sidebar().replace, priority=400)  # before the theme's own
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
