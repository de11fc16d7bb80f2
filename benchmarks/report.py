"""Where a benchmark's table goes: to the terminal and, on request, between its marks in a page of docs/."""

import re
from collections.abc import Sequence
from pathlib import Path

__all__ = ["publish"]

DOCS = Path(__file__).parents[1] / "docs"


def publish(name: str, caption: str, header: Sequence[str], rows: Sequence[Sequence[str]], *, write: bool) -> None:
    """Print a table in Markdown; `write`: and put it between its marks, <!-- name --> and <!-- /name -->.

    Raises SystemExit where not exactly one page of docs/ has these marks.
    """
    lines = [header, ["---"] * len(header), *rows]
    text = caption + "\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"
    print(text)
    if not write:
        return
    begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
    pages = [page for page in DOCS.glob("*.md") if begin in page.read_text()]
    if len(pages) != 1:
        raise SystemExit(f"{len(pages)} pages of docs/ have a place for {name}; one must.")
    marked = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", flags=re.DOTALL)
    pages[0].write_text(marked.sub(lambda _: begin + text + end, pages[0].read_text()))
