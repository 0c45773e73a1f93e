"""What the demo's page is checked with is what its server and its elements are."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Final

from click.testing import CliRunner

from sockwave.cli import main
from sockwave.cli.demo import app

FOLDER: Final = Path(app.__file__).parent

TAGS: Final = {
    "HTMLButtonElement": "button",
    "HTMLDialogElement": "dialog",
    "HTMLFormElement": "form",
    "HTMLImageElement": "img",
    "HTMLInputElement": "input",
    "HTMLTextAreaElement": "textarea",
    "SVGSVGElement": "svg",
}


class Ids(HTMLParser):
    """Tags of the page by their ids."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: dict[str, str] = {}
        self.feed((FOLDER / "static" / "index.html").read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note it, if it has an id."""
        if id_ := dict(attrs).get("id"):
            self.tags[id_] = tag


def test_types_of_the_page_are_those_of_the_server() -> None:
    file = str(FOLDER / "events.ts")
    names = ["typescript", "sockwave.cli.demo.app:io", "--title", "Sockwave demo"]
    result = CliRunner().invoke(main, ["contract", *names, "--output", file, "--check"])
    assert result.exit_code == 0, result.stderr


def test_elements_are_what_the_types_say() -> None:
    text = (FOLDER / "page.ts").read_text(encoding="utf-8")
    said = re.findall(r'^  "?([\w-]+)"?: ((?:HTML|SVG)\w+);$', text, re.MULTILINE)
    assert len(said) > 5
    tags = Ids().tags
    assert {id_: tags.get(id_) for id_, _ in said} == {id_: TAGS[type_] for id_, type_ in said}


def test_every_element_that_a_script_asks_for_is_there() -> None:
    scripts = [each.read_text(encoding="utf-8") for each in (FOLDER / "static").glob("*.js")]
    asked = {id_ for script in scripts for id_ in re.findall(r'\$\("([^"]+)"\)', script)}
    assert len(asked) > 40
    assert asked <= set(Ids().tags)
