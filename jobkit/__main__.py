"""The `jobkit` command, also as `python -m jobkit`."""

from __future__ import annotations

from jobkit.cli.program import main

__all__ = ["main"]

if __name__ == "__main__":
    main()
