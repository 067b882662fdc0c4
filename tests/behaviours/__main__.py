"""Write the page of behaviours: `make behaviours`. Ends with 1 if a behaviour lacks a test."""

from __future__ import annotations

import sys

from tests.behaviours.page import PAGE, page, problems
from tests.behaviours.proof import collected


def main() -> int:
    proofs = collected()
    PAGE.write_text(page(proofs), "utf-8")
    found = problems(proofs)
    print(f"{PAGE}: {len({proof.test for proof in proofs})} tests", *found, sep="\n")
    return min(len(found), 1)


if __name__ == "__main__":
    sys.exit(main())
