"""Tables and JSON on standard output."""

import json
from datetime import UTC, datetime

import pytest

from gateway.cli.tables import print_json, print_pairs, print_table

MOMENT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


class TestTables:
    """`print_table`, `print_pairs` and `print_json`."""

    def test_a_table_cuts_nothing_off(self, capsys: pytest.CaptureFixture[str]) -> None:
        """A long cell stays on its line; brackets are text; None is a dash."""
        print_table(("A", "B"), [("[bold]" + "x" * 500, None), (MOMENT, False)])
        lines = capsys.readouterr().out.splitlines()
        assert lines[0].split() == ["A", "B"]
        assert lines[1].split() == ["[bold]" + "x" * 500, "-"]
        assert lines[2].split() == ["2026-03-04T05:06:07Z", "no"]

    def test_an_empty_table_has_its_titles(self, capsys: pytest.CaptureFixture[str]) -> None:
        """A reader sees what is not there."""
        print_table(("A", "B"), [])
        assert capsys.readouterr().out.split() == ["A", "B"]

    def test_pairs_are_aligned(self, capsys: pytest.CaptureFixture[str]) -> None:
        """Values begin in the same column."""
        print_pairs([("id", 5), ("longer", "")])
        assert capsys.readouterr().out == "id      5\nlonger  -\n"

    def test_json_has_times_as_iso_8601(self, capsys: pytest.CaptureFixture[str]) -> None:
        """What has no JSON form is a mistake of the caller."""
        print_json({"at": MOMENT, "ä": [1]})
        out = capsys.readouterr().out
        assert "ä" in out
        assert json.loads(out) == {"at": "2026-03-04T05:06:07Z", "ä": [1]}
        with pytest.raises(TypeError, match="has no JSON form"):
            print_json(object())
