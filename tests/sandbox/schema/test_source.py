"""The data cut out of a release agrees with an independent copy of the same schemas: the official client's models."""

from kubernetes.client import models

from sandbox.schema.source import DATA, facts


def _fields_of_model(definition):
    """The fields that the client knows; None for what is a plain value to it."""
    *_, group, version, kind = definition.split(".")
    names = (f"{version.capitalize()}{kind}", f"{group.capitalize()}{version.capitalize()}{kind}")
    model = next((getattr(models, name) for name in names if hasattr(models, name)), None)
    return None if model is None else set(model.attribute_map.values())


def test_every_definition_has_the_fields_of_the_clients_model():
    ours = {name: set(schema.get("properties", {})) for name, schema in facts()["schemas"].items()}
    theirs = {name: _fields_of_model(name) for name in ours}
    known = {name for name, fields in theirs.items() if fields is not None}
    assert {name: ours[name] for name in known} == {name: theirs[name] for name in known}
    assert not any(ours[name] for name in ours.keys() - known)


def test_lists_merge_by_the_keys_that_kubectl_uses():
    schemas = facts()["schemas"]
    volumes = schemas["io.k8s.api.core.v1.PodSpec"]["properties"]["volumes"]
    assert volumes["x-kubernetes-patch-merge-key"] == "name"
    assert volumes["x-kubernetes-patch-strategy"] == "merge,retainKeys"
    assert volumes["x-kubernetes-list-map-keys"] == ["name"]


def test_the_go_types_name_every_field_that_the_schemas_name():
    go = facts()["go"]

    def names(definition):
        for _, name, go_type, _ in go[definition]:
            yield from [name] if name else names(go_type.lstrip("*"))

    for definition in go.keys() & facts()["schemas"].keys():
        fields = set(facts()["schemas"][definition].get("properties", {})) - {"apiVersion", "kind"}
        assert set(names(definition)) - {"apiVersion", "kind"} == fields, definition


def test_the_data_is_small_and_has_no_prose():
    assert DATA.stat().st_size < 150_000
    assert "description" not in facts()["schemas"]["io.k8s.api.core.v1.Pod"]
