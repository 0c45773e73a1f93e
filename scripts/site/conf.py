"""How Sphinx builds the site; `python -m scripts.site.build` starts it, on staged pages."""

from __future__ import annotations

import sockwave

project = "Sockwave"
author = "The authors of Sockwave"
project_copyright = author
release = version = sockwave.__version__

extensions = ["myst_parser", "scripts.site.extension"]
source_suffix = {".md": "markdown"}
root_doc = "index"
language = "en"
nitpicky = False  # types of the standard library lead nowhere: nothing is fetched
highlight_language = "text"
suppress_warnings = [
    "myst.header",  # headings begin where a code host shows them well
    "misc.highlighting_failure",  # Pygments does not know all of today's CSS and JavaScript
]

myst_enable_extensions = ["deflist", "fieldlist"]
myst_heading_anchors = 4

add_module_names = False
python_use_unqualified_type_names = True
maximum_signature_line_length = 110
toc_object_entries_show_parents = "hide"

# Furo: fonts of the system, no script from elsewhere, a menu with groups, dark by the system or by
# a switch. The other theme that was looked at, pydata's, has a bar at the top.
html_theme = "furo"
html_title = "Sockwave"
html_short_title = "Sockwave"
html_static_path = ["static"]
html_extra_path = ["../../docs/images/demo-desktop.png"]  # in place of the film
html_css_files = ["site.css"]
html_favicon = "static/logo.svg"
html_show_sourcelink = False
html_copy_source = False
html_show_copyright = False
pygments_style = "tango"
pygments_dark_style = "github-dark"
html_theme_options = {
    "light_logo": "logo.svg",
    "dark_logo": "logo.svg",
    "top_of_page_buttons": [],
    "light_css_variables": {
        "color-brand-primary": "#0b7285",
        "color-brand-content": "#0b6a7c",
        "color-brand-visited": "#0b6a7c",
        "color-api-name": "#0b6a7c",
        "color-api-pre-name": "#5c6370",
    },
    "dark_css_variables": {
        "color-brand-primary": "#4fc3d7",
        "color-brand-content": "#5ccbdd",
        "color-brand-visited": "#5ccbdd",
        "color-api-name": "#5ccbdd",
        "color-api-pre-name": "#9aa5b1",
    },
}
