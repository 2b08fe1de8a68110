"""`serve` says what it lacks and ends with 2."""

import socket

from tests.blackbox.bed import HOST, Bed, set_up


def test_a_port_in_use_is_named(unserved: Bed) -> None:
    """One sentence names listen.port and says what to do."""
    set_up(unserved, f"http://{HOST}:1")
    with socket.create_server((HOST, unserved.port)):
        done = unserved.serve_once()
    assert done.returncode == 2
    assert f"cannot listen on {HOST} port {unserved.port}" in done.stderr
    assert "change listen.port" in done.stderr


def test_missing_root_and_upstream_are_named_together(unserved: Bed) -> None:
    """Each is a line that says what to do: a command to run, a table to write."""
    text = unserved.config.read_text()
    unserved.config.write_text(text.partition("[[upstream]]")[0])
    done = unserved.serve_once()
    assert done.returncode == 2
    lines = done.stderr.splitlines()
    assert any("no root CA" in line and "eas-gateway ca add --type root" in line for line in lines)
    assert any("upstream" in line and "[[upstream]]" in line for line in lines)
