"""Log lines are JSON with the same fields, whoever writes them."""

import io
import json
import logging
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
import structlog

from gateway.config import Log, LogFormat
from gateway.telemetry.logs import configure_logging


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Where the log goes; all settings are as before afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers = []  # those of pytest would be closed by the configuration under test
    yield io.StringIO()
    structlog.reset_defaults()
    root.handlers = handlers
    root.setLevel(level)


def test_a_line_is_json_with_event_level_utc_time_and_process(stream: io.StringIO) -> None:
    """Operations can filter on the same four fields everywhere."""
    configure_logging(Log(), process="worker-1", stream=stream)
    structlog.get_logger().info("request.denied", reason="USER_MISMATCH")
    line = json.loads(stream.getvalue())
    assert datetime.fromisoformat(line.pop("timestamp")).utcoffset() == timedelta(0)
    assert line == {
        "event": "request.denied",
        "level": "info",
        "process": "worker-1",
        "reason": "USER_MISMATCH",
    }


def test_lines_below_the_level_are_not_written(stream: io.StringIO) -> None:
    """log.level is the least that is written."""
    configure_logging(Log(level="warning"), process="control", stream=stream)
    structlog.get_logger().info("crl.refreshed")
    structlog.get_logger().warning("crl.stale")
    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == ["crl.stale"]


def test_a_warning_of_a_library_has_the_same_form(stream: io.StringIO) -> None:
    """What aiohttp has to say is JSON, too; its chatter is not written."""
    configure_logging(Log(level="debug"), process="control", stream=stream)
    logging.getLogger("aiohttp.server").info("chatter")
    logging.getLogger("aiohttp.server").error("Error %s", "handling request")
    line = json.loads(stream.getvalue())
    assert line["event"] == "Error handling request"
    assert (line["level"], line["process"]) == ("error", "control")


def test_an_exception_stays_on_one_line(stream: io.StringIO) -> None:
    """A traceback is a field, so that one event is one line."""
    configure_logging(Log(), process="control", stream=stream)
    try:
        int("odd")
    except ValueError:
        structlog.get_logger().exception("task.failed")
    [line] = stream.getvalue().splitlines()
    assert "ValueError: invalid literal" in json.loads(line)["exception"]


def test_the_console_format_is_for_people(stream: io.StringIO) -> None:
    """log.format = "console" gives plain text, without colours outside a terminal."""
    configure_logging(Log(format=LogFormat.CONSOLE), process="control", stream=stream)
    structlog.get_logger().info("supervisor.started", workers=2)
    assert "supervisor.started" in stream.getvalue()
    assert "\x1b" not in stream.getvalue()
