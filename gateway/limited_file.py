"""Files that an administrator names, read whole as long as they are no larger than they may be."""

from pathlib import Path

from gateway.errors import GatewayError


def read_limited(path: Path, limit: int, problem: type[GatewayError]) -> bytes:
    """The content of a file of at most `limit` bytes.

    Raises:
        GatewayError: of the kind `problem`, if the file cannot be read or is larger; no more than
            one byte beyond the limit is read.
    """
    try:
        with path.open("rb") as file:
            content = file.read(limit + 1)
    except OSError as error:
        raise problem(f"{path}: cannot be read: {error.strerror}") from error
    if len(content) > limit:
        raise problem(f"{path}: is larger than {limit} bytes")
    return content
