"""The Helm chart: valid in each variant for the oldest and the newest Kubernetes, and true to the server.

Kubernetes' own resources are held to its published schemas, strictly; those of operators, whose schemas stand nowhere
at hand, to what of them the chart uses. Nothing here runs on a cluster.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import jsonschema
import kubernetes_validate  # type: ignore[import-untyped]  # ships no types
import pytest
import yaml
from tests.support.helm import CHART, HelmError, Resource, lint, render, unpacked
from tests.support.inside import Record
from tests.support.server import Address, running

from earful.access.loading import gate_of
from earful.settings import Settings, SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

OLDEST = "1.27"
MANY: dict[str, Any] = {"secret": {"existingSecret": "earful"}, "store": {"existingSecret": "earful"}}
FILES = {"secret_file": "/etc/earful/own/secret", "store_file": "/etc/earful/own/store"}
PROMETHEUS = [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}]
KEYS: dict[str, Any] = {"mode": "static", "existingSecret": "access"}
TOKENS: dict[str, Any] = {
    "mode": "jwt",
    "existingSecret": "issuer",
    "key": "public.pem",
    "jwtFile": "key_file",
    "options": {"algorithms": ["RS256"], "audience": "earful", "in_query": False},
}
CERTIFIED: dict[str, Any] = {
    "settings": {"tls_cert": "/etc/earful/tls/tls.crt", "tls_key": "/etc/earful/tls/tls.key"},
    "extraVolumes": [{"name": "tls", "secret": {"secretName": "certificate"}}],
    "extraVolumeMounts": [{"name": "tls", "mountPath": "/etc/earful/tls", "readOnly": True}],
}
ALWAYS = {"Deployment", "Service", "PodDisruptionBudget", "NetworkPolicy"}
VARIANTS: dict[str, tuple[Mapping[str, object], set[str]]] = {
    "as it is": ({}, ALWAYS),
    "bare": (
        {"podDisruptionBudget": {"enabled": False}, "networkPolicy": {"enabled": False}},
        {"Deployment", "Service"},
    ),
    "replicas": ({**MANY, "replicas": 3}, ALWAYS),
    "secrets in files": ({"replicas": 2, "settings": FILES}, ALWAYS),
    "hpa": ({**MANY, "autoscaling": {"kind": "hpa"}}, ALWAYS | {"HorizontalPodAutoscaler"}),
    "keda": ({**MANY, "autoscaling": {"kind": "keda"}}, ALWAYS | {"ScaledObject"}),
    "its own secret": (
        {"replicas": 2, "secret": {"value": "s"}, "store": {"value": "redis://r:6379/0"}},
        ALWAYS | {"Secret"},
    ),
    "one secret of each kind": (
        {"secret": {"existingSecret": "theirs"}, "store": {"value": "redis://r"}},
        ALWAYS | {"Secret"},
    ),
    "monitored": (
        {
            "networkPolicy": {"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}], "operationsFrom": PROMETHEUS},
            "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
        },
        ALWAYS | {"ServiceMonitor"},
    ),
    "keys": ({"auth": KEYS}, ALWAYS),
    "tokens and TLS": ({"auth": TOKENS, **CERTIFIED}, ALWAYS),
    "everything else": (
        {
            "env": [{"name": "OTEL_SERVICE_NAME", "value": "speech"}],
            "imagePullSecrets": [{"name": "registry"}],
            "image": {"repository": "registry.example/earful", "tag": "1.2.3"},
            "podAnnotations": {"note": "a"},
            "podLabels": {"team": "speech"},
            "nodeSelector": {"kubernetes.io/arch": "amd64"},
            "tolerations": [{"key": "speech", "operator": "Exists"}],
            "affinity": {"nodeAffinity": {}},
            "topologySpreadConstraints": [
                {"maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "DoNotSchedule"}
            ],
            "service": {"type": "LoadBalancer", "port": 443, "annotations": {"note": "b"}},
        },
        ALWAYS,
    ),
}


def _exact(**properties: object) -> dict[str, object]:
    """A schema of an object that has these properties, all of them, and no other."""
    return {"type": "object", "additionalProperties": False, "required": list(properties), "properties": properties}


TEXT = {"type": "string", "minLength": 1}
OPERATORS = {
    "keda.sh/v1alpha1/ScaledObject": _exact(
        scaleTargetRef=_exact(name=TEXT),
        minReplicaCount={"type": "integer"},
        maxReplicaCount={"type": "integer"},
        advanced=_exact(horizontalPodAutoscalerConfig=_exact(behavior={"type": "object"})),
        triggers={
            "type": "array",
            "items": _exact(
                type={"const": "prometheus"}, metadata=_exact(serverAddress=TEXT, query=TEXT, threshold=TEXT)
            ),
        },
    ),
    "monitoring.coreos.com/v1/ServiceMonitor": _exact(
        jobLabel=TEXT,
        selector=_exact(matchLabels={"type": "object"}),
        endpoints={
            "type": "array",
            "items": _exact(targetPort=TEXT, path=TEXT, interval={"pattern": "^[0-9]+(ms|s|m)$"}),
        },
    ),
}
"""Their `spec`, as far as the chart goes."""


@pytest.fixture(scope="session")
def helm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program."""
    return unpacked(tmp_path_factory.mktemp("helm"))


def check(resource: Resource) -> None:
    """Hold it to its schema."""
    schema = OPERATORS.get(f"{resource['apiVersion']}/{resource['kind']}")
    if schema is not None:
        jsonschema.validate(resource["spec"], schema)
    else:
        for version in (OLDEST, kubernetes_validate.latest_version()):
            kubernetes_validate.validate(resource, version, strict=True)


def test_helm_has_nothing_to_say(helm: Path) -> None:
    """Strictly."""
    assert "0 chart(s) failed" in lint(helm)


def test_the_oldest_kubernetes_is_the_one_that_is_named() -> None:
    """And checked here."""
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text("utf-8"))
    assert f">={OLDEST}.0-0" == chart["kubeVersion"]


@pytest.mark.parametrize("variant", VARIANTS)
def test_each_variant_is_valid(variant: str, helm: Path) -> None:
    """It has the resources that it should, and each is what Kubernetes takes."""
    values, kinds = VARIANTS[variant]
    rendered = render(helm, values)
    assert kinds == rendered.kinds
    for resource in rendered.resources:
        check(resource)


def test_the_schemas_are_strict(helm: Path) -> None:
    """A field that is not there is an error, and so is one of the wrong type: else these tests would hold nothing."""
    deployment, keda = render(helm, {}).of("Deployment"), render(helm, VARIANTS["keda"][0]).of("ScaledObject")
    deployment["spec"]["template"]["spec"]["containers"][0]["readinesProbe"] = {}
    keda["spec"]["minReplicas"] = 1
    for resource in (deployment, keda):
        with pytest.raises(jsonschema.ValidationError):
            check(resource)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"replicas": 2}, "need one secret"),
        ({"replicas": 2, "secret": {"value": "s"}}, "need a Redis"),
        ({"autoscaling": {"kind": "hpa"}}, "need one secret"),
        ({"autoscaling": {"kind": "keda", "maxReplicas": 2}, "secret": {"value": "s"}}, "need a Redis"),
        ({**MANY, "autoscaling": {"kind": "hpa", "minReplicas": 3, "maxReplicas": 2}}, "minReplicas must not"),
        ({"settings": {"secret": "s"}}, "use secret.existingSecret"),
        ({"settings": {"drain_s": 5}}, "use drainSeconds"),
        ({"settings": {"workers": 2}}, "use replicas"),
        ({"settings": {"uds": "/x"}}, "use the Service"),
        ({"replicas": 2, "settings": {"store_file": "/x"}}, "need one secret"),
        ({"replicas": 2, "settings": {"secret_file": "/x", "store_file": ""}}, "need a Redis"),
        ({"serviceMonitor": {"enabled": True}}, "networkPolicy.operationsFrom"),
        ({"auth": {"mode": "static"}}, "set auth.existingSecret"),
        ({"auth": {"existingSecret": "access"}}, "mean nothing while auth.mode is none"),
        ({"auth": {"mode": "basic"}}, "auth"),
        ({"auth": KEYS, "settings": {"auth_options": {}}}, "use auth"),
        ({"replicsa": 2}, "replicsa"),
        ({"drainSeconds": 0}, "drainSeconds"),
        ({"settings": {"MAX_SESSIONS": 2}}, "MAX_SESSIONS"),
    ],
)
def test_what_would_not_work_is_refused(values: Mapping[str, object], said: str, helm: Path) -> None:
    """With a sentence, before anything is installed."""
    with pytest.raises(HelmError, match=re.escape(said)):
        render(helm, values)


@pytest.mark.parametrize("values", [{}, {"preStopSeconds": 20, "drainSeconds": 600, "marginSeconds": 1}])
def test_kubernetes_waits_longer_than_a_pod_takes_to_go(values: Mapping[str, object], helm: Path) -> None:
    """The pause before SIGTERM counts into the grace, too."""
    rendered = render(helm, values)
    command, pause_s = rendered.container["lifecycle"]["preStop"]["exec"]["command"]
    assert "sleep" == command
    grace_s = rendered.pod["spec"]["terminationGracePeriodSeconds"]
    assert grace_s > int(pause_s) + float(rendered.env["EARFUL_DRAIN_S"])


def test_ports_are_called_by_their_names(helm: Path) -> None:
    """Whoever names one names one of the pod's; the Service and everybody get to the public one alone."""
    rendered = render(helm, VARIANTS["monitored"][0])
    ports = {port["name"]: port["containerPort"] for port in rendered.container["ports"]}
    assert {"http": int(rendered.env["EARFUL_PORT"]), "ops": int(rendered.env["EARFUL_OPS_PORT"])} == ports
    assert ["http"] == [port["targetPort"] for port in rendered.of("Service")["spec"]["ports"]]
    assert ["ops"] == [endpoint["targetPort"] for endpoint in rendered.of("ServiceMonitor")["spec"]["endpoints"]]
    everybody, operators = rendered.of("NetworkPolicy")["spec"]["ingress"]
    assert [["http"], ["ops"]] == [[port["port"] for port in rule["ports"]] for rule in (everybody, operators)]
    assert PROMETHEUS == operators["from"]


def test_nobody_gets_to_the_operations_port_unless_named(helm: Path) -> None:
    """As it is installed without a word."""
    (rule,) = render(helm, {}).of("NetworkPolicy")["spec"]["ingress"]
    assert [{"port": "http"}] == rule["ports"]


def test_everybody_means_the_same_pods(helm: Path) -> None:
    """The selectors of all resources choose the Deployment's, and the autoscalers the Deployment."""
    rendered = render(helm, {**VARIANTS["monitored"][0], **MANY, "autoscaling": {"kind": "hpa"}})
    labels, name = rendered.pod["metadata"]["labels"], rendered.of("Deployment")["metadata"]["name"]
    chosen = [
        rendered.of("Deployment")["spec"]["selector"]["matchLabels"],
        rendered.of("Service")["spec"]["selector"],
        rendered.of("PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        rendered.of("NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
        *(one["labelSelector"]["matchLabels"] for one in rendered.pod["spec"]["topologySpreadConstraints"]),
    ]
    assert all(selector and selector.items() <= labels.items() for selector in chosen)
    monitor = rendered.of("ServiceMonitor")["spec"]
    assert monitor["selector"]["matchLabels"].items() <= rendered.of("Service")["metadata"]["labels"].items()
    assert "earful" == rendered.of("Service")["metadata"]["labels"][monitor["jobLabel"]]
    assert name == rendered.of("HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]["name"]
    keda = render(helm, VARIANTS["keda"][0]).of("ScaledObject")["spec"]
    assert name == keda["scaleTargetRef"]["name"]
    query = keda["triggers"][0]["metadata"]["query"]
    pods = re.compile(query.partition(f'namespace="speech", pod=~"{name}')[2].partition('"')[0])
    assert pods.fullmatch("-7d4b9c8f66-x2x4v")
    assert pods.fullmatch("-7d4b9c8x2x4v")
    for another in ("-staging-7d4b9c8f66-x2x4v", "-redis-0", ""):
        assert not pods.fullmatch(another)


@pytest.mark.parametrize("variant", ["hpa", "keda"])
def test_an_autoscaler_has_no_replicas_beside_it(variant: str, helm: Path) -> None:
    """Else each `helm upgrade` would undo what it did."""
    assert "replicas" not in render(helm, VARIANTS[variant][0]).of("Deployment")["spec"]


def test_secrets_are_in_secrets(helm: Path) -> None:
    """Those that are there by their key, others in the chart's own; in the Deployment itself never."""
    values = {"secret": {"value": "hush"}, "store": {"existingSecret": "theirs", "key": "url"}}
    rendered = render(helm, values)
    given = {one["name"]: one["valueFrom"]["secretKeyRef"] for one in rendered.container["env"] if "valueFrom" in one}
    own = rendered.of("Secret")
    assert {"secret": "hush"} == own["stringData"]
    assert {
        "EARFUL_SECRET": {"name": own["metadata"]["name"], "key": "secret"},
        "EARFUL_STORE": {"name": "theirs", "key": "url"},
    } == given
    assert "hush" not in yaml.safe_dump(rendered.of("Deployment"))


def test_a_new_secret_is_a_new_pod(helm: Path) -> None:
    """Else they would run on with the old."""
    sums = {
        render(helm, {"secret": {"value": value}}).pod["metadata"]["annotations"]["checksum/secret"] for value in "ab"
    }
    assert 2 == len(sums)


def test_settings_arrive_as_they_are_written(helm: Path) -> None:
    """Large numbers, truths and trees too; and no variable of Kubernetes' own looks like a setting."""
    given = {"max_sessions": 1_000_000, "log_text": True, "model_options": {"beam": 5}, "model_timeout_s": 0.5}
    given["trusted_proxies"] = "10.0.0.0/8"
    rendered = render(helm, {"settings": {**given, "model": "package.module:Class"}})
    settings = Settings.load({}, rendered.env)
    assert given == {name: getattr(settings, name) for name in given}
    assert "package.module:Class" == settings.model
    assert False is rendered.pod["spec"]["enableServiceLinks"]


@pytest.mark.parametrize(
    ("auth", "mode", "options"),
    [
        (KEYS, "static", {"file": "/etc/earful/auth/keys"}),
        (
            TOKENS,
            "jwt",
            {
                "key_file": "/etc/earful/auth/public.pem",
                "algorithms": ["RS256"],
                "audience": "earful",
                "in_query": False,
            },
        ),
    ],
)
def test_access_control_has_its_file(auth: dict[str, Any], mode: str, options: dict[str, Any], helm: Path) -> None:
    """The settings name the file where the Secret with it is mounted, whole: Kubernetes renews nothing else."""
    rendered = render(helm, {"auth": auth})
    settings = Settings.load({}, rendered.env)
    assert (mode, options) == (settings.auth, settings.auth_options)
    (volume,) = [one for one in rendered.pod["spec"]["volumes"] if "secret" in one]
    (mount,) = [one for one in rendered.container["volumeMounts"] if one["name"] == volume["name"]]
    assert ({"secretName": auth["existingSecret"]}, "/etc/earful/auth") == (volume["secret"], mount["mountPath"])
    assert "subPath" not in mount


def test_a_quoted_truth_is_refused(helm: Path) -> None:
    """By the server, as it starts: the chart hands on what it is given."""
    rendered = render(helm, {"auth": {**KEYS, "options": {"in_query": "false"}}})
    with pytest.raises(SettingsError, match="in_query: Expected bool, got str"):
        gate_of(Settings.load({}, rendered.env), Record())


def test_a_class_of_ones_own_is_a_setting(helm: Path) -> None:
    """With its files in other volumes."""
    given = {"settings": {"auth": "my:Door", "auth_options": {"file": "/etc/earful/tls/x"}}}
    settings = Settings.load({}, render(helm, given).env)
    assert ("my:Door", {"file": "/etc/earful/tls/x"}) == (settings.auth, settings.auth_options)


@pytest.mark.parametrize(("values", "schemes"), [({}, ["HTTP", None]), (CERTIFIED, ["HTTPS", None])])
def test_ready_is_asked_as_clients_ask(values: Mapping[str, object], schemes: list[str | None], helm: Path) -> None:
    """Over TLS where they speak it; the operations port never does."""
    rendered = render(helm, values)
    probes = [rendered.container[name]["httpGet"] for name in ("readinessProbe", "livenessProbe")]
    assert schemes == [probe.get("scheme") for probe in probes]
    volumes = {one["name"] for one in rendered.pod["spec"]["volumes"]}
    assert volumes == {one["name"] for one in rendered.container["volumeMounts"]}


@pytest.mark.e2e
def test_probes_and_scrapes_are_answered(helm: Path) -> None:
    """By a server in the pod's environment, ports aside, at the port and the path that they ask."""
    rendered = render(helm, VARIANTS["monitored"][0])
    probes = {name: probe["httpGet"] for name, probe in rendered.container.items() if name.endswith("Probe")}
    asked = {(get["port"], get["path"]) for get in probes.values()}
    asked |= {(one["targetPort"], one["path"]) for one in rendered.of("ServiceMonitor")["spec"]["endpoints"]}
    assert {"startupProbe", "livenessProbe", "readinessProbe"} == probes.keys()
    with running(env=rendered.env, ops_port=0) as server:
        places = {"http": server.address, "ops": Address(*server.log.wait_for("starting")["ops_ports"])}
        assert {200} == {places[port].request("GET", path).status for port, path in asked}


def test_a_pod_may_do_nothing_that_it_need_not(helm: Path) -> None:
    """Not root, nothing to write but /tmp, no capabilities, no token of the cluster."""
    rendered = render(helm, {})
    spec, security = rendered.pod["spec"], rendered.container["securityContext"]
    assert (False, True) == (spec["automountServiceAccountToken"], spec["securityContext"]["runAsNonRoot"])
    assert (True, False, ["ALL"]) == (
        security["readOnlyRootFilesystem"],
        security["allowPrivilegeEscalation"],
        security["capabilities"]["drop"],
    )
    assert ["/tmp"] == [mount["mountPath"] for mount in rendered.container["volumeMounts"]]  # noqa: S108 - the pod's
