"""Where `profile` writes: files that their owner alone reads, each whole or not at all."""

import json
import secrets
from pathlib import Path

import click

from gateway.errors import ProfileError
from gateway.pki.files import create_secret


def write_profile(path: Path, content: bytes, *, replace: bool) -> None:
    """`path` is a file with `content` and mode 0600.

    Raises ProfileError if it is there already and `replace` is false, CertificateError if it
    cannot be written; nothing is half-written.
    """
    if path.exists() and not replace:
        raise ProfileError(f"{path} is there already; --replace overwrites it")
    staging = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        create_secret(staging, content)
        staging.replace(path)
    except OSError as error:
        raise ProfileError(f"{path}: cannot be written: {error.strerror}") from error
    finally:
        staging.unlink(missing_ok=True)


def write_json(path: Path | None, value: object, *, replace: bool) -> None:
    """The JSON is in `path` as `write_profile` has it, or on standard output where that is None."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    if path is None:
        click.echo(text)
    else:
        write_profile(path, f"{text}\n".encode(), replace=replace)
        click.echo(f"wrote {path}")
