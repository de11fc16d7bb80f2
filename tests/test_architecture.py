"""Every import goes down one list of floors. Read from the source, so that nothing hides one."""

import ast
import functools
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("models", "simulator", "graph")
FLOORS = (
    "graph.__main__",
    "graph.commands",
    "graph.process",
    "graph.app",
    "graph.demo",
    "graph.health",
    "graph.transport",
    "graph.schema",
    "graph.metrics",
    "graph.context",
    "graph.admission",
    "graph.plans",
    "graph.execution",
    "graph.stores",
    "graph.telemetry",
    "graph.live",
    "graph.pages",
    "graph.settings",
    "graph.media",
    "graph.addresses",
    "simulator",
    "models.new_migration",
    "models.housekeeping",
    "models.jobs",
    "models.tokens",
    "models.webhooks",
    "models.alerts",
    "models.curves",
    "models.feed",
    "models.job_list",
    "models.job_writes",
    "models.points",
    "models.job_reads",
    "models.attempts",
    "models.config",
    "models.deletions",
    "models.deployment",
    "models.series",
    "models.tags",
    "models.backup",
    "models.store",
    "models.migrations",
    "models.tally",
    "models.alert",
    "models.validation",
    "models.errors",
    "models.token",
    "models.metric",
    "models.job",
    "models.cursors",
    "models.lifecycle",
)
"""From the top: a module imports from its own floor and from those below it."""
CURVES = ("simulator.curves", "simulator.noise", "simulator.scenarios", "simulator.schedules")
SERVERS = {"fastapi", "graphql", "starlette", "strawberry", "uvicorn"}
LATE = {
    "models.feed.redis": "graph.stores",
    "rich.console": "graph.commands.store",
    "rich.progress": "graph.commands.store",
    "graph.telemetry.tracing": "graph.telemetry.calls",
    "graph.process": "graph.commands.serving",
    "models.curves.chunks": "graph.commands.store",
    "graph.app": "graph.commands.serving",
    "graph.demo": "graph.commands.serving",
    "graph.schema": "graph.commands.serving",
    "simulator": "graph.commands.simulating",
}
"""What is imported where it is first used, for its memory or the time it takes: most processes never need it. And who
does."""
TESTS = {"tests", "pytest", "hypothesis"}
STORES = {"aiosqlite", "asyncpg", "redis", "sqlite3", "tortoise"}


@pytest.mark.parametrize(
    ("names", "packages"),
    [
        ({"tests", "pytest", "hypothesis"}, PACKAGES),
        (SERVERS, ("models", "simulator")),
        (STORES, ("simulator", "graph")),
    ],
    ids=["tests", "servers", "stores"],
)
def test_is_imported_only_where_it_belongs(names: set[str], packages: tuple[str, ...]) -> None:
    """Product code imports no tests; only the API knows GraphQL and HTTP, and only the domain how jobs are stored."""
    assert [
        f"{module} -> {name}"
        for package in packages
        for module in modules_of(package)
        for name in sorted(imports_of(module))
        if within(name, names)
    ] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_every_import_goes_down_the_floors(package: str) -> None:
    """So no folder is in a circle with another."""
    upward = [
        f"{module} -> {name}"
        for module in modules_of(package)
        if module != package  # a package's own file only names it
        for name in sorted(imports_of(module))
        if within(name, PACKAGES) and name not in PACKAGES
        if FLOORS.index(floor_of(name)) < FLOORS.index(floor_of(module))
    ]
    assert upward == []


def test_every_floor_is_there_once() -> None:
    there = {
        floor_of(module) for package in PACKAGES for module in modules_of(package) if module not in {"graph", "models"}
    }
    assert sorted(FLOORS) == sorted(there)


@pytest.mark.parametrize("module", CURVES)
def test_curves_need_numpy_and_nothing_else(module: str) -> None:
    """They can be taken out and used anywhere."""
    foreign = {name for name in imports_of(module) if name.partition(".")[0] not in {"numpy", *sys.stdlib_module_names}}
    assert {name for name in foreign if not within(name, CURVES)} == set()


def test_the_lifecycle_is_a_table_and_does_nothing() -> None:
    """No input, no output, no library: it imports what enums need."""
    assert imports_of("models.lifecycle") == {"enum", "enum.StrEnum"}


@pytest.mark.parametrize("package", PACKAGES)
def test_modules_are_imported_at_the_top_of_the_file(package: str) -> None:
    """An import inside a function hides a cycle, or an arrow that points the wrong way."""
    nested = [
        f"{module}:{node.lineno}"
        for module in modules_of(package)
        for function in ast.walk(tree_of(module))
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
        if not (isinstance(node, ast.ImportFrom) and node.module and LATE.get(node.module) == module)
    ]
    assert nested == []


@pytest.mark.parametrize("package", PACKAGES)
def test_an_import_names_its_module_in_full(package: str) -> None:
    """Where it points is read off the line."""
    relative = [
        f"{module}:{node.lineno}"
        for module in modules_of(package)
        for node in ast.walk(tree_of(module))
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert relative == []


def test_all_the_code_is_in_the_three_packages() -> None:
    """So that nothing escapes the rules above. What stands in web/ builds the page, and is not there when it runs."""
    ours = [path for path in ROOT.glob("*/*.py") if path.parent.name not in {"tests", "benchmarks", "web"}]
    assert {path.parent.name for path in ours if not path.parent.name.startswith(".")} == set(PACKAGES)


def modules_of(package: str) -> list[str]:
    """The names of a package's modules."""
    paths = sorted((ROOT / package).rglob("*.py"))
    assert paths, package
    return [".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in paths]


@functools.cache
def tree_of(module: str) -> ast.Module:
    path = ROOT.joinpath(*module.split("."))
    source = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return ast.parse(source.read_text())


def imports_of(module: str) -> set[str]:
    return names_in(tree_of(module))


def names_in(tree: ast.Module) -> set[str]:
    """The full names that are imported; of `from a import b` both a and a.b, for b may be a module."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def within(name: str, packages: Iterable[str]) -> bool:
    """Whether a name is one of the packages, or something inside one."""
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def floor_of(name: str) -> str:
    """The floor on which a module, or a name in it, stands: a file or a folder of graph or models; simulator is one."""
    first, *rest = name.split(".")
    return first if first == "simulator" else ".".join([first, *rest[:1]])
