"""Where a benchmark's table goes: to the terminal, and, if asked to, into the README between its marks."""

import re
from collections.abc import Sequence
from pathlib import Path

__all__ = ["publish"]

README = Path(__file__).parents[1] / "README.md"


def publish(name: str, caption: str, header: Sequence[str], rows: Sequence[Sequence[str]], *, write: bool) -> None:
    """Print a table in Markdown; `write`: and put it between the README's <!-- name --> and <!-- /name -->."""
    lines = [header, ["---"] * len(header), *rows]
    text = caption + "\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"
    print(text)
    if write:
        begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
        page, places = re.subn(
            f"{re.escape(begin)}.*?{re.escape(end)}", lambda _: begin + text + end, README.read_text(), flags=re.DOTALL
        )
        if places != 1:
            raise SystemExit(f"There is no place for {name} in {README.name}.")
        README.write_text(page)
