"""The process that compiles one large CRL: an order on standard input, the outcome on the output.

A module of its own, as what it sends must have the same name here and where it is read.
"""

import pickle
import sys

from gateway.errors import CrlError
from gateway.revocation.compile import Compiled, Order, compile_here


def main() -> None:
    """Carry out the order; what was wrong with it is an outcome, too."""
    order: Order = pickle.load(sys.stdin.buffer)  # noqa: S301 (our own process wrote it)
    outcome: Compiled | CrlError | OSError
    try:
        outcome = compile_here(order)
    except (CrlError, OSError) as error:
        outcome = error
    pickle.dump(outcome, sys.stdout.buffer)


if __name__ == "__main__":
    main()
