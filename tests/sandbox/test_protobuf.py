"""Protobuf bodies mean what the same objects mean in JSON."""

import base64
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.errors import ApiError
from sandbox.protobuf import read
from sandbox.schema import decode
from tests.sandbox.records import kind_of, objects

MAGIC = b"k8s\x00"
CLAIM = kind_of(["v1", "PersistentVolumeClaim"])


def varint(number):
    low, rest = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + varint(rest) if rest else bytes([low])


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    content = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(content)) + content


def body(api_version, kind, *fields):
    return MAGIC + field(1, field(1, api_version) + field(2, kind)) + field(2, b"".join(fields))


@pytest.mark.parametrize(("kind", "row"), objects(), ids=lambda value: getattr(value, "kind", ""))
def test_what_a_real_server_wrote_is_read_as_it_wrote_it_in_json(kind, row):
    decoded = decode(kind, read(base64.b64decode(row["protobuf"]))).value
    for template in (decoded.get("spec") or {}).get("volumeClaimTemplates") or ():
        # The names of a nested object's kind are no part of its protobuf form.
        template |= {"apiVersion": "v1", "kind": "PersistentVolumeClaim"}
    assert decoded == row["object"]


def test_what_kubectl_sends_to_create_a_namespace_is_read():
    sent = body("v1", "Namespace", field(1, field(1, "demo")), field(2, b""), field(3, b""))
    assert read(sent) == {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": "demo"},
        "spec": {},
        "status": {},
    }


def test_the_options_of_a_deletion_are_read_in_any_group():
    sent = body("policy/v1", "DeleteOptions", field(1, 5), field(4, "Background"))
    assert read(sent) == {
        "apiVersion": "policy/v1",
        "kind": "DeleteOptions",
        "gracePeriodSeconds": 5,
        "propagationPolicy": "Background",
    }


def test_negative_numbers_and_fields_of_a_newer_release_are_read():
    sent = body("v1", "Pod", field(2, field(4, 2**64 - 1) + field(5000, "new")))
    assert read(sent)["spec"] == {"terminationGracePeriodSeconds": -1}


REFUSED = {
    "another format": (b'{"kind": "Pod"}', 400),
    "nothing behind the magic": (MAGIC, 415),
    "an unknown kind": (body("v9", "Nothing"), 415),
    "a field that is cut off": (body("v1", "Pod")[:-1] + b"\x20abc", 400),
    "a number that never ends": (MAGIC + b"\xff" * 12, 400),
    "a number where a message belongs": (body("v1", "Pod", field(1, 7)), 400),
    "text that is no UTF-8": (body("v1", "Pod", field(1, field(1, b"\xff"))), 400),
    "a group of old": (MAGIC + b"\x0b", 400),
}


@pytest.mark.parametrize(("sent", "code"), REFUSED.values(), ids=REFUSED)
def test_a_body_that_is_none_is_refused(sent, code):
    with pytest.raises(ApiError) as raised:
        read(sent)
    assert raised.value.code == code


@given(st.binary(max_size=200), st.sampled_from([b"", MAGIC, body("v1", "Pod")[:-1], body("v1", "Secret")]))
def test_any_bytes_are_an_object_or_an_api_error(noise, start):
    with contextlib.suppress(ApiError):
        assert "kind" in read(start + noise)
