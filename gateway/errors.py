"""Exceptions of the gateway: each means that something could not be found out or done.

A denial is never an exception; see `gateway.core.decision`. The text of each is one sentence for an
administrator that names the key, file, row or option to change.
"""


class GatewayError(Exception):
    """Base of all errors that carry a sentence for an administrator."""


class ConfigError(GatewayError):
    """The configuration cannot be used; the text lists every problem, one a line."""


class CertificateError(GatewayError):
    """A certificate or key cannot be read, or is not what its place needs."""


class CrlError(GatewayError):
    """A CRL cannot be fetched, read or believed."""


class RequestError(GatewayError):
    """A request cannot be taken: it has no single meaning, or is more than the limits allow.

    Attributes:
        status: the HTTP status that its client gets.
    """

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class DirectoryError(GatewayError):
    """Mailboxes cannot be read from where they come from, or contradict each other."""


class StateError(GatewayError):
    """The store cannot be read or written, or refuses the change."""


class UpstreamError(GatewayError):
    """The mail server could not be reached, or its answer has no single meaning."""


class UpstreamFullError(UpstreamError):
    """For the mail server there are as many connections or bytes as the configuration allows."""


class ProfileError(GatewayError):
    """A device profile cannot be read, made or signed."""


class WbxmlError(GatewayError):
    """Bytes are not a WBXML document of ActiveSync, or an element cannot become one."""
