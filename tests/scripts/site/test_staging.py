"""Pages of the site are those of `docs/`, with links that fit there."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from scripts.site.staging import Stage


@pytest.fixture
def root(tmp_path: Path) -> Path:
    files = {
        "README.md": "# Project\n",
        "CONTRIBUTING.md": "# Contributing\n\n[news](news/README.md), [docs](docs/index.md)\n",
        "news/README.md": "# News\n",
        "examples/chat.py": "print('hello')\n",
        "examples/proxy/one.conf": "server { }\n",
        "examples/proxy/README": "All of them.\n",
        "docs/index.md": "# First\n",
        "docs/images/a.svg": "<svg/>",
        "docs/adr/README.md": "# Decisions\n",
        "docs/adr/0001-one.md": "# One\n\n[first](../index.md)\n",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def staged(root: Path, text: str, name: str = "docs/page.md") -> dict[str, str]:
    (root / name).write_text(text)
    stage = Stage(root)
    stage.add_docs()
    return {str(place): page for place, page in stage.pages.items()}


@pytest.mark.parametrize(
    ("link", "becomes"),
    [
        ("other.md#part", "other.md#part"),
        ("#part", "#part"),
        ("https://example.com/a.md", "https://example.com/a.md"),
        ("images/a.svg", "images/a.svg"),
        ("adr/README.md", "adr/index.md"),
        ("../README.md", "index.md"),
        ("../CONTRIBUTING.md", "contributing.md"),
        ("../examples/chat.py", "files/examples/chat.py.md"),
        ("../examples/proxy/", "files/examples/proxy/index.md"),
    ],
)
def test_link_leads_to_the_place_in_the_site(root: Path, link: str, becomes: str) -> None:
    (root / "docs" / "other.md").write_text("# Other\n\n## Part\n")
    assert staged(root, f"See [this `one`]({link}).\n")["page.md"] == (
        f"See [this `one`]({becomes}).\n"
    )


def test_page_beside_the_documentation_takes_no_place_of_one_in_it(root: Path) -> None:
    (root / "SECURITY.md").write_text("# Tell us\n")
    (root / "docs" / "security.md").write_text("# Attacks\n")
    pages = staged(root, "[tell](../SECURITY.md), [attacks](security.md)")
    assert pages["page.md"] == "[tell](files/SECURITY.md), [attacks](security.md)"
    assert pages["security.md"] == "# Attacks\n"
    assert pages["files/SECURITY.md"].endswith("# Tell us\n")


def test_link_from_a_folder_goes_up(root: Path) -> None:
    pages = staged(root, "[it](../../examples/chat.py)", "docs/adr/0002-two.md")
    assert pages["adr/0002-two.md"] == "[it](../files/examples/chat.py.md)"


def test_code_stays_as_it_is(root: Path) -> None:
    text = "`[a](../README.md)`\n\n```text\n[a](../README.md)\n```\n"
    assert staged(root, text)["page.md"] == text


def test_program_that_a_page_leads_to_gets_a_page(root: Path) -> None:
    page = staged(root, "[it](../examples/chat.py)")["files/examples/chat.py.md"]
    assert "# `examples/chat.py`" in page
    assert "python\nprint('hello')\n" in page


def test_folder_that_a_page_leads_to_lists_its_files(root: Path) -> None:
    pages = staged(root, "[them](../examples/proxy/)")
    assert "- [`one.conf`](../../../files/examples/proxy/one.conf.md)" in (
        pages["files/examples/proxy/index.md"].replace(
            "](one", "](../../../files/examples/proxy/one"
        )
    )
    assert "server { }" in pages["files/examples/proxy/one.conf.md"]


def test_pages_beside_docs_are_followed_too(root: Path) -> None:
    pages = staged(root, "[how](../CONTRIBUTING.md)")
    assert pages["contributing.md"].endswith("[news](files/news/README.md), [docs](index.md)\n")
    assert pages["files/news/README.md"].endswith("# News\n")


def test_first_page_of_a_folder_has_the_others_below_it(root: Path) -> None:
    assert "{toctree}\n:hidden:\n\n0001-one\n" in staged(root, "")["adr/index.md"]


def test_menu_has_the_groups_of_the_first_page(root: Path) -> None:
    (root / "docs" / "index.md").write_text("# First\n\n## Start\n\n- [A page](page.md): why?\n")
    (root / "docs" / "page.md").write_text("# Page\n")
    stage = Stage(root)
    stage.add_docs()
    stage.add_menu()
    menu = "```{toctree}\n:hidden:\n:caption: Start\n\nA page <page>\n```\n"
    assert stage.pages[PurePosixPath("index.md")].endswith(menu)
