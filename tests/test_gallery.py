"""The gallery is whole: each example has what it needs, is short, and stands on the page."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

import pytest

from tests.support.examples import ROOT
from tests.support.gallery import BESIDE, GALLERY

if TYPE_CHECKING:
    from pathlib import Path

FOLDERS = sorted(page.parent for page in GALLERY.glob("*/README.md"))
PAGE = (ROOT / "docs/gallery.md").read_text()


def test_page_lists_what_is_there() -> None:
    folders = sorted(folder.name for folder in GALLERY.iterdir() if [*folder.glob("*.py")])
    assert folders == [folder.name for folder in FOLDERS]
    *sections, moving, django = PAGE.split("\n## ")[1:]
    assert len(sections) == len(FOLDERS)
    assert "../examples/moving_from_flask/" in moving
    assert "../examples/django_celery/README.md" in django
    for name in folders:
        (section,) = [each for each in sections if f"images/gallery-{name}.png" in each]
        assert section.count(f"../examples/gallery/{name}/README.md") == 2


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_example_is_whole_and_short(folder: Path) -> None:
    name = folder.name
    program = (folder / f"{name}.py").read_text()
    assert program.count("\n") < 200
    command = f"python examples/gallery/{name}/{name}.py"
    docstring = ast.get_docstring(ast.parse(program)) or ""
    assert f"`{command}`" in docstring
    readme = (folder / "README.md").read_text()
    assert command in readme
    assert f"docs/images/gallery-{name}.png" in readme
    for needed in (folder / "index.html", folder / f"test_{name}.py"):
        assert needed.name in readme
        assert needed.is_file()
    assert (ROOT / f"docs/images/gallery-{name}.png").is_file()
    assert (ROOT / f"scripts/gallery_scenes/{name}.py").is_file(), "played in a browser"


@pytest.mark.parametrize("name", BESIDE)
def test_example_beside_the_gallery_has_its_picture_and_its_scene(name: str) -> None:
    assert f"images/gallery-{name}.png" in PAGE
    assert (ROOT / f"docs/images/gallery-{name}.png").is_file()
    assert (ROOT / f"scripts/gallery_scenes/{name}.py").is_file(), "played in a browser"
    assert BESIDE[name].is_file()
