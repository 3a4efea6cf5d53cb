"""Reading a KubeSchedulerConfiguration, strictly where it is about extenders."""

import pytest

from sandbox.scheduler.configuration import ConfigurationError, read_configuration, seconds

URL = "https://127.0.0.1:8443/"


def read(**extender):
    return read_configuration({"extenders": [{"urlPrefix": URL, **extender}]})


def test_defaults_are_those_of_kube_scheduler():
    configuration = read()
    assert configuration.names == {"default-scheduler"}
    (extender,) = configuration.extenders
    assert (extender.url, extender.timeout_seconds, extender.ignorable) == ("https://127.0.0.1:8443", 5.0, False)


def test_everything_of_an_extender_is_read():
    (extender,) = read(
        filterVerb="filter",
        prioritizeVerb="prioritize",
        bindVerb="bind",
        preemptVerb="preempt",
        weight=3,
        enableHTTPS=True,
        tlsConfig={"caFile": "ca", "certFile": "cert", "keyFile": "key", "serverName": "name"},
        httpTimeout="1m30s",
        nodeCacheCapable=True,
        managedResources=[{"name": "example.com/gpu", "ignoredByScheduler": True}],
        ignorable=True,
    ).extenders
    assert (extender.timeout_seconds, extender.weight, extender.managed) == (90.0, 3, {"example.com/gpu"})
    assert (extender.tls.ca_file, extender.tls.server_name, extender.https) == ("ca", "name", True)


def test_those_that_may_fail_are_asked_last():
    extenders = [{"urlPrefix": "http://a", "ignorable": True}, {"urlPrefix": "http://b"}, {"urlPrefix": "http://c"}]
    configuration = read_configuration({"extenders": extenders})
    assert [each.url for each in configuration.extenders] == ["http://b", "http://c", "http://a"]


def test_profiles_name_whose_pods_are_scheduled_and_other_settings_are_left_alone():
    configuration = read_configuration(
        {
            "apiVersion": "kubescheduler.config.k8s.io/v1",
            "kind": "KubeSchedulerConfiguration",
            "percentageOfNodesToScore": 100,
            "profiles": [{"schedulerName": "a", "plugins": {"multiPoint": {"disabled": [{"name": "*"}]}}}, {}],
        }
    )
    assert configuration.names == {"a", "default-scheduler"}


@pytest.mark.parametrize(
    ("extender", "message"),
    [
        ({"urlPrefix": "ftp://x"}, r"extenders\[0\]\.urlPrefix"),
        ({"urlPrefix": "https:///x"}, "urlPrefix"),
        ({"prioritizeVerb": "p"}, r"weight: must have a positive weight"),
        ({"httpTimeout": "5"}, r"httpTimeout: '5' is no duration"),
        ({"httpTimeout": "-5s"}, "httpTimeout"),
        ({"httpTimeout": 5}, "extenders"),
        ({"filtreVerb": "f"}, "filtreVerb"),
        ({"tlsConfig": {"insecure": True, "caFile": "x"}}, "insecure and a CA"),
        ({"tlsConfig": {"certFile": "x"}}, "a certificate needs its key"),
        ({"tlsConfig": {"caData": "%%"}}, "caData: not base64"),
        ({"managedResources": [{"name": "cpu"}]}, "no extended resource"),
        ({"managedResources": [{"name": "example.com/a"}, {"name": "example.com/a"}]}, "managed twice"),
    ],
)
def test_what_can_not_be_is_refused_by_name(extender, message):
    with pytest.raises(ConfigurationError, match=message):
        read(**extender)


@pytest.mark.parametrize(
    ("configuration", "message"),
    [
        ({"kind": "Pod", "apiVersion": "v1"}, "expected a KubeSchedulerConfiguration"),
        ({"apiVersion": "kubescheduler.config.k8s.io/v1beta3"}, "v1beta3"),
        ({"profiles": []}, "profiles"),
        ({"extenders": {}}, "extenders"),
        ({"extenders": [{"urlPrefix": URL, "bindVerb": "b"}] * 2}, "more than one extender"),
    ],
)
def test_other_configurations_are_refused(configuration, message):
    with pytest.raises(ConfigurationError, match=message):
        read_configuration(configuration)


@pytest.mark.parametrize(
    ("text", "value"), [("0", 0), ("60s", 60), ("1h0m1.5s", 3601.5), ("250ms", 0.25), (".5s", 0.5)]
)
def test_durations_are_those_of_go(text, value):
    assert seconds(text, "x") == value
