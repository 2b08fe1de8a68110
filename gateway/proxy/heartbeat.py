"""Ping and Sync that ask to be held for shorter or longer than the configuration has it."""

from collections.abc import Mapping
from functools import partial

from gateway.config_eas import Eas
from gateway.core.eas_answer import wbxml_answer
from gateway.core.eas_held import LONGEST_SECONDS, clamp, heartbeat_out_of_bounds, is_sync_held
from gateway.core.wbxml import SMALL_LIMITS
from gateway.errors import WbxmlError
from gateway.proxy.local import Asked, Outcome, PassOn, Responder
from gateway.proxy.refusals import as_local

_SHORTEST_SECONDS = 1


def bounds(eas: Eas) -> Mapping[str, Responder]:
    """Who looks into a command for its interval; nobody where all that the protocol has is let in.

    A device is told the nearest value where its command has an answer for that, and else the mail
    server is. A body that is no document of the command, or a large one, is the mail server's.
    """
    minimum, maximum = eas.minimum_heartbeat_seconds, eas.maximum_heartbeat_seconds
    if (minimum, maximum) == (_SHORTEST_SECONDS, LONGEST_SECONDS):
        return {}
    return {
        command: Responder(
            partial(_bound, command, minimum, maximum), SMALL_LIMITS.size, larger_passes=True
        )
        for command in ("Ping", "Sync")
    }


def _bound(command: str, minimum: int, maximum: int, asked: Asked) -> Outcome:
    try:
        answer = heartbeat_out_of_bounds(command, asked.body, minimum, maximum)
        if answer is not None:
            return as_local(wbxml_answer(answer))
        return PassOn(clamp(command, asked.body, minimum, maximum))
    except WbxmlError:
        return PassOn()


class SyncWait:
    """Whether the Syncs of one connection ask to be held, each by its whole body.

    Attributes:
        asked: whether the last one did; True before the first, for the device has had others.
    """

    __slots__ = ("_pieces", "_size", "asked")

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._size = 0
        self.asked = True

    def begin(self) -> None:
        """A request begins."""
        self._pieces.clear()
        self._size = 0

    def add(self, data: bytes) -> None:
        """Take a part of its body; a large one is not kept, and does not ask to be held."""
        self._size += len(data)
        if self._size <= SMALL_LIMITS.size:
            self._pieces.append(data)

    def end(self, data: bytes = b"") -> bool:
        """The body is whole, with `data` as its last part: whether it asks to be held."""
        self.add(data)
        body, small = b"".join(self._pieces), self._size <= SMALL_LIMITS.size
        self._pieces.clear()
        self.asked = small and is_sync_held(body, before=self.asked)
        return self.asked
