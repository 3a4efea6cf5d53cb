"""Lists: at which version, in which chunks, and which objects they show."""

import asyncio

import pytest

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def _maps(place, *names, labels=None):
    for name in names:
        await place.made("configmaps", {"metadata": {"name": name, "labels": labels or {}}, "data": {"of": name}})


async def test_a_list_is_ordered_by_name_and_says_at_which_version_it_is(place):
    await _maps(place, "b", "a", "c")
    listed = await place.list("configmaps")
    assert (listed.status, listed.names, listed.body["kind"], listed.body["apiVersion"]) == (
        *(200, ["a", "b", "c"]),
        *("ConfigMapList", "v1"),
    )
    newest = max(int(each["metadata"]["resourceVersion"]) for each in listed.body["items"])
    assert int(listed.version) >= newest


async def test_the_items_of_a_list_leave_kind_and_version_to_the_list(place):
    await _maps(place, "a")
    (item,) = (await place.list("configmaps")).body["items"]
    assert {"apiVersion", "kind"}.isdisjoint(item)


async def test_a_list_is_never_older_than_the_version_it_was_asked_for(place):
    await _maps(place, "a")
    made = await place.made("configmaps", {"metadata": {"name": "b"}})
    for match in ({}, {"resourceVersionMatch": "NotOlderThan"}):
        listed = await place.list("configmaps", resourceVersion=made["metadata"]["resourceVersion"], **match)
        assert listed.names == ["a", "b"]
        assert int(listed.version) >= int(made["metadata"]["resourceVersion"])


async def test_version_zero_is_any_and_no_version_is_the_newest(place):
    await _maps(place, "a")
    assert (await place.list("configmaps")).names == ["a"]
    assert (await place.list("configmaps", resourceVersion="0")).status == 200


async def test_an_exact_version_shows_what_was_there_then(place):
    await _maps(place, "a", "b")
    then = (await place.list("configmaps")).version
    await place.delete("configmaps", "a")
    await _maps(place, "c")
    exact = await place.list("configmaps", resourceVersion=then, resourceVersionMatch="Exact")
    assert (exact.names, exact.version) == (["a", "b"], then)
    assert (await place.list("configmaps")).names == ["b", "c"]


async def test_a_version_that_is_yet_to_come_is_awaited_in_vain(place):
    current = int((await place.list("configmaps")).version)
    listed = await place.list("configmaps", resourceVersion=str(current + 10_000))
    assert listed.verdict == (504, "Timeout", {("", "ResourceVersionTooLarge")})
    assert listed.body["details"]["retryAfterSeconds"] == 1


@pytest.mark.parametrize(
    ("options", "objection"),
    [
        ({"resourceVersionMatch": "Exact"}, ("resourceVersionMatch", "FieldValueForbidden")),
        (
            {"resourceVersion": "0", "resourceVersionMatch": "Exact"},
            ("resourceVersionMatch", "FieldValueForbidden"),
        ),
        (
            {"resourceVersion": "1", "resourceVersionMatch": "Nearly"},
            ("resourceVersionMatch", "FieldValueNotSupported"),
        ),
        (
            {"continue": "x", "resourceVersionMatch": "Exact", "resourceVersion": "1"},
            ("resourceVersionMatch", "FieldValueForbidden"),
        ),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else None,
)
async def test_versions_and_matches_must_go_together(place, options, objection):
    assert (await place.list("configmaps", **options)).verdict == (422, "Invalid", {objection})


@pytest.mark.parametrize(
    "options",
    [
        {"resourceVersion": "yesterday"},
        {"continue": "nonsense"},
        {"labelSelector": "a in"},
        {"fieldSelector": "a"},
        {"fieldSelector": "spec.colour=red"},
        {"limit": "many"},
    ],
    ids=lambda options: next(iter(options)),
)
async def test_what_can_not_be_read_is_refused(place, options):
    answer = await place.list("configmaps", **options)
    assert (answer.status, answer.body["reason"]) == (400, "BadRequest")


async def test_chunks_together_are_the_list_as_it_was_at_the_first(place):
    names = [f"m{number}" for number in range(5)]
    await _maps(place, *names)
    first = await place.list("configmaps", limit="2")
    assert (first.names, first.body["metadata"]["remainingItemCount"]) == (names[:2], 3)
    await place.delete("configmaps", "m3")
    await _maps(place, "m9")
    second = await place.list("configmaps", limit="2", **{"continue": first.body["metadata"]["continue"]})
    assert (second.names, second.version) == (names[2:4], first.version)
    last = await place.list("configmaps", limit="2", **{"continue": second.body["metadata"]["continue"]})
    assert (last.names, last.body["metadata"].get("continue", "")) == (names[4:], "")
    assert "remainingItemCount" not in last.body["metadata"]


async def test_a_limit_that_suffices_makes_no_chunks(place):
    await _maps(place, "a", "b")
    listed = await place.list("configmaps", limit="2")
    assert listed.names == ["a", "b"]
    assert {"continue", "remainingItemCount"}.isdisjoint(listed.body["metadata"])


async def test_with_a_selector_nobody_counts_the_rest(place):
    await _maps(place, "a", "b", "c", labels={"tier": "x"})
    listed = await place.list("configmaps", limit="1", labelSelector="tier=x")
    assert listed.body["metadata"]["continue"]
    assert "remainingItemCount" not in listed.body["metadata"]


async def _events(place, *names):
    about = {"kind": "ConfigMap", "name": "a", "namespace": place.namespace}
    for name in names:
        await place.made("events", {"metadata": {"name": name}, "involvedObject": about})


# Events are the one resource of which the real server keeps no cache: their history is gone at once.
async def test_a_continue_token_that_is_too_old_comes_with_one_for_the_rest(place):
    await _events(place, "a", "b", "c")
    token = (await place.list("events", limit="1")).body["metadata"]["continue"]
    await _events(place, "d")
    await place.api.forget()
    expired = await place.list("events", limit="1", **{"continue": token})
    assert expired.refusal[:2] == (410, "Expired")
    assert expired.refusal[2].startswith("The provided continue parameter is too old to display a consistent list")
    rest = await place.list("events", **{"continue": expired.body["metadata"]["continue"]})
    assert rest.names == ["b", "c", "d"]


async def test_an_exact_version_that_is_too_old_is_gone(place):
    await _events(place, "a")
    then = (await place.list("events")).version
    await _events(place, "b")
    await place.api.forget()
    listed = await place.list("events", resourceVersion=then, resourceVersionMatch="Exact")
    assert listed.refusal[:2] == (410, "Expired")
    assert listed.refusal[2].startswith("The resourceVersion for the provided list is too old.")


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        ("", ["a", "b", "c"]),
        ("tier", ["a", "b"]),
        ("!tier", ["c"]),
        ("tier=x", ["a"]),
        ("tier==x", ["a"]),
        ("tier!=x", ["b", "c"]),
        ("tier in (x, y)", ["a", "b"]),
        ("tier notin (x)", ["b", "c"]),
        ("tier=y,zone=1", ["b"]),
        ("tier,zone=2", []),
        ("rank>1", ["b"]),
        ("rank<2", ["a"]),
        ("tier=", []),
    ],
)
async def test_label_selectors(place, selector, names):
    labelled = {"a": {"tier": "x", "zone": "1", "rank": "1"}, "b": {"tier": "y", "zone": "1", "rank": "2"}, "c": {}}
    await asyncio.gather(*(_maps(place, name, labels=labels) for name, labels in labelled.items()))
    assert (await place.list("configmaps", labelSelector=selector)).names == names


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        ("metadata.name=a", ["a"]),
        ("metadata.name!=a", ["b", "c"]),
        ("status.phase=Pending", ["a", "b", "c"]),
        ("spec.nodeName=", ["a", "b"]),
        ("spec.nodeName=n1", ["c"]),
        ("spec.nodeName!=n1,metadata.name!=b", ["a"]),
        ("spec.restartPolicy=Never", []),
        ("spec.schedulerName=default-scheduler", ["a", "b", "c"]),
        ("status.podIP=", ["a", "b", "c"]),
    ],
)
async def test_field_selectors(place, selector, names):
    for name, node in (("a", ""), ("b", ""), ("c", "n1")):
        spec = {"containers": [{"name": "main", "image": "demo/app:1"}], **({"nodeName": node} if node else {})}
        await place.made("pods", {"metadata": {"name": name}, "spec": spec})
    assert (await place.list("pods", fieldSelector=selector)).names == names


async def test_a_list_over_all_namespaces_has_them_in_order(place):
    await _maps(place, "z")
    path = "/api/v1/configmaps"
    listed = await place.api.call("GET", path, fieldSelector=f"metadata.namespace={place.namespace},metadata.name=z")
    assert listed.names == ["z"]
    every = await place.api.call("GET", path)
    keys = [(each["metadata"]["namespace"], each["metadata"]["name"]) for each in every.body["items"]]
    assert keys == sorted(keys)


async def test_an_object_and_its_absence(place):
    await _maps(place, "a")
    found = await place.get("configmaps", "a")
    assert (found.status, found.body["kind"], found.body["apiVersion"]) == (200, "ConfigMap", "v1")
    missing = await place.get("configmaps", "nobody")
    assert missing.refusal == (404, "NotFound", 'configmaps "nobody" not found')
    assert missing.body["details"] == {"name": "nobody", "kind": "configmaps"}
    unknown = await place.api.call("GET", f"/api/v1/namespaces/{place.namespace}/nothings")
    assert (unknown.status, unknown.body["reason"] if isinstance(unknown.body, dict) else "NotFound") == (
        404,
        "NotFound",
    )
