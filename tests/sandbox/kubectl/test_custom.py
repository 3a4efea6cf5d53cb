"""Kinds that kubectl defines are used like any other, at once."""

import asyncio

import pytest
import pytest_asyncio

from tests.sandbox.kubectl.manifests import GADGETS, gadget, text
from tests.sandbox.kubectl.tool import headings, rows

pytestmark = [pytest.mark.kubectl, pytest.mark.asyncio(loop_scope="session")]


@pytest_asyncio.fixture(loop_scope="session", autouse=True)
async def gadgets(anywhere):
    await anywhere("apply", "-f", "-", stdin=text(GADGETS))
    await anywhere("wait", "crd/gadgets.demo.io", "--for=condition=Established", "--timeout=20s")


async def test_a_custom_kind_has_its_columns_and_names(kubectl):
    await kubectl("create", "-f", "-", stdin=text(gadget("one", count=2)))
    by_short_name, wide, everything = await asyncio.gather(
        kubectl("get", "gd"), kubectl("get", "gadgets", "-o", "wide"), kubectl("get", "all")
    )
    assert headings(by_short_name) == ["NAME", "SIZE"]
    assert rows(wide)["one"] == ["one", "M", "2"]
    assert "gadget.demo.io/one" in everything


async def test_a_custom_object_is_judged_by_its_schema(kubectl):
    wrong, unknown = await asyncio.gather(
        kubectl.fails("create", "-f", "-", stdin=text(gadget("two", size="XXL", count=-1))),
        kubectl.fails("create", "-f", "-", stdin=text(gadget("two", colour="red"))),
    )
    assert 'spec.size: Unsupported value: "XXL": supported values: "S", "M", "L"' in wrong
    assert "spec.count: Invalid value: -1: spec.count in body should be greater than or equal to 0" in wrong
    assert 'strict decoding error: unknown field "spec.colour"' in unknown


async def test_a_custom_object_is_applied_patched_edited_and_scaled(kubectl):
    await kubectl("apply", "-f", "-", stdin=text(gadget("three", size="S")))
    assert "unchanged" in await kubectl("apply", "-f", "-", stdin=text(gadget("three", size="S")))
    await kubectl("patch", "gd/three", "--type=merge", "-p", '{"spec":{"count":1}}')
    await kubectl.editing("s/size:.S/size:\\ L/")("edit", "gd/three")
    await kubectl("scale", "gd/three", "--replicas=4")
    await kubectl("patch", "gd/three", "--subresource=status", "--type=merge", "-p", '{"status":{"count":3}}')
    three = await kubectl.get("gd/three")
    assert (three["spec"], three["status"]) == ({"size": "L", "count": 4}, {"count": 3})
    refused = await kubectl.fails("patch", "gd/three", "-p", "{}")
    assert "application/merge-patch+json" in refused


async def test_another_version_shows_the_same_object(kubectl):
    await kubectl("create", "-f", "-", stdin=text(gadget("four", size="S")))
    four = await kubectl.get("gadgets.v1beta1.demo.io", "four")
    assert (four["apiVersion"], four["spec"]) == ("demo.io/v1beta1", {"size": "S"})


async def test_a_custom_kind_is_explained(kubectl):
    assert "ENUM:\n    S\n    M\n    L" in await kubectl("explain", "gadget.spec.size")


async def test_a_definition_takes_its_objects_with_it(kubectl):
    other = GADGETS | {"metadata": {"name": "widgets.demo.io"}}
    names = {"plural": "widgets", "kind": "Widget"}
    other["spec"] = GADGETS["spec"] | {"names": names}
    await kubectl("create", "-f", "-", stdin=text(other))
    await kubectl("create", "-f", "-", stdin=text(gadget("w") | {"kind": "Widget"}))
    await kubectl("delete", "crd", "widgets.demo.io")
    assert "NotFound" in await kubectl.fails("get", "crd", "widgets.demo.io")
    refused = await kubectl.fails("get", "--cache-dir", str(kubectl.home / "fresh"), "widgets")
    assert "the server doesn't have a resource type" in refused
