"""`make pkits`: how many cases of PKITS went as they should, and each that did not.

With `--table` it prints the table of docs/pkits.md.
"""

import asyncio
import sys
import tempfile
from pathlib import Path

from tests.pkits.report import summary, table
from tests.pkits.suite import run


def main() -> int:
    """Run the suite; the status is 1 if a path that PKITS calls invalid was accepted."""
    with tempfile.TemporaryDirectory() as directory:
        outcomes = asyncio.run(run(Path(directory)))
    sys.stdout.write(table(outcomes) if "--table" in sys.argv else summary(outcomes))
    return int(any(one.accepted and not one.case.is_valid for one in outcomes))


if __name__ == "__main__":
    sys.exit(main())
