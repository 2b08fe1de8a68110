"""Mailboxes from a CSV file, such as an export of Active Directory, Exchange or Entra."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gateway.core.mailbox import Mailbox
from gateway.core.names import fold
from gateway.directory.csv_columns import Column, Header, read_header
from gateway.directory.csv_row import read_row
from gateway.errors import DirectoryError

_SHOWN_PROBLEMS = 50


@dataclass(frozen=True, slots=True)
class CsvMailboxes:
    """What a file says.

    Attributes:
        mailboxes: no two of them have a UPN, an address or another identifier in common.
        fields: the fields of `Mailbox` that the file has a column for.
        ignored_columns: the names of the columns that say nothing about a mailbox here.
    """

    mailboxes: tuple[Mailbox, ...]
    fields: frozenset[str]
    ignored_columns: tuple[str, ...]


def read_csv(path: Path) -> CsvMailboxes:
    """The mailboxes in a file; raises DirectoryError with every problem, one a line."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DirectoryError(f"{path}: cannot be read: {error.strerror}") from error
    return parse_csv(content, name=str(path))


def parse_csv(content: bytes, *, name: str) -> CsvMailboxes:
    """The mailboxes in UTF-8 `content`; `name` stands in the errors. Raises DirectoryError.

    Rows are counted as a spreadsheet does: the header is row 1.
    """
    reading = _Reading(name)
    rows = reading.rows(_decode(content, name))
    _, titles = next(rows, (1, []))
    header = read_header([title.strip() for title in titles])
    reading.problems += () if reading.problems else header.problems
    if not reading.problems:
        for number, cells in rows:
            reading.take(header, number, cells)
    reading.raise_problems()
    return CsvMailboxes(
        tuple(reading.mailboxes), _fields(header, reading.mailboxes), header.ignored
    )


class _Reading:
    """One pass over a file: the mailboxes and the problems found so far."""

    def __init__(self, name: str) -> None:
        self.mailboxes: list[Mailbox] = []
        self.problems: list[str] = []
        self._name = name
        self._row_of_upn: dict[str, int] = {}
        self._owner_of_name: dict[str, tuple[int, str]] = {}

    def rows(self, text: str) -> Iterator[tuple[int, list[str]]]:
        """Row numbers and cells; a row that is not CSV ends the reading as a problem."""
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        number = 0
        try:
            for number, cells in enumerate(reader, start=1):
                yield number, cells
        except csv.Error as error:
            self.problems.append(f"row {number + 1}: cannot be read: {error}")

    def take(self, header: Header, number: int, cells: list[str]) -> None:
        """Read one row below the header; a row without any text is none."""
        if not any(cell.strip() for cell in cells):
            return
        if len(cells) != len(header.titles):
            self.problems.append(
                f"row {number}: has {len(cells)} cells, and the header has {len(header.titles)}"
            )
            return
        before = len(self.problems)
        mailbox = read_row(
            {column: cells[place] for column, place in header.positions.items()},
            lambda column, text: self._report(header, number, column, text),
        )
        if len(self.problems) == before:
            self._add(header, number, mailbox)

    def raise_problems(self) -> None:
        """Raises DirectoryError if there was any problem."""
        if self.problems:
            shown = [f"{self._name}: {problem}" for problem in self.problems[:_SHOWN_PROBLEMS]]
            more = len(self.problems) - len(shown)
            raise DirectoryError("\n".join(shown + [f"and {more} more"] * (more > 0)))

    def _report(self, header: Header, number: int, column: Column, text: str) -> None:
        self.problems.append(f"row {number}, column {header.title(column)!r}: {text}")

    def _add(self, header: Header, number: int, mailbox: Mailbox) -> None:
        first = self._row_of_upn.setdefault(mailbox.key, number)
        if first != number:
            problem = f"{mailbox.upn!r} is in row {first} already"
            self._report(header, number, Column.UPN, problem)
            return
        self.mailboxes.append(mailbox)
        # No address is taken for another identifier: each of those has a capital letter in its key.
        names = {fold(address): f"address {address!r}" for address in mailbox.addresses}
        for name, words in {**names, **mailbox.identifiers}.items():
            row, owner = self._owner_of_name.setdefault(name, (number, mailbox.upn))
            if row != number:
                self.problems.append(
                    f"rows {row} and {number}: the {words} cannot be both of "
                    f"{owner} and of {mailbox.upn}"
                )


def _decode(content: bytes, name: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        row = content.count(b"\n", 0, error.start) + 1
        raise DirectoryError(
            f"{name}: row {row}: byte {error.start} is not UTF-8; save the file as CSV UTF-8"
        ) from error


def _fields(header: Header, mailboxes: list[Mailbox]) -> frozenset[str]:
    """The fields that the file knows; the rest of a stored mailbox is none of its business."""
    known = {
        Column.PRIMARY_ADDRESS: {"primary_address"},
        Column.MAIL: {"primary_address"},
        Column.PROXY_ADDRESSES: {"primary_address", "proxy_addresses"},
        Column.SAM_ACCOUNT_NAME: {"sam_account_name"},
        Column.NETBIOS_DOMAIN: {"netbios_domain"},
        Column.ENABLED: {"enabled"},
        Column.CERTIFICATE_USER_IDS: {"certificate_user_ids"},
        Column.ON_PREMISES_UPN: {"on_premises_upn"},
        Column.SECURITY_IDENTIFIER: {"security_identifier"},
        Column.GROUPS: {"groups"},
        Column.UPSTREAM: {"upstream"},
    }
    fields = {field for column in header.positions for field in known.get(column, ())}
    if any(mailbox.netbios_domain for mailbox in mailboxes):
        fields.add("netbios_domain")  # written as DOMAIN\name
    return frozenset(fields)
