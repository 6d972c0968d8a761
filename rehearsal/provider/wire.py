"""Values as they travel between the Pulumi engine and a provider.

Source: sdk/go/common/resource/plugin/rpc.go. We decline secrets and resource references, so that only plain
values, assets and (in previews) unknowns arrive; the engine marks secrets again by property name.
"""

from __future__ import annotations

import datetime
from typing import Any

from google.protobuf import struct_pb2
from google.protobuf.json_format import MessageToDict

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""Stands for a value that is not known before something else was made (previews only)."""
SIGNATURE = "4dabf18193072939515e22adb298388d"
SECRET = "1b47061264138c4ac30d75fd1eb44270"
ASSET = "c44067f5952c0a294b673a41bacd8c17"

Props = dict[str, Any]


def decode(message: struct_pb2.Struct) -> Props:
    """A protobuf struct as plain Python values: whole numbers are ints, secrets are opened, nulls dropped."""
    return {key: value for key, value in _plain(MessageToDict(message)).items() if value is not None}


def encode(props: Props) -> struct_pb2.Struct:
    """The reverse of `decode`."""
    message = struct_pb2.Struct()
    message.update(_sendable(props))
    return message


def has_unknown(value: Any) -> bool:
    """Whether any part of the value is not known yet."""
    if isinstance(value, dict):
        return any(has_unknown(v) for v in value.values())
    if isinstance(value, list):
        return any(has_unknown(v) for v in value)
    return bool(value == UNKNOWN)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        if value.get(SIGNATURE) == SECRET:
            return _plain(value["value"])
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_plain(v) for v in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _sendable(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _sendable(v) for k, v in value.items() if v is not None}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_sendable(v) for v in value]
    if isinstance(value, datetime.datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, bytes):
        return value.decode()
    return value
