"""The check for what belongs to one machine finds it."""

from __future__ import annotations

import pytest

from scripts.check_tree import ADDRESSES, FUNDING, HOME_FOLDERS


@pytest.mark.parametrize("folder", ["/home" + "/ann/x", "/Users" + "/ann/x", "(/root" + "/x)"])
def test_home_folder_is_found(folder: str) -> None:
    assert HOME_FOLDERS.search(folder.encode())


@pytest.mark.parametrize("text", ["src/home/x", "example.com/home/ann/x", "/home", "/rooted/x"])
def test_other_paths_are_fine(text: str) -> None:
    assert not HOME_FOLDERS.search(text.encode())


@pytest.mark.parametrize(
    "line",
    [
        '      "resolved": "x",',
        "package @ https://example.com/package.whl",
        "--index-url x",
        "package==1.0 --hash=sha256:00",
    ],
)
def test_address_in_a_lock_file_is_found(line: str) -> None:
    assert ADDRESSES.search(FUNDING.sub(b"", line.encode()))


@pytest.mark.parametrize("line", ["package==1.0", '        "url": "https://example.com/fund"'])
def test_names_versions_and_funding_pages_are_fine(line: str) -> None:
    assert not ADDRESSES.search(FUNDING.sub(b"", line.encode()))
