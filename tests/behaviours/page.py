"""The page `docs/reference/behaviours.md`, and what is wrong with the proofs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final

from tests.behaviours.catalogue import AWAITED, COMPLETE, GROUPS, SENTENCES, Group
from tests.behaviours.proof import ROOT, Proof

__all__ = ["PAGE", "REGENERATE", "page", "problems"]

PAGE: Final = ROOT / "docs" / "reference" / "behaviours.md"
REGENERATE: Final = "make behaviours"
_MOST_NAMED: Final = 20

_HEAD: Final = f"""\
# Named behaviours

What jobkit promises, a sentence and a code each, and the tests that prove it. Written by \
`{REGENERATE}` from the markers of the tests; a test fails when this page differs from them, or \
when a behaviour of a complete group has no test.

Tests are named below `tests/`; those that begin with `contract` are in the suite that every \
adapter runs, `jobkit.testing.contract`. A behaviour is proved on the adapters that are named; \
"core" is what the stores do not see and all adapters share. Where very many tests prove one \
behaviour, the modules and classes that hold them are named, with their number. A group that is \
not complete yet shows what is proved so far.
"""


def problems(
    proofs: Collection[Proof],
    *,
    sentences: Mapping[str, str] = SENTENCES,
    complete: Collection[str] = COMPLETE,
    awaited: Collection[str] = tuple(AWAITED),
) -> list[str]:
    """What is wrong, a line each: codes that there are not, behaviours without a test."""
    proved = {proof.code for proof in proofs}
    unknown = sorted({(each.code, each.test) for each in proofs if each.code not in sentences})
    missing = [code for code in sentences if code[0] in complete and code not in proved]
    return [
        *(f"{test} names the behaviour {code}, which there is not" for code, test in unknown),
        *(f"{code} has no test: {sentences[code]}" for code in missing if code not in awaited),
        *(f"{code} has a test and is awaited no more" for code in awaited if code in proved),
    ]


def page(proofs: Iterable[Proof]) -> str:
    """The text of the page."""
    known = list(proofs)
    return "\n".join([_HEAD, *(line for group in GROUPS for line in _section(group, known))])


def _section(group: Group, proofs: list[Proof]) -> Iterator[str]:
    unfinished = "" if group.letter in COMPLETE else " (not complete)"
    yield f"## {group.letter}: {group.title}{unfinished}"
    yield ""
    yield "| | Behaviour | Proved by | On |"
    yield "|---|---|---|---|"
    for code, sentence in group.sentences.items():
        yield _row(code, sentence, [proof for proof in proofs if proof.code == code])
    yield ""


def _row(code: str, sentence: str, proofs: list[Proof]) -> str:
    tests = "<br>".join(_listed({proof.test for proof in proofs})) or AWAITED.get(code, "")
    adapters = sorted({proof.adapter or "core" for proof in proofs}, key=str.lower)
    return f"| {code} | {sentence} | {tests} | {', '.join(adapters)} |"


def _listed(tests: Collection[str]) -> list[str]:
    """The tests by name; where they are very many, the modules and classes that hold them."""
    if len(tests) <= _MOST_NAMED:
        return [f"`{test}`" for test in sorted(tests)]
    holders = Counter(test.rpartition("::")[0] for test in tests)
    return [f"`{holder}` ({number})" for holder, number in sorted(holders.items())]
