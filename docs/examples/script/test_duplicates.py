import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def run(folder, *words):
    environment = {**os.environ, "PYTHONPATH": str(HERE)}
    done = subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_equal_files_are_found(tmp_path):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for name, content in {"a": "cat", "b": "dog", "c": "cat"}.items():
        (pictures / name).write_text(content)
    script = str(HERE / "duplicates.py")

    assert run(tmp_path, script, "enqueue", "pictures") == "3 files to look at\n"
    (pictures / "b").unlink()
    run(tmp_path, "-m", "jobkit", "worker", "-A", "duplicates", "--burst")

    assert run(tmp_path, script, "report") == f"equal:\n  {pictures}/a\n  {pictures}/c\n"
