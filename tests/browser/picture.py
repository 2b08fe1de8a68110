"""What can be said of a PNG without showing it."""

import struct
import zlib

_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def width(png: bytes) -> int:
    """Its width in pixels."""
    assert png.startswith(_SIGNATURE)
    found: int = struct.unpack_from(">I", png, 16)[0]
    return found


def values(png: bytes) -> int:
    """How many different bytes its lines are made of: a handful in a blank one, text has many."""
    assert png.startswith(_SIGNATURE)
    position, packed = len(_SIGNATURE), b""
    while position < len(png):
        length, kind = struct.unpack_from(">I4s", png, position)
        if kind == b"IDAT":
            packed += png[position + 8 : position + 8 + length]
        position += length + 12
    return len({*zlib.decompress(packed)})
