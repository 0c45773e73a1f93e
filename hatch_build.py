"""What hatchling asks while it builds: links that hold outside the repository, and source maps.

Both are only about what is handed out; an editable install asks for the first, too.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, Final

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.metadata.plugin.interface import MetadataHookInterface

BUNDLES: Final = Path("src/sockwave/socketio/server/client_dist")
MAPS_WANTED: Final = "SOCKWAVE_SOURCE_MAPS"
"""A variable of the environment; with it, wheels carry the source maps of the JavaScript client."""

_LINK: Final = re.compile(r"(?<=\]\()(?!https?://|#|mailto:)([^)\s]+)(?=\))")
_PICTURES: Final = frozenset({".png", ".svg", ".gif", ".webp"})


def with_absolute_links(text: str, repository: str, revision: str) -> str:
    """A Markdown page of the root, as it can be shown elsewhere.

    Args:
        text: The page.
        repository: Address of the repository.
        revision: Of which files are linked: a tag.
    """

    def absolute(match: re.Match[str]) -> str:
        path = match[1]
        kind = "raw" if Path(path.partition("#")[0]).suffix in _PICTURES else "blob"
        return f"{repository}/{kind}/{revision}/{path}"

    return _LINK.sub(absolute, text)


class Links(MetadataHookInterface):
    """All addresses of the project come from one, `repository` in pyproject.toml."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Fill in what pyproject.toml calls dynamic."""
        repository = self.config["repository"].rstrip("/")
        revision = f"v{metadata['version']}"
        blob = f"{repository}/blob/{revision}"
        metadata["urls"] = {
            "Documentation": f"{blob}/docs/index.md",
            "Repository": repository,
            "Changelog": f"{blob}/CHANGELOG.md",
            "Issues": f"{repository}/issues",
            "Security": f"{blob}/SECURITY.md",
        }
        readme = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        metadata["readme"] = {
            "content-type": "text/markdown",
            "text": with_absolute_links(readme, repository, revision),
        }


class SourceMaps(BuildHookInterface[Any]):
    """Maps of the JavaScript client are larger than the rest: in wheels only if they are wanted."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add them."""
        if self.target_name == "wheel" and version == "standard" and os.environ.get(MAPS_WANTED):
            for path in sorted((Path(self.root) / BUNDLES).glob("*.map")):
                target = path.relative_to(Path(self.root) / "src")
                build_data["force_include"][str(path)] = str(target)
