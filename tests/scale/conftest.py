"""What the lines of the table share, and the table."""

from collections.abc import Generator

import pytest

from bench import processes
from tests.scale.figures import Figures

_FIGURES = pytest.StashKey[Figures]()
_FILES = 10_000


def pytest_configure(config: pytest.Config) -> None:
    """Processes that hold thousands of connections may open as many files."""
    config.stash[_FIGURES] = Figures()
    processes.allow_open_files(_FILES)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """All that was measured."""
    terminalreporter.section("figures")
    terminalreporter.write_line(terminalreporter.config.stash[_FIGURES].table())


@pytest.fixture(scope="session")
def figures(pytestconfig: pytest.Config) -> Figures:
    """Where to put what was measured."""
    return pytestconfig.stash[_FIGURES]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """A test whose figures are not as they have to be has failed."""
    figures = item.config.stash[_FIGURES]
    before = len(figures.all)
    yield
    if missed := figures.missed(before):
        pytest.fail("\n".join(missed), pytrace=False)
