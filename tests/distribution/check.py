"""Installs what was built into fresh environments and tries it there: `make dist`.

The wheel with the newest versions of what it needs, and with the oldest that it allows; and the
source archive.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

SMOKE = Path(__file__).with_name("smoke.py")


def tried(archive: Path, *, resolution: str) -> None:
    """Install the archive into an environment of its own, and run the smoke test there."""
    print(archive.name, "with the", resolution.removesuffix("-direct"), "versions:", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        python = Path(folder, "venv", "bin", "python")
        uv = [sys.executable, "-m", "uv", "--quiet"]
        subprocess.run([*uv, "venv", str(python.parent.parent), "-p", sys.executable], check=True)
        install = [*uv, "pip", "install", "-p", str(python), "--resolution", resolution]
        subprocess.run([*install, str(archive)], check=True)
        subprocess.run([str(python), str(SMOKE)], cwd=folder, check=True)


def main() -> None:
    """Try everything in the folder that is named."""
    built = Path(sys.argv[1])
    [wheel], [archive] = built.glob("*.whl"), built.glob("*.tar.gz")
    tried(wheel, resolution="highest")
    tried(wheel, resolution="lowest-direct")
    tried(archive, resolution="highest")


main()
