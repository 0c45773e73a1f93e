"""Check that no tracked file names a place that exists on one machine only.

Home folders, this clone's own folder, and addresses of package registries in lock files.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCKS = {"interop/package-lock.json", "requirements/constraints.txt", "requirements/node.txt"}

HOME_FOLDERS = re.compile(rb"(?<![\w.])/(?:(?:home|Users)/[\w.-]+|root)/")
ADDRESSES = re.compile(rb'"resolved":|://|--hash|^-', re.MULTILINE)
FUNDING = re.compile(rb'"url": "https://[^"]*"')


def main() -> int:
    """Print each line that should not be there."""
    here = re.compile(re.escape(f"{ROOT}/".encode()))
    listing = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, check=True, stdout=subprocess.PIPE
    )
    problems = []
    for name in filter(None, listing.stdout.decode().split("\0")):
        if not (ROOT / name).is_file():
            continue
        data = (ROOT / name).read_bytes()
        if b"\0" in data[:8192]:
            continue
        patterns = [HOME_FOLDERS, here]
        if name in LOCKS:
            data = FUNDING.sub(b"", data)
            patterns.append(ADDRESSES)
        for number, line in enumerate(data.splitlines(), 1):
            problems += [
                f"{name}:{number}: {match[0].decode(errors='replace')}"
                for pattern in patterns
                if (match := pattern.search(line))
            ]
    for problem in problems:
        print(f"{problem}  (belongs to one machine)", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
