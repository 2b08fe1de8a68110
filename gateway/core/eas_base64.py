"""The base64 form of an ActiveSync query, byte by byte (MS-ASHTTP 2.2.1.1.1.1).

Reads and writes the blob alone; `gateway.core.eas_query` decides that a query is one.
"""

import base64
import binascii
import re

from gateway.core.eas import COMMAND_CODES, EasRequest, QueryForm
from gateway.errors import RequestError

_VERSIONS = {121: "12.1", 140: "14.0", 141: "14.1", 160: "16.0", 161: "16.1"}
_VERSION_BYTES = {name: byte for byte, name in _VERSIONS.items()}
_COMMAND_BYTES = {name: byte for byte, name in COMMAND_CODES.items()}

# 2.2.1.1.1.1.3; Z-Push also knows 2 and 5, which older clients sent.
_TAGS = {
    0: "AttachmentName",
    1: "CollectionId",
    2: "CollectionName",
    3: "ItemId",
    4: "LongId",
    5: "ParentId",
    6: "Occurrence",
    7: "Options",
    8: "User",
}
_TAG_BYTES = {name: tag for tag, name in _TAGS.items()}

_SHORTEST = 8
_POLICY_KEY_LENGTHS = (0, 4)
_LONGEST_FIELD = 255
_MAX_PADDING = 2
_DEVICE_ID_TEXT = re.compile(rb"[A-Za-z0-9]+")
_PRINTABLE = re.compile(rb"[ -~]*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class _Fields:
    """The bytes of a blob, taken from front to end and never past it."""

    def __init__(self, blob: bytes) -> None:
        self._blob = blob
        self._at = 0

    def __bool__(self) -> bool:
        return self._at < len(self._blob)

    def take(self, length: int) -> bytes:
        end = self._at + length
        if end > len(self._blob):
            raise RequestError("the base64 query has a length that points past its end")
        taken = self._blob[self._at : end]
        self._at = end
        return taken

    def number(self) -> int:
        return self.take(1)[0]

    def counted(self) -> bytes:
        return self.take(self.number())


def decode_blob(text: str) -> EasRequest:
    """Return what the blob says; `text` is base64, padded or not, with `+ / =` raw or encoded.

    Raises:
        RequestError: The blob is broken, or names a version, command or parameter that does not
            exist.
    """
    blob = _bytes_of(text)
    if len(blob) < _SHORTEST:
        raise RequestError(f"the base64 query is shorter than {_SHORTEST} bytes")
    fields = _Fields(blob)
    version = _VERSIONS.get(fields.number())
    command = COMMAND_CODES.get(fields.number())
    if version is None or command is None:
        raise RequestError("the base64 query has an unknown protocol version or command code")
    locale = int.from_bytes(fields.take(2), "little")
    device_id = fields.counted()
    policy_key = fields.counted()
    device_type = fields.counted()
    parameters = _parameters(fields)
    if not device_id:
        raise RequestError("the base64 query has an empty device id")
    if len(policy_key) not in _POLICY_KEY_LENGTHS:
        raise RequestError("the policy key in the base64 query is neither 0 nor 4 bytes long")
    if not _PRINTABLE.fullmatch(device_type):
        raise RequestError("the device type in the base64 query is not printable ASCII")
    is_text = _DEVICE_ID_TEXT.fullmatch(device_id) is not None
    return EasRequest(
        command=command,
        user=parameters.pop("User", None) or None,
        device_id=device_id.decode("ascii") if is_text else device_id.hex(),
        device_type=device_type.decode("ascii"),
        protocol_version=version,
        policy_key=int.from_bytes(policy_key, "little") if policy_key else None,
        locale=locale,
        parameters=tuple(parameters.items()),
        query_form=QueryForm.BASE64,
        device_id_is_hex=not is_text,
    )


def encode_blob(request: EasRequest) -> bytes:
    """Return the padded base64 of a request that `decode_blob` returned, its User at the end.

    Raises:
        RequestError: A field was replaced by one that is longer than 255 bytes or has no code.
    """
    device_id = request.device_id or ""
    policy_key = request.policy_key
    parameters = list(request.parameters)
    if request.user is not None:
        parameters.append(("User", request.user))
    try:
        blob = bytearray((_VERSION_BYTES[request.protocol_version or ""],))
        blob.append(_COMMAND_BYTES[request.command or ""])
        blob += (request.locale or 0).to_bytes(2, "little")
        blob += _counted(
            bytes.fromhex(device_id) if request.device_id_is_hex else device_id.encode("ascii")
        )
        blob += _counted(b"" if policy_key is None else policy_key.to_bytes(4, "little"))
        blob += _counted((request.device_type or "").encode("ascii"))
        for name, value in parameters:
            blob.append(_TAG_BYTES[name])
            blob += _counted(bytes((int(value),)) if name == "Options" else value.encode("utf-8"))
    except KeyError as error:
        raise RequestError(f"the base64 form of a query has no code for {error}") from error
    return base64.b64encode(blob)


def _bytes_of(text: str) -> bytes:
    if "%" in text:
        for spelled, character in (("%2b", "+"), ("%2f", "/"), ("%3d", "=")):
            text = text.replace(spelled, character).replace(spelled.upper(), character)
    bare = text.rstrip("=")
    padding = len(text) - len(bare)
    missing = -len(bare) % 4
    if missing > _MAX_PADDING or padding not in (0, missing):
        raise RequestError("the base64 query has the wrong length or padding")
    return binascii.a2b_base64(bare + "=" * missing)


def _parameters(fields: _Fields) -> dict[str, str]:
    parameters: dict[str, str] = {}
    while fields:
        name = _TAGS.get(fields.number())
        if name is None:
            raise RequestError("the base64 query has an unknown parameter tag")
        if name in parameters:
            raise RequestError(f"the base64 query has the parameter {name} twice")
        parameters[name] = _value(name, fields.counted())
    return parameters


def _value(name: str, value: bytes) -> str:
    if name == "Options":
        if len(value) != 1:
            raise RequestError("Options in the base64 query is not one byte")
        return str(value[0])
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RequestError(f"{name} in the base64 query is not UTF-8") from error
    if _CONTROL.search(text):
        raise RequestError(f"{name} in the base64 query has a control character")
    return text


def _counted(value: bytes) -> bytes:
    if len(value) > _LONGEST_FIELD:
        raise RequestError(
            f"the base64 form of a query holds {_LONGEST_FIELD} bytes a field, at most"
        )
    return bytes((len(value),)) + value
