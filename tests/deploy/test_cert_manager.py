"""What cert-manager is asked for names what the API server checks, and each part names the next."""

import json

import pytest

from deploy.cert_manager import INJECT, certificates, injected, secret
from deploy.webhooks import Service, configurations
from lading.cli.app import run

SERVICE = Service("home", "lading-webhooks")


def test_every_part_names_the_next() -> None:
    self_signed, authority, issuer, serving = certificates(SERVICE)
    assert self_signed["spec"] == {"selfSigned": {}}
    assert authority["spec"]["isCA"] is True
    assert authority["spec"]["issuerRef"]["name"] == self_signed["metadata"]["name"]
    assert issuer["spec"]["ca"]["secretName"] == authority["spec"]["secretName"]
    assert serving["spec"]["issuerRef"]["name"] == issuer["metadata"]["name"]
    assert serving["spec"]["secretName"] == secret(SERVICE) != authority["spec"]["secretName"]
    assert serving["spec"]["dnsNames"][0] == "lading-webhooks.home.svc", "the name that the API server checks"
    assert {each["metadata"]["namespace"] for each in certificates(SERVICE)} == {"home"}


def test_keys_are_new_at_each_renewal_which_comes_a_third_of_a_life_ahead() -> None:
    for each in (certificates(SERVICE)[1], certificates(SERVICE)[3]):
        spec = each["spec"]
        assert spec["privateKey"]["rotationPolicy"] == "Always"
        assert int(spec["renewBefore"][:-1]) * 3 == int(spec["duration"][:-1])


def test_both_registrations_name_the_serving_certificate_and_leave_the_bundle_out() -> None:
    serving = certificates(SERVICE)[3]["metadata"]
    for each in configurations(SERVICE):
        made = injected(each, SERVICE)
        assert made["metadata"]["annotations"] == {INJECT: f"{serving['namespace']}/{serving['name']}"}
        assert all("caBundle" not in hook["clientConfig"] for hook in made["webhooks"])
        assert "annotations" not in each["metadata"], "the original is left alone"


def test_the_command_prints_them_before_the_registrations(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["config", "webhooks", "--cert-manager", "-o", "json"]) == 0
    items = json.loads(capsys.readouterr().out)["items"]
    assert [each["kind"] for each in items[:4]] == ["Issuer", "Certificate", "Issuer", "Certificate"]
    assert all(INJECT in each["metadata"]["annotations"] for each in items[4:])
    assert len(items) == 6


@pytest.mark.parametrize("option", [["--url", "https://127.0.0.1:1"], ["--ca", "ca.crt"]])
def test_it_needs_a_service_and_no_bundle(option: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["config", "webhooks", "--cert-manager", *option]) == 2
    assert "--cert-manager" in capsys.readouterr().err
