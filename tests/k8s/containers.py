"""Runs rendered pods without a cluster, as a kubelet does in outline: podman and runc for containers, folders for volumes, a registry on loopback.

What stands in a pod's specification and is not known here is an error, so that nothing of it is left out in silence. Everything runs in the
network of the process: give it one of its own (`own_network`).
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from renders import ROOT

PATIENCE = 60
#: Of a container, a pod, a probe: what is carried out here, and what a kubelet alone can.
CONTAINER = {"name", "image", "command", "args", "env", "resources", "securityContext", "volumeMounts", "startupProbe", "readinessProbe", "livenessProbe", "lifecycle", "ports", "imagePullPolicy"}
POD = {"securityContext", "terminationGracePeriodSeconds", "initContainers", "containers", "volumes", "restartPolicy", "automountServiceAccountToken", "enableServiceLinks", "serviceAccountName"}


def own_network() -> None:
    """Starts the program anew in a network that has loopback alone, unless it is in one."""
    if os.environ.get("WICKETGATE_OWN_NETWORK") != "1":
        rights = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
        command = ["unshare", *rights, "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh", sys.executable, *sys.argv]
        os.execvpe(command[0], command, os.environ | {"WICKETGATE_OWN_NETWORK": "1"})


class Engine:
    """podman with a store of its own, and a registry that it pulls from."""

    def __init__(self, stack: ExitStack, program: str, folder: Path) -> None:
        self.program, self.folder = program, folder
        for name in ("root", "run", "registry"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        # Not every machine's cgroups are crun's.
        (folder / "containers.conf").write_text("""[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
""")
        (folder / "registries.conf").write_text('[[registry]]\nlocation = "127.0.0.1:5000"\ninsecure = true\n')
        # podman leaves its store mounted.
        stack.callback(subprocess.run, ["umount", "--recursive", f"{folder}/root/overlay"], capture_output=True)
        self.environment = os.environ | {"CONTAINERS_CONF": f"{folder}/containers.conf", "CONTAINERS_REGISTRIES_CONF": f"{folder}/registries.conf"}
        self.registry = "127.0.0.1:5000"
        configuration = {"version": "0.1", "log": {"level": "error"}, "storage": {"filesystem": {"rootdirectory": f"{folder}/registry"}}, "http": {"addr": self.registry}}
        (folder / "registry.json").write_text(json.dumps(configuration))
        log = stack.enter_context((folder / "registry.log").open("w"))
        process = subprocess.Popen(["docker-registry", "serve", str(folder / "registry.json")], stdout=log, stderr=log)
        stack.callback(process.wait)
        stack.callback(process.terminate)
        until(lambda: connects(5000), "the registry does not listen")

    def __call__(self, *arguments: str, check: bool = True) -> str:
        return self.done(*arguments, check=check).stdout.strip()

    def log(self, name: str) -> str:
        """What a container has written to either output."""
        done = self.done("logs", name, check=False)
        return done.stdout + done.stderr

    def done(self, *arguments: str, check: bool) -> subprocess.CompletedProcess[str]:
        own = [self.program, "--root", f"{self.folder}/root", "--runroot", f"{self.folder}/run", "--storage-driver", "overlay", "--log-level", "error"]
        done = subprocess.run([*own, *arguments], capture_output=True, text=True, env=self.environment, timeout=300)
        assert not check or done.returncode == 0, f"podman {' '.join(arguments)}: {done.stderr}"
        return done

    def run(self, *arguments: str, check: bool = True) -> str:
        """With limits that nobody has to raise, which not everybody may."""
        return self("run", "--ulimit", "nofile=4096:4096", "--ulimit", "nproc=1024:1024", "--tls-verify=false", "--pull", "always", *arguments, check=check)


class Pod:
    """A pod as its specification says. Volumes are folders under `folder`, which outlive it where they are claims."""

    def __init__(self, engine: Engine, of: list[Any], template: Any, folder: Path, secrets: dict[str, dict[str, bytes]], hosts: dict[str, str]) -> None:
        self.engine, self.folder, self.spec, self.hosts = engine, folder, template["spec"], hosts
        self.name = f"{template['metadata'].get('name', 'pod')}-{os.urandom(3).hex()}"
        assert set(self.spec) <= POD, set(self.spec) - POD
        maps = {one["metadata"]["name"]: {key: text.encode() for key, text in one["data"].items()} for one in of if one["kind"] == "ConfigMap"}
        self.volumes = {one["name"]: self.volume(one, maps, secrets) for one in self.spec.get("volumes", [])}
        self.started: list[str] = []

    def volume(self, one: Any, maps: dict[str, dict[str, bytes]], secrets: dict[str, dict[str, bytes]]) -> Path:
        group = self.spec["securityContext"]["fsGroup"]
        if "persistentVolumeClaim" in one:
            place = self.folder / "claims" / one["persistentVolumeClaim"]["claimName"]
        else:
            place = self.folder / self.name / one["name"]
        place.mkdir(parents=True, exist_ok=True)
        if "configMap" in one:
            mount(place, maps[one["configMap"]["name"]])
        elif "secret" in one:
            data = secrets[one["secret"]["secretName"]]
            mount(place, {item["path"]: data[item["key"]] for item in one["secret"]["items"]} if "items" in one["secret"] else data)
        else:
            assert {"emptyDir", "persistentVolumeClaim"} & set(one), one
        # What fsGroup says: the group may write, and new files are the group's.
        os.chown(place, 0, group)
        place.chmod(0o2775)
        return place

    def start(self) -> None:
        for one in self.spec.get("initContainers", []):
            self.run(one)
            assert self.exit_code(one["name"]) == 0, self.log(one["name"])
        for one in self.spec["containers"]:
            self.run(one, "--detach")

    def run(self, one: Any, *more: str) -> None:
        assert set(one) <= CONTAINER, set(one) - CONTAINER
        pod, own = self.spec["securityContext"], one["securityContext"]
        assert own["allowPrivilegeEscalation"] is False and own["readOnlyRootFilesystem"] is True and own["capabilities"] == {"drop": ["ALL"]}
        assert pod["runAsNonRoot"] is True and pod["seccompProfile"] == {"type": "RuntimeDefault"}
        arguments = ["--name", self.container(one["name"]), "--network", "host", "--user", f"{pod['runAsUser']}:{pod['runAsGroup']}", "--group-add", str(pod["fsGroup"])]
        # podman's read-only root has writable folders for temporary files; a kubelet's has none.
        arguments += ["--read-only", "--read-only-tmpfs=false", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--no-hosts=false"]
        arguments += ["--memory", one["resources"]["limits"]["memory"].replace("Mi", "m").replace("Gi", "g")]
        arguments += [part for name, address in self.hosts.items() for part in ("--add-host", f"{name}:{address}")]
        for variable in one.get("env", []):
            assert set(variable) == {"name", "value"}, variable
            arguments += ["--env", f"{variable['name']}={variable['value']}"]
        for volume in one.get("volumeMounts", []):
            assert set(volume) <= {"name", "mountPath", "readOnly"}, volume
            arguments += ["--volume", f"{self.volumes[volume['name']]}:{volume['mountPath']}:{'ro' if volume.get('readOnly') else 'rw'}"]
        words = one.get("args", [])
        if "command" in one:
            arguments += ["--entrypoint", json.dumps(one["command"][:1])]
            words = one["command"][1:] + words
        self.started.append(one["name"])
        self.engine.run(*more, *arguments, one["image"], *words, check=bool(more))

    def container(self, name: str) -> str:
        return f"{self.name}-{name}"

    def exit_code(self, name: str) -> int:
        return int(self.engine("inspect", "--format", "{{.State.ExitCode}}", self.container(name)))

    def running(self, name: str) -> bool:
        return self.engine("inspect", "--format", "{{.State.Running}}", self.container(name)) == "true"

    def log(self, name: str) -> str:
        return self.engine("logs", self.container(name), check=False)

    def probe(self, name: str, kind: str) -> bool:
        """One question, as the container's specification says."""
        [one] = [one for one in self.spec["containers"] if one["name"] == name]
        asked = one[kind]
        if "exec" in asked:
            own = [self.engine.program, "--root", f"{self.engine.folder}/root", "--runroot", f"{self.engine.folder}/run", "--storage-driver", "overlay"]
            return subprocess.run([*own, "exec", self.container(name), *asked["exec"]["command"]], capture_output=True, env=self.engine.environment).returncode == 0
        ports = {port["name"]: port["containerPort"] for port in one["ports"]}
        if "tcpSocket" in asked:
            return connects(ports[asked["tcpSocket"]["port"]])
        get = asked["httpGet"]
        connection = http.client.HTTPConnection("127.0.0.1", ports[get["port"]], timeout=asked.get("timeoutSeconds", 1))
        try:
            connection.request("GET", get["path"], headers={field["name"]: field["value"] for field in get.get("httpHeaders", [])})
            return 200 <= connection.getresponse().status < 400
        except OSError:
            return False
        finally:
            connection.close()

    def wait_started(self) -> None:
        """As often as the start-up probes say."""
        for one in self.spec["containers"]:
            asked = one.get("startupProbe") or one["readinessProbe"]
            kind = "startupProbe" if "startupProbe" in one else "readinessProbe"
            allowed = asked.get("periodSeconds", 10) * asked.get("failureThreshold", 3)
            until(lambda: self.probe(one["name"], kind) or not self.running(one["name"]), lambda: f"{one['name']} is not up: {self.log(one['name'])}", allowed)  # noqa: B023
            assert self.running(one["name"]), self.log(one["name"])

    def terminate(self) -> dict[str, int]:
        """What a kubelet does after `preStop`: SIGTERM to all, and SIGKILL when the grace period is over. The exit codes."""
        grace = self.spec["terminationGracePeriodSeconds"] - max(pre_stop(one) for one in self.spec["containers"])
        names = [one["name"] for one in self.spec["containers"]]
        threads = [threading.Thread(target=self.engine, args=("stop", "--time", str(grace), self.container(name))) for name in names]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
        return {name: self.exit_code(name) for name in names}

    def remove(self) -> None:
        for name in reversed(self.started):
            self.engine("rm", "--force", "--time", "1", self.container(name), check=False)
        shutil.rmtree(self.folder / self.name, ignore_errors=True)


def pre_stop(container: Any) -> int:
    return int(container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0))


def mount(volume: Path, files: dict[str, bytes]) -> None:
    """As a kubelet mounts ConfigMaps and Secrets: files are links through `..data`, which turns from one folder to the next."""
    version = volume / f"..{len(list(volume.iterdir()))}"
    version.mkdir()
    version.chmod(0o755)
    for name, content in files.items():
        (version / name).write_bytes(content)
        (version / name).chmod(0o644)
        if not (volume / name).is_symlink():
            (volume / name).symlink_to(f"..data/{name}")
    (volume / "..data_tmp").symlink_to(version.name)
    (volume / "..data_tmp").replace(volume / "..data")


def connects(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=2).close()
    except OSError:
        return False
    return True


def until(ask: Any, why: Any, patience: float = PATIENCE) -> None:
    """Asks until it is so; `why` says what is wrong when it is not, or finds it out then."""
    deadline = time.monotonic() + patience
    while not ask():
        assert time.monotonic() < deadline, why() if callable(why) else why
        time.sleep(0.1)


def obtained(name: str, *which: str) -> str | None:
    """A program of tests/obtain, or None where it cannot be had, which that says itself."""
    done = subprocess.run([ROOT / f"tests/obtain/{name}.sh", *which], stdout=subprocess.PIPE, text=True)
    return done.stdout.strip() if done.returncode == 0 else None
