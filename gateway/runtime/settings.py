"""The configuration in use, handed to the processes as it was when it was found right.

config.toml and the files that it names may be broken at any moment by whoever edits them. A worker
that is started again must not depend on that, nor may two workers read two versions. So the
supervisor keeps what it has checked, the files' content included, in one anonymous file in memory
that every process has open; a generation tells a new one.
"""

import base64
import hashlib
import json
import os
import struct
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from gateway.config import Config
from gateway.errors import ConfigError

_HEAD: Final = struct.Struct(">QQ32s")
"""Generation, length of the body, SHA-256 of the body."""

_FOLDER: Final = "state.directory"
"""The one path that is not a file's."""

_TRIES: Final = 200
_PAUSE_SECONDS: Final = 0.01


class SettingsWriter:
    """The supervisor's side.

    Attributes:
        fd: the file that the processes inherit.
        config: what is in it; its paths are those of the disk.
        generation: 1 at first, one more after each `write`.
    """

    def __init__(self, config: Config) -> None:
        """`config` is in use; raises ConfigError if a file that it names cannot be read."""
        self.fd = os.memfd_create("settings")
        self.generation = 0
        self.write(config, contents(config))

    def write(self, config: Config, files: Mapping[Path, bytes]) -> None:
        """The processes find `config` and `files` when they look next."""
        body = json.dumps(
            {
                "config": config.model_dump(mode="json"),
                "files": {str(p): base64.b64encode(c).decode() for p, c in files.items()},
            }
        ).encode()
        self.config, self.files = config, files
        self.generation += 1
        digest = hashlib.sha256(body).digest()
        os.pwrite(self.fd, _HEAD.pack(self.generation, len(body), digest) + body, 0)

    def close(self) -> None:
        """Close the descriptor."""
        os.close(self.fd)


class Settings:
    """The configuration of one generation in a process; its paths lead to the kept content.

    Attributes:
        generation: which one this is.
        config: as `load` gave it, but for the paths of files.
    """

    def __init__(self, fd: int) -> None:
        """Read what the supervisor has written; raises ConfigError if there is nothing whole."""
        self.generation, body = _read(fd)
        values = json.loads(body)
        self._held: list[int] = []
        paths = {name: self._hold(content) for name, content in values["files"].items()}
        try:
            config = Config.model_validate_json(json.dumps(values["config"]))
        except ValidationError as error:
            raise ConfigError(f"the supervisor's configuration: {error}") from error
        self.config = _with_paths(config, paths)

    def close(self) -> None:
        """Nothing reads the files any more."""
        while self._held:
            os.close(self._held.pop())

    def _hold(self, content: str) -> Path:
        fd = os.memfd_create("file")
        self._held.append(fd)
        os.write(fd, base64.b64decode(content))
        return Path(f"/proc/self/fd/{fd}")


def generation(fd: int) -> int:
    """The generation that the supervisor wrote last; costs a microsecond."""
    return int(_HEAD.unpack(os.pread(fd, _HEAD.size, 0))[0])


def contents(config: Config) -> Mapping[Path, bytes]:
    """What is in the files that `config` names; raises ConfigError that names key and file."""
    found = {}
    for key, path in _paths(config):
        try:
            found[path] = path.read_bytes()
        except OSError as error:
            raise ConfigError(f"{key}: {path}: {error.strerror}") from error
    return found


def _paths(value: object, key: str = "") -> Iterator[tuple[str, Path]]:
    if isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _paths(getattr(value, name), f"{key}.{name}" if key else name)
    elif isinstance(value, tuple):
        for one in value:
            yield from _paths(one, key)
    elif isinstance(value, Path) and key != _FOLDER:
        yield key, value


def _with_paths(config: Config, paths: Mapping[str, Path]) -> Config:
    """`config` with the files that `_paths` finds replaced, and nothing else."""
    found: Config = _replaced(config, paths, "")
    return found


def _replaced(value: Any, paths: Mapping[str, Path], key: str) -> Any:
    if isinstance(value, BaseModel):
        fields = type(value).model_fields
        inside = {
            n: _replaced(getattr(value, n), paths, f"{key}.{n}" if key else n) for n in fields
        }
        return value.model_copy(update=inside)
    if isinstance(value, tuple):
        return tuple(_replaced(one, paths, key) for one in value)
    return paths[str(value)] if isinstance(value, Path) and key != _FOLDER else value


def _read(fd: int) -> tuple[int, bytes]:
    """The last whole state; the supervisor may be writing in this moment."""
    for _ in range(_TRIES):
        head = os.pread(fd, _HEAD.size, 0)
        if len(head) == _HEAD.size:
            number, length, digest = _HEAD.unpack(head)
            body = os.pread(fd, length, _HEAD.size)
            if hashlib.sha256(body).digest() == digest:
                return number, body
        time.sleep(_PAUSE_SECONDS)
    raise ConfigError("the supervisor's configuration cannot be read; restart the gateway")
