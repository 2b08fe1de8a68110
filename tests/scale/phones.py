"""Certificates for thousands of phones, by the PKI of the tests."""

from collections.abc import Callable
from pathlib import Path

from bench.phones import Phones, issue_phones
from tests.helpers import Pki


def make_phones(folder: Path, pki: Pki, count: int, mailbox_of: Callable[[int], str]) -> Phones:
    """`count` phones in the new `folder`; `mailbox_of` tells whose a phone is."""
    return issue_phones(folder, pki.issuing, [mailbox_of(number) for number in range(count)])
