"""The DevTools protocol over the pipe of `--remote-debugging-pipe`: commands, answers, events."""

import json
import os
import select
import time
from typing import Any

Message = dict[str, Any]

_PATIENCE_SECONDS = 60.0
_PIECE = 65536


class DevTools:
    """One browser's end of the protocol.

    Attributes:
        events: all that the browser told of its own accord, in order.
    """

    def __init__(self, reading: int, writing: int) -> None:
        self.events: list[Message] = []
        self._reading = reading
        self._writing = writing
        self._number = 0
        self._rest = b""

    def call(self, method: str, *, session: str | None = None, **parameters: object) -> Message:
        """The result of a command; the browser must know and take it."""
        self._number += 1
        message: Message = {"id": self._number, "method": method, "params": parameters}
        if session is not None:
            message["sessionId"] = session
        os.write(self._writing, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                assert "error" not in answer, (method, answer["error"])
                result: Message = answer["result"]
                return result
            self.events.append(answer)

    def wait_for(self, method: str, after: int) -> Message:
        """The first event of that name behind the first `after` ones."""
        seen = after
        while True:
            for event in self.events[seen:]:
                if event["method"] == method:
                    return event
            seen = len(self.events)
            self.events.append(self._next())

    def _next(self) -> Message:
        end = time.monotonic() + _PATIENCE_SECONDS
        while b"\0" not in self._rest:
            left = end - time.monotonic()
            ready, _, _ = select.select([self._reading], [], [], max(left, 0))
            assert ready, "the browser says nothing"
            piece = os.read(self._reading, _PIECE)
            assert piece, "the browser has ended"
            self._rest += piece
        message, _, self._rest = self._rest.partition(b"\0")
        found: Message = json.loads(message)
        return found
