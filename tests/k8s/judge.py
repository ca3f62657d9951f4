"""What Kubernetes objects are judged by, without a cluster: each function takes the objects of one render and says what is wrong.

Built-in kinds are held against the strict schemas of two releases of Kubernetes, all others against their CRD: structure, defaults, rules in CEL.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import celpy
import jsonschema
import kubernetes_validate
import referencing
import referencing.jsonschema
import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e/documents"))
import crd as crds  # noqa: E402

SCHEMAS = Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema"
DEFINITIONS = "/api/_definitions.json"
KUBERNETES = ("v1.31.0", "v1.36.0")
Object = dict[str, Any]
#: Names that every object of ours has besides.
STANDARD = ("name", "instance", "component", "part-of", "version", "managed-by")


def named(one: Object) -> str:
    return f"{one['kind']} {one['metadata'].get('namespace', '')}/{one['metadata']['name']}"


def built_in(one: Object) -> bool:
    group = one["apiVersion"].partition("/")[0] if "/" in one["apiVersion"] else ""
    return "." not in group or group.endswith(".k8s.io") and group != "gateway.networking.k8s.io"


# --- schemas -----------------------------------------------------------------------------------------------------------------

@cache
def _definitions(version: str) -> referencing.Registry[Any]:
    """All types of one release; schemas of kinds refer to them by a path."""
    definitions = json.loads((SCHEMAS / f"{version}-local-strict" / "_definitions.json").read_text())
    resource = referencing.Resource(contents=definitions, specification=referencing.jsonschema.DRAFT4)
    return referencing.Registry().with_resource(DEFINITIONS, resource)


@cache
def _validator(version: str, api: str, kind: str) -> jsonschema.Draft4Validator | None:
    group, _, release = api.rpartition("/")
    stem = "-".join(part for part in (kind.lower(), group.partition(".")[0], release) if part)
    file = SCHEMAS / f"{version}-local-strict" / f"{stem}.json"
    if not file.is_file():
        return None
    return jsonschema.Draft4Validator(json.loads(file.read_text()), registry=_definitions(version))


def kubernetes_schema(objects: list[Object]) -> Iterator[str]:
    for one in filter(built_in, objects):
        for version in KUBERNETES:
            validator = _validator(version, one["apiVersion"], one["kind"])
            if validator is None:
                yield f"{named(one)}: {one['apiVersion']} is not of Kubernetes {version}"
                continue
            for error in validator.iter_errors(one):
                yield f"{named(one)} ({version}): {'.'.join(map(str, error.absolute_path))}: {error.message[:300]}"


@cache
def _crds(folder: Path) -> dict[tuple[str, str], Object]:
    found = {}
    for file in sorted(folder.glob("*/*.yaml")):
        one = yaml.load(file.read_text(), yaml.CSafeLoader)
        found[(one["spec"]["group"], one["spec"]["names"]["kind"])] = one
    return found


def custom_schema(objects: list[Object], folder: Path) -> Iterator[str]:
    for one in objects:
        if built_in(one):
            continue
        group, _, version = one["apiVersion"].partition("/")
        crd = _crds(folder).get((group, one["kind"]))
        if crd is None:
            yield f"{named(one)}: there is no CRD for {one['apiVersion']}"
            continue
        schema = crds.schema_of(crd, version)
        for error in jsonschema.Draft202012Validator(schema).iter_errors(one):
            yield f"{named(one)}: {'.'.join(map(str, error.absolute_path))}: {error.message[:300]}"
        served = next(v for v in crd["spec"]["versions"] if v["name"] == version)["schema"]["openAPIV3Schema"]
        for path, said in rules(served, defaulted(served, one)):
            yield f"{named(one)}: {path}: {said}"


def defaulted(schema: Object, value: Any) -> Any:
    """The value with the defaults of its schema, as the API server judges it."""
    if isinstance(value, dict):
        out = dict(value)
        for name, inner in schema.get("properties", {}).items():
            if name not in out and "default" in inner:
                out[name] = inner["default"]
            if name in out:
                out[name] = defaulted(inner, out[name])
        return out
    if isinstance(value, list) and isinstance(schema.get("items"), dict):
        return [defaulted(schema["items"], inner) for inner in value]
    return value


#: Rules that this evaluator cannot read (functions that Kubernetes adds to CEL), for the tests to tell.
unread: set[str] = set()
evaluated: set[str] = set()


@cache
def _program(rule: str) -> Any:
    environment = celpy.Environment()
    return environment.program(environment.compile(rule))


def rules(schema: Object, value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    for entry in schema.get("x-kubernetes-validations", []):
        rule = entry["rule"]
        if "oldSelf" in rule:
            continue   # of updates
        try:
            result = _program(rule).evaluate({"self": celpy.json_to_cel(value)})
        except Exception:
            unread.add(rule)
            continue
        evaluated.add(rule)
        if not result:
            yield path or "the object", entry.get("message", rule)
    if isinstance(value, dict):
        for name, inner in schema.get("properties", {}).items():
            if name in value:
                yield from rules(inner, value[name], f"{path}.{name}".lstrip("."))
    elif isinstance(value, list) and isinstance(schema.get("items"), dict):
        for at, inner in enumerate(value):
            yield from rules(schema["items"], inner, f"{path}[{at}]")


# --- pods --------------------------------------------------------------------------------------------------------------------

def pods(objects: list[Object]) -> Iterator[tuple[Object, Object, dict[str, str]]]:
    """Of each object that makes pods: itself, the spec and the labels of its pods."""
    for one in objects:
        if one["kind"] == "Pod":
            yield one, one["spec"], one["metadata"]["labels"]
        elif one["kind"] in ("Deployment", "Job", "StatefulSet", "DaemonSet"):
            template = one["spec"]["template"]
            yield one, template["spec"], template["metadata"]["labels"]


def containers(spec: Object) -> list[Object]:
    return spec.get("initContainers", []) + spec["containers"]


def pod_security(objects: list[Object], *, openshift: bool = False) -> Iterator[str]:
    """Pod Security "restricted", and what we ask of pods besides."""
    for one, spec, _ in pods(objects):
        of_pod = spec.get("securityContext", {})
        for bad in ("hostNetwork", "hostPID", "hostIPC"):
            if spec.get(bad):
                yield f"{named(one)}: {bad}"
        if of_pod.get("seccompProfile", {}).get("type") != "RuntimeDefault":
            yield f"{named(one)}: no seccomp profile"
        if not openshift and not of_pod.get("runAsUser"):
            yield f"{named(one)}: no user"
        if spec.get("automountServiceAccountToken") is not False:
            yield f"{named(one)}: mounts a token of its service account"
        for volume in spec.get("volumes", []):
            if not set(volume) <= {"name", "configMap", "secret", "emptyDir", "persistentVolumeClaim", "projected", "csi"}:
                yield f"{named(one)}: volume {volume}"
            if "emptyDir" in volume and not volume["emptyDir"].get("sizeLimit"):
                yield f"{named(one)}: the emptyDir {volume['name']} has no limit"
        for container in containers(spec):
            own = container.get("securityContext", {})
            where = f"{named(one)}, {container['name']}"
            if own.get("allowPrivilegeEscalation") is not False or own.get("privileged"):
                yield f"{where}: may gain privileges"
            if own.get("capabilities", {}) != {"drop": ["ALL"]}:
                yield f"{where}: capabilities"
            if not own.get("runAsNonRoot", of_pod.get("runAsNonRoot")):
                yield f"{where}: may be root"
            if not own.get("readOnlyRootFilesystem"):
                yield f"{where}: writes to its image"
            if any("hostPort" in port for port in container.get("ports", [])):
                yield f"{where}: a port of the host"
            resources = container.get("resources", {})
            if not {"cpu", "memory"} <= set(resources.get("requests", {})) or "memory" not in resources.get("limits", {}):
                yield f"{where}: no requests, or no bound of memory"
            if re.search(r"(:latest|/[^:@]+)$", container["image"]) and not container["image"].rpartition("/")[2].count(":"):
                yield f"{where}: {container['image']} names no version"


# --- what belongs together ---------------------------------------------------------------------------------------------------

def references(objects: list[Object], given: dict[str, set[str]]) -> Iterator[str]:
    """Names of ConfigMaps, claims, Secrets, service accounts and Services that pods and routes use: rendered here, or `given`."""
    there: dict[str, set[str]] = {kind: set(names) for kind, names in given.items()}
    for one in objects:
        there.setdefault(one["kind"], set()).add(one["metadata"]["name"])
    services = {one["metadata"]["name"]: one for one in objects if one["kind"] == "Service"}

    def demand(kind: str, name: str, by: Object) -> Iterator[str]:
        if name not in there.get(kind, set()):
            yield f"{named(by)}: there is no {kind} {name}"

    for one, spec, _ in pods(objects):
        if "serviceAccountName" in spec and spec["serviceAccountName"] != "default":
            yield from demand("ServiceAccount", spec["serviceAccountName"], one)
        volumes = {volume["name"] for volume in spec.get("volumes", [])}
        mounts = [mount["name"] for container in containers(spec) for mount in container.get("volumeMounts", [])]
        for name in set(mounts) - volumes:
            yield f"{named(one)}: mounts {name}, which is no volume"
        for name in volumes - set(mounts):
            yield f"{named(one)}: nobody mounts {name}"
        for volume in spec.get("volumes", []):
            if "configMap" in volume:
                yield from demand("ConfigMap", volume["configMap"]["name"], one)
            if "secret" in volume:
                yield from demand("Secret", volume["secret"]["secretName"], one)
            if "persistentVolumeClaim" in volume:
                yield from demand("PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"], one)
        ports = {port["name"] for container in containers(spec) for port in container.get("ports", [])}
        for container in containers(spec):
            for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
                for how in container.get(probe, {}).values():
                    if isinstance(how, dict) and isinstance(how.get("port"), str) and how["port"] not in ports:
                        yield f"{named(one)}: {probe} asks {how['port']}, which is no port"
    for one in objects:
        for ref in one.get("spec", {}).get("rules", []) if one["kind"] == "HTTPRoute" else []:
            for backend in ref.get("backendRefs", []):
                if backend["name"] in services and backend["port"] not in [p["port"] for p in services[backend["name"]]["spec"]["ports"]]:
                    yield f"{named(one)}: {backend['name']} has no port {backend['port']}"
                if "namespace" not in backend:
                    yield from demand("Service", backend["name"], one)
        if one["kind"] == "HorizontalPodAutoscaler":
            yield from demand("Deployment", one["spec"]["scaleTargetRef"]["name"], one)
        for target in one.get("spec", {}).get("targetRefs", []) if one["apiVersion"].startswith("gateway.") else []:
            yield from demand(target["kind"], target["name"], one)
        if one["kind"] == "BackendTLSPolicy":
            for authority in one["spec"]["validation"]["caCertificateRefs"]:
                yield from demand(authority["kind"], authority["name"], one)
        if one["kind"] == "EnvoyProxy" and "backendTLS" in one["spec"]:
            yield from demand("Secret", one["spec"]["backendTLS"]["clientCertificateRef"]["name"], one)


def _matches(selector: Object, labels: dict[str, str]) -> bool:
    return all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())


def selectors(objects: list[Object]) -> Iterator[str]:
    """Selectors name no version, and mean pods that are there, each of a Deployment its own alone."""
    labels = [(named(one), of_pods, spec) for one, spec, of_pods in pods(objects)]
    for one in objects:
        spec = one.get("spec", {})
        selector = {
            "Deployment": lambda: spec["selector"], "Service": lambda: {"matchLabels": spec["selector"]},
            "NetworkPolicy": lambda: spec["podSelector"], "PodDisruptionBudget": lambda: spec["selector"],
            "PodMonitor": lambda: spec["selector"],
        }.get(one["kind"], lambda: None)()
        if selector is None:
            continue
        if {"app.kubernetes.io/version", "helm.sh/chart"} & set(selector["matchLabels"]):
            yield f"{named(one)}: its selector names a version"
        meant = [entry for entry in labels if _matches(selector, entry[1])]
        if len(meant) != 1:
            yield f"{named(one)}: its selector means {[name for name, _, _ in meant]}"
        elif one["kind"] == "Service":
            ports = {port["name"] for container in containers(meant[0][2]) for port in container.get("ports", [])}
            for port in spec["ports"]:
                if isinstance(port.get("targetPort"), str) and port["targetPort"] not in ports:
                    yield f"{named(one)}: no pod has the port {port['targetPort']}"
    monitored = [one for one in objects if one["kind"] == "ServiceMonitor"]
    for one in monitored:
        if not any(_matches(one["spec"]["selector"], s["metadata"]["labels"]) for s in objects if s["kind"] == "Service"):
            yield f"{named(one)}: it means no Service"
    guarded = [one["spec"]["podSelector"] for one in objects if one["kind"] == "NetworkPolicy"]
    for name, of_pods, _ in labels:
        if guarded and of_pods.get("app.kubernetes.io/component") != "test" and not any(_matches(s, of_pods) for s in guarded):
            yield f"{name}: no NetworkPolicy means its pods"


def standard_labels(objects: list[Object]) -> Iterator[str]:
    for one in objects:
        labels = one["metadata"].get("labels", {})
        for name in STANDARD:
            if f"app.kubernetes.io/{name}" not in labels:
                yield f"{named(one)}: no label app.kubernetes.io/{name}"
        for key, value in labels.items():
            if len(value) > 63 or len(key.rpartition("/")[2]) > 63:
                yield f"{named(one)}: the label {key} is too long"


def names(objects: list[Object]) -> Iterator[str]:
    seen = set()
    for one in objects:
        name = one["metadata"]["name"]
        if len(name) > 63 or not re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", name):
            yield f"{named(one)}: not a name"
        key = (one["apiVersion"], named(one))
        if key in seen:
            yield f"{named(one)}: twice"
        seen.add(key)
        if one["kind"] == "Service" and not re.match("[a-z]", name):
            yield f"{named(one)}: a Service begins with a letter"
    for one, spec, _ in pods(objects):
        for things in (containers(spec), spec.get("volumes", [])):
            for thing in things:
                if len(thing["name"]) > 63 or not re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", thing["name"]):
                    yield f"{named(one)}: {thing['name']} is not a name"
            if len({thing["name"] for thing in things}) != len(things):
                yield f"{named(one)}: two are called the same"


def secrets(objects: list[Object]) -> Iterator[str]:
    for one in objects:
        if one["kind"] == "Secret":
            yield f"{named(one)}: a render makes a Secret"
        if re.search(r"-----BEGIN [A-Z ]*PRIVATE KEY", json.dumps(one)):
            yield f"{named(one)}: holds a key"


def network(objects: list[Object]) -> Iterator[str]:
    """Default deny: both directions are named for all pods, and no rule of egress means everything."""
    for one in objects:
        if one["kind"] != "NetworkPolicy":
            continue
        if set(one["spec"]["policyTypes"]) != {"Ingress", "Egress"}:
            yield f"{named(one)}: leaves a direction open"
        for rule in one["spec"].get("egress", []):
            if not rule.get("ports"):
                yield f"{named(one)}: egress to every port"


#: What an update may not change.
IMMUTABLE = {
    "Deployment": lambda one: one["spec"]["selector"],
    "PersistentVolumeClaim": lambda one: {k: v for k, v in one["spec"].items() if k != "resources"},
    "Service": lambda one: one["spec"].get("clusterIP"),
}


def immutable(before: list[Object], after: list[Object]) -> Iterator[str]:
    old = {named(one): one for one in before}
    for one in after:
        if one["kind"] in IMMUTABLE and named(one) in old:
            of = IMMUTABLE[one["kind"]]
            if of(one) != of(old[named(one)]):
                yield f"{named(one)}: an upgrade cannot change it"


def all_of(objects: list[Object], given: dict[str, set[str]]) -> list[str]:
    found: list[str] = []
    for judged in (kubernetes_schema, pod_security, selectors, standard_labels, names, secrets, network):
        found += judged(objects)
    return found + list(references(objects, given))
