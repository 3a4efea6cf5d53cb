"""Entries of the journal as text, and small: the API server reads and writes the whole record with each change.

What is alike in all entries is not in them; it is in `_USUAL`, which they are packed against. So `_USUAL` must stay as
it is: an entry can only be read by what it was packed with, and the next process may be of another version.
"""

from base64 import b64decode, b64encode
from typing import Final
from zlib import compressobj, decompressobj

import msgspec

from model import names

_USUAL: Final = msgspec.msgpack.encode(
    {
        "draft": {
            "metadata": {
                "name": "pvc-",
                "annotations": {
                    names.PROVISIONED_BY: "",
                    names.DELETION_SECRET_NAME: "",
                    names.DELETION_SECRET_NAMESPACE: "",
                },
                "finalizers": [names.EXTERNAL_PROVISIONER],
            },
            "spec": {
                "accessModes": ["ReadWriteOnce"],
                "volumeMode": "Filesystem",
                "persistentVolumeReclaimPolicy": "Delete",
                "storageClassName": "",
                "claimRef": {
                    "kind": "PersistentVolumeClaim",
                    "namespace": "default",
                    "name": "",
                    "uid": "",
                    "apiVersion": "v1",
                    "resourceVersion": "",
                },
                "csi": {"driver": ""},
            },
        },
        "request": b"",
        "secret": None,
        "node": "",
        "places": "",
        "first": 0,
    }
)
"""A job without anything of its own."""


def packed(content: bytes) -> str:
    """Content as text."""
    squeezed = compressobj(zdict=_USUAL)
    return b64encode(squeezed.compress(content) + squeezed.flush()).decode()


def unpacked(text: str) -> bytes:
    """The content of a text.

    Raises:
        ValueError, zlib.error: it has none, or is cut off.
    """
    read = decompressobj(zdict=_USUAL)
    content = read.decompress(b64decode(text))
    if not read.eof:
        raise ValueError("the text is cut off")
    return content
