"""A command that stops when whoever called it is gone, however that went.

`python -m jobkit.cli.tethered FD WORD…`: the descriptor is one end of a pipe whose other end only
the caller has. For `jobkit worker`, whose own processes must not outlive a demo that was killed.
"""

from __future__ import annotations

import os
import sys

from jobkit.cli.program import main

if __name__ == "__main__":
    tether, *words = sys.argv[1:]
    os.set_inheritable(int(tether), False)
    main(words, tether=int(tether))
