"""How large the body of a request may be, by its command."""

from dataclasses import dataclass

from gateway.config_limits import Limits
from gateway.config_upstream import Upstream
from gateway.errors import RequestError

_LARGE = frozenset(("SendMail", "SmartForward", "SmartReply", "Sync"))
"""What carries mail: a Sync does, too, with drafts and their attachments (MS-ASCMD section 2.2.1.21
since version 16.0). All others, even ItemOperations, only say what they want."""

_OTHER_PATH = "/"  # such a route has its path for a command

_TOO_LARGE = 413


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """Bytes of one request body that are taken.

    Attributes:
        large: of a command that carries mail, and at the paths that `eas.allowed_paths` opens.
        small: of any other; no more than `large`.
    """

    large: int
    small: int

    @classmethod
    def of(cls, limits: Limits, upstream: Upstream) -> "BodyLimits":
        """Those of the configuration; what is read whole must fit the upstream's buffer, too."""
        large = limits.body_bytes
        if upstream.request_body == "buffer":
            large = min(large, upstream.buffer_limit_bytes)
        return cls(large=large, small=min(limits.small_body_bytes, large))

    def refuses(self, command: str, length: int) -> RequestError | None:
        """A 413 for a body of `length` bytes or more, None if that is not too much."""
        if length <= self.small:
            return None
        key, limit = "small_body", self.small
        if command in _LARGE or command.startswith(_OTHER_PATH):
            key, limit = "body", self.large
        if length <= limit:
            return None
        detail = f"the body of {command} is larger than {limit} bytes (limits.{key}_bytes)"
        return RequestError(detail, _TOO_LARGE)
