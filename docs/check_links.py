"""Check that every link between the project's Markdown pages leads to a file and a heading."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from urllib.parse import unquote

ROOT = Path(__file__).resolve().parent.parent

FENCED_CODE = re.compile(r"^(?P<fence> *(?:```+|~~~+)).*?^(?P=fence)", re.MULTILINE | re.DOTALL)
INLINE_CODE = re.compile(r"`[^`\n]+`")
HEADING = re.compile(r"^#{1,6} +(.+?) *#*$", re.MULTILINE)
INLINE_LINK = re.compile(r"\]\(\s*<?([^)<>\s]+)>?(?:\s+[\"'][^)]*)?\)")
LINK_DEFINITION = re.compile(r"^ {0,3}\[[^\]]+\]: *<?([^<>\s]+)>?", re.MULTILINE)
ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*:|//", re.IGNORECASE)


def main() -> int:
    pages = [*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("docs/**/*.md"))]
    links = [(page, target) for page in pages for target in links_of(page)]
    broken = [(page, target) for page, target in links if not resolves(page, target)]
    for page, target in broken:
        print(f"{page.relative_to(ROOT)}: {target} leads nowhere", file=sys.stderr)
    print(f"{len(links)} links in {len(pages)} pages, {len(broken)} broken")
    return 1 if broken else 0


def links_of(page: Path) -> Iterator[str]:
    """Targets inside the project; links to other sites are not followed."""
    text = INLINE_CODE.sub("", FENCED_CODE.sub("", page.read_text(encoding="utf-8")))
    for pattern in (INLINE_LINK, LINK_DEFINITION):
        for target in pattern.findall(text):
            if not ELSEWHERE.match(target):
                yield target


def resolves(page: Path, target: str) -> bool:
    path, _, heading = unquote(target).partition("#")
    file = (page.parent / path).resolve() if path else page
    if not file.exists():
        return False
    return not heading or file.suffix != ".md" or heading in anchors_of(file)


@cache
def anchors_of(page: Path) -> frozenset[str]:
    """Names of the page's headings, made the way GitHub makes them."""
    text = FENCED_CODE.sub("", page.read_text(encoding="utf-8"))
    seen: Counter[str] = Counter()
    anchors: list[str] = []
    for heading in HEADING.findall(text):
        name = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        anchors.append(f"{name}-{seen[name]}" if seen[name] else name)
        seen[name] += 1
    return frozenset(anchors)


if __name__ == "__main__":
    sys.exit(main())
