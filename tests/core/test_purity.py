"""The decision core does no I/O and reads no clock."""

import ast
from pathlib import Path

import pytest

import gateway.core

CORE = Path(gateway.core.__file__).parent
MODULES = sorted(CORE.glob("**/*.py"))
FORBIDDEN = frozenset(
    {
        "asyncio",
        "aiohttp",
        "socket",
        "ssl",
        "OpenSSL",
        "sqlite3",
        "sqlalchemy",
        "logging",
        "structlog",
    }
    | {"pathlib", "os", "io", "subprocess", "threading", "time", "random", "secrets"}
)
CLOCKS = frozenset({"now", "utcnow", "today"})
IMPURE_BUILT_INS = frozenset({"open", "print", "input", "exec", "eval"})


def imported(tree: ast.AST) -> set[str]:
    """The first part of the name of every module that is imported anywhere in `tree`."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return {name.partition(".")[0] for name in found}


def called(tree: ast.AST) -> set[str]:
    """The last part of the name of everything that is called in `tree`."""
    functions = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    attributes = {node.attr for node in functions if isinstance(node, ast.Attribute)}
    return attributes & CLOCKS | {node.id for node in functions if isinstance(node, ast.Name)}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
class TestModule:
    """Each module of the core."""

    def test_imports_nothing_that_reaches_out(self, path: Path) -> None:
        """Network, files, database, logs and clocks are other packages' matter."""
        assert not imported(ast.parse(path.read_text())) & FORBIDDEN

    def test_asks_no_clock(self, path: Path) -> None:
        """Time is an argument; a file is somebody else's."""
        assert not called(ast.parse(path.read_text())) & (CLOCKS | IMPURE_BUILT_INS)

    def test_imports_the_core_and_errors_alone(self, path: Path) -> None:
        """Of this program, the core knows nothing but itself and the errors."""
        names = {
            node.module
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("gateway")
        }
        assert all(n == "gateway.errors" or f"{n}.".startswith("gateway.core.") for n in names if n)


@pytest.mark.parametrize(
    "source",
    ["import time", "from os import path", "def f():\n    import asyncio.events"],
)
def test_the_walk_sees_imports(source: str) -> None:
    """An import is found wherever it stands and however it is written."""
    assert imported(ast.parse(source)) & FORBIDDEN


@pytest.mark.parametrize(
    "source", ["datetime.now(UTC)", "date.today()", "x = dt.datetime.utcnow()"]
)
def test_the_walk_sees_clocks(source: str) -> None:
    """A clock is found by the name of its method."""
    assert called(ast.parse(source)) & CLOCKS
