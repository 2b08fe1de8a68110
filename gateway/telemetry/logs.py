"""Log lines: JSON on standard error, the same fields from every process."""

import json
import logging
import sys
from typing import TextIO

import structlog
from structlog.typing import EventDict, Processor

from gateway.config import Log, LogFormat


def configure_logging(settings: Log, *, process: str, stream: TextIO | None = None) -> None:
    """From now on this process logs to `stream` (standard error), libraries included.

    Each line has `event` (dotted), `level`, `timestamp` (ISO 8601, UTC) and `process`, the name of
    this one, such as "worker-1".
    """

    def name_the_process(_logger: object, _method: str, event: EventDict) -> EventDict:
        event["process"] = process
        return event

    stream = stream or sys.stderr
    level = logging.getLevelNamesMapping()[settings.level.upper()]
    shared: list[Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        name_the_process,
    ]
    ending = _ending(settings.format, colours=stream.isatty())
    structlog.configure(
        processors=[*shared, *ending],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=stream),
        cache_logger_on_first_use=True,
    )
    _configure_libraries(level, [*shared], ending, stream)


def _ending(log_format: LogFormat, *, colours: bool) -> list[Processor]:
    if log_format is LogFormat.CONSOLE:
        return [structlog.dev.ConsoleRenderer(colors=colours)]
    encoder = json.JSONEncoder(default=repr)  # json.dumps would make one for each line

    def encode(event: EventDict, **_: object) -> str:
        return encoder.encode(event)

    return [
        structlog.processors.format_exc_info,
        structlog.processors.JSONRenderer(serializer=encode),
    ]


def _configure_libraries(
    level: int, shared: list[Processor], ending: list[Processor], stream: TextIO
) -> None:
    """Libraries log through the standard library; their warnings become lines of the same form."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *ending],
        )
    )
    logging.basicConfig(level=max(level, logging.WARNING), handlers=[handler], force=True)
