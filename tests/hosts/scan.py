"""Looks for a text in files: `python -m tests.hosts.scan TEXT FOLDER...`, prints JSON."""

import json
import os
import sys
from pathlib import Path


def main() -> None:
    """Read every regular file below the folders."""
    text, *folders = sys.argv[1:]
    n_files, holding = 0, []
    for folder in folders:
        for parent, _, names in os.walk(folder):
            for path in (Path(parent) / name for name in names):
                if path.is_symlink() or not path.is_file():
                    continue
                n_files += 1
                if text.encode() in path.read_bytes():
                    holding.append(str(path))
    print(json.dumps({"n_files": n_files, "holding": holding}))


if __name__ == "__main__":
    main()
