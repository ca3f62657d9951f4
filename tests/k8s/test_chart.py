"""Is every render of the chart what a cluster takes, and safe? `make chart` (with WRITE=1 for what is made from something else)."""

from __future__ import annotations

import copy
import json
import os
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path
from typing import Any

import documents
import judge
import renders
import yaml
from renders import CASES, GIVEN, ROOT, Refused, golden, objects, rendered
from test_envoy import pair

WRITE = os.environ.get("WRITE") == "1"
CRDS = ROOT / os.environ.get("CRDS_DIR", "../shared/crds")
HELMS = (3, 4)
PATHS = {"/etc/wicketgate/": "etc/", "/var/lib/wicketgate/": "var/"}


class Chart(unittest.TestCase):
    def none(self, found: list[str]) -> None:
        self.assertEqual([], found)

    def test_lint_finds_nothing(self) -> None:
        for generation in HELMS:
            for case in CASES:
                with self.subTest(helm=generation, case=case):
                    files = [part for file in renders.values_of(case) for part in ("--values", str(file))]
                    said = renders.run(generation, "lint", "--strict", str(renders.CHART), *files)
                    self.assertNotIn("WARNING", said)

    def test_renders_are_the_same_again_and_by_both_helms(self) -> None:
        for case in CASES:
            with self.subTest(case=case):
                four = renders.template(4, case)
                self.assertEqual(four, renders.template(4, case))
                self.assertEqual(renders.as_golden(four), renders.as_golden(rendered(3, case)))
                for version in ("1.31.0", "1.36.0"):
                    self.assertEqual(four, renders.template(4, case, "--kube-version", version))

    def test_renders_are_what_they_were(self) -> None:
        """A difference is for the reader of a change: `make chart WRITE=1` takes it over."""
        for case in CASES:
            with self.subTest(case=case):
                now = renders.as_golden(rendered(4, case))
                if WRITE:
                    golden(case).parent.mkdir(exist_ok=True)
                    golden(case).write_text(now)
                self.assertEqual(golden(case).read_text(), now)
        self.assertEqual({golden(case) for case in CASES}, set(golden("x").parent.iterdir()))

    def test_kubernetes_takes_every_object(self) -> None:
        for case in CASES:
            with self.subTest(case=case):
                found = judge.all_of(objects(rendered(4, case)), GIVEN)
                if case == "own-issuer":   # OpenShift names the user
                    found = [one for one in found if not one.endswith(": no user")]
                self.none(found)

    def test_custom_objects_fit_their_definitions(self) -> None:
        if not CRDS.is_dir():
            self.skipTest(f"custom objects were not validated: there is no {CRDS}; CRDS_DIR must name the folder of the CRDs")
        for case in CASES:
            with self.subTest(case=case):
                self.none(list(judge.custom_schema(objects(rendered(4, case)), CRDS)))
        # Rules that the evaluator cannot read are few, and known.
        self.assertGreater(len(judge.evaluated), 50)
        self.assertLessEqual(len(judge.unread), 3, judge.unread)

    def test_a_long_name_and_a_second_release_fit(self) -> None:
        long = "a-release-whose-name-is-as-long-as-helm-admits-to-be0"
        self.assertEqual(53, len(long))
        for case in CASES:
            with self.subTest(case=case):
                first, second = objects(rendered(4, case, release="one")), objects(rendered(4, case, release="two"))
                self.none(list(judge.names(objects(rendered(4, case, release=long)))))
                self.none(list(judge.references(objects(rendered(4, case, release=long)), GIVEN)))
                both = {judge.named(one) for one in first} & {judge.named(one) for one in second}
                self.assertEqual(set(), both)

    def test_an_upgrade_changes_nothing_that_cannot_change(self) -> None:
        changed = ("--set", "commonLabels.team=x", "--set-string", "image.tag=9.9.9", "--set", "logLevel=debug")
        for case in CASES:
            with self.subTest(case=case):
                self.none(list(judge.immutable(objects(rendered(4, case)), objects(rendered(4, case, *changed)))))

    def test_what_is_wrong_is_refused(self) -> None:
        cases = yaml.safe_load((Path(__file__).parent / "refusals.yaml").read_text())
        for case in cases:
            for generation in HELMS:
                with self.subTest(set=case["set"], helm=generation):
                    arguments = [part for one in case["set"] for part in ("--set", one)]
                    with self.assertRaises(Refused) as refused:
                        renders.template(generation, case.get("of", "standalone"), *arguments)
                    self.assertIn(case["says"], str(refused.exception))

    def test_it_can_be_a_part_of_another_chart(self) -> None:
        for generation in HELMS:
            with self.subTest(helm=generation), tempfile.TemporaryDirectory() as folder:
                Path(folder, "charts").mkdir()
                shutil.copytree(renders.CHART, Path(folder, "charts/wicketgate"))
                condition = {"name": "wicketgate", "version": "*", "condition": "wicketgate.enabled"}
                parent = {"apiVersion": "v2", "name": "parent", "version": "1.0.0", "dependencies": [condition]}
                Path(folder, "Chart.yaml").write_text(yaml.safe_dump(parent))
                own = yaml.safe_load(renders.values_of("standalone")[0].read_text())
                values = {"wicketgate": own | {"enabled": True}, "global": {"imageRegistry": "registry.example", "of": "others"}}
                Path(folder, "values.yaml").write_text(yaml.safe_dump(values))
                found = objects(renders.run(generation, "template", "rel", folder, "--namespace", "mcp"))
                self.none(judge.all_of(found, GIVEN))
                images = {c["image"] for _, spec, _ in judge.pods(found) for c in judge.containers(spec)}
                self.assertEqual({True}, {image.startswith("registry.example/") for image in images})
                self.assertEqual([], objects(renders.run(generation, "template", "rel", folder, "--set", "wicketgate.enabled=false")))

    def test_the_store_in_a_file_has_one_process(self) -> None:
        for case in CASES:
            for one in objects(rendered(4, case)):
                claims = [v for v in one.get("spec", {}).get("template", {}).get("spec", {}).get("volumes", []) if v["name"] == "store"]
                if one["kind"] == "Deployment" and claims:
                    self.assertEqual((1, "Recreate"), (one["spec"]["replicas"], one["spec"]["strategy"]["type"]), case)

    def test_what_is_made_from_something_else_is_up_to_date(self) -> None:
        for file, content in (documents.of_the_chart() | documents.of_renders()).items():
            with self.subTest(file=file.name):
                self.assertEqual(content, file.read_text(), f"{file}: run `make chart WRITE=1`")
        for key, _, _ in documents.rows():
            self.assertNotIn(" ", key)

    def test_alerts_are_rules_to_prometheus(self) -> None:
        tool = subprocess.run([ROOT / "tests/obtain/promtool.sh"], capture_output=True, text=True)
        if tool.returncode:
            self.skipTest(f"rules were not checked: {tool.stderr.strip()}")
        seen = 0
        for case in CASES:
            for one in objects(rendered(4, case)):
                if one["kind"] == "PrometheusRule":
                    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
                        yaml.safe_dump(one["spec"], file)
                        file.flush()
                        done = subprocess.run([tool.stdout.strip(), "check", "rules", file.name], capture_output=True, text=True)
                    self.assertEqual(0, done.returncode, done.stdout + done.stderr)
                    self.assertNotIn('"mcp_upstream"', json.dumps(one))
                    seen += 1
        self.assertGreater(seen, 1)

    def test_nothing_that_is_scraped_is_an_alert(self) -> None:
        """All other alerts are silent where nobody reads the metrics, or nobody answers."""
        tool = subprocess.run([ROOT / "tests/obtain/promtool.sh"], capture_output=True, text=True)
        if tool.returncode:
            self.skipTest(f"rules were not tried: {tool.stderr.strip()}")
        labels = {"production": ('job="mcp/rel-wicketgate",endpoint="operations"', 'job="mcp/rel-wicketgate",endpoint="auth-metrics"'),
                  "istio": ('namespace="mcp",job="rel-wicketgate-metrics"',)}
        for case, scraped in labels.items():
            [spec] = [one["spec"] for one in objects(rendered(4, case)) if one["kind"] == "PrometheusRule"]
            own = [group for group in spec["groups"] if group["name"] == "wicketgate-scrape"]
            for dead in (None, *scraped):
                with self.subTest(case=case, dead=dead), tempfile.TemporaryDirectory() as folder:
                    Path(folder, "rules.yaml").write_text(yaml.safe_dump({"groups": own}))
                    # One pod is always down; of what is dead the other one, too.
                    series = [{"series": f'up{{{one},pod="{pod}"}}', "values": "0x20" if pod == "a" or one == dead else "1x20"} for one in scraped for pod in "ab"]
                    told = [] if dead is None else [dict(part.split("=") for part in dead.replace('"', "").split(","))]
                    expected = [{"exp_labels": rule["labels"], "exp_annotations": rule["annotations"]} for rule in (self.rule(own, one) for one in told)]
                    test = {"interval": "1m", "input_series": series, "alert_rule_test": [{"eval_time": "15m", "alertname": "WicketgateNotScraped", "exp_alerts": expected}]}
                    Path(folder, "test.yaml").write_text(yaml.safe_dump({"rule_files": ["rules.yaml"], "tests": [test]}))
                    done = subprocess.run([tool.stdout.strip(), "test", "rules", f"{folder}/test.yaml"], capture_output=True, text=True)
                    self.assertEqual(0, done.returncode, done.stdout + done.stderr)

    @staticmethod
    def rule(groups: list[Any], labels: dict[str, str]) -> Any:
        [rule] = [rule for group in groups for rule in group["rules"] if all(f'{name}="{value}"' in rule["expr"] for name, value in labels.items())]
        return rule

    def test_what_is_set_to_nothing_is_nothing(self) -> None:
        values = ["--set-json", 'mcpServers=[{"name":"a","image":"a","port":1,"replicas":0},{"name":"b","image":"b","port":1}]']
        found = objects(rendered(4, "standalone", *values))
        replicas = {one["metadata"]["name"][-2:]: one["spec"]["replicas"] for one in found if one["kind"] == "Deployment" and "mcp-" in json.dumps(one)}
        self.assertEqual((0, 1), (replicas["-a"], replicas["-b"]))

    def test_redis_is_reached_where_sentinels_listen(self) -> None:
        found = objects(rendered(4, "production", "--set", "redis.topology=sentinel,redis.master=m"))
        ports = [port["port"] for one in found if one["kind"] == "NetworkPolicy" for rule in one["spec"]["egress"] for port in rule.get("ports", [])]
        self.assertIn(26379, ports)
        self.assertIn(6379, ports)

    def test_only_routes_of_the_release_are_bound_to_its_hosts(self) -> None:
        gateways = [one for one in objects(rendered(4, "istio")) if one["kind"] == "Gateway"]
        hosts = [host for one in gateways for server in one["spec"]["servers"] for host in server["hosts"]]
        self.assertTrue(hosts)
        for host in hosts:
            self.assertRegex(host, r"^[a-z0-9-]+/[^/*]+$")

    def test_the_dashboard_asks_for_metrics_that_are_there(self) -> None:
        dashboard = json.loads((renders.CHART / "files/dashboard.json").read_text())
        known = (ROOT / "filter/README.md").read_text() + (ROOT / "auth-sidecar/README.md").read_text()
        asked = set(re.findall(r"wicketgate_[a-z_]+", json.dumps(dashboard)))
        self.assertGreater(len(asked), 10)
        for name in asked:
            self.assertIn(re.sub(r"_(bucket|sum|count)$", "", name), known)


class Compilers(unittest.TestCase):
    """Our own compilers read what is rendered: nothing else knows what it means."""

    @staticmethod
    def policies(of: list[Any]) -> list[Any]:
        out = []
        for one in of:
            spec = one.get("spec", {})
            if one["kind"] == "WasmPlugin":
                out.append(spec["pluginConfig"])
            elif one["kind"] == "TrafficExtension":
                out.append(spec["wasm"]["pluginConfig"])
            elif one["kind"] == "EnvoyExtensionPolicy" and "wasm" in spec:
                out.append(spec["wasm"][0]["config"])
            elif one["kind"] == "EnvoyFilter":
                inserted = [p["patch"]["value"] for p in spec["configPatches"] if p["applyTo"] == "HTTP_FILTER"]
                out += [json.loads(v["typed_config"]["config"]["configuration"]["value"]) for v in inserted if v["name"] == "wicketgate"]
            elif one["kind"] == "ConfigMap" and "filter.json" in one["data"]:
                extension = json.loads(one["data"]["filter.json"])["resources"][0]
                out.append(json.loads(extension["typed_config"]["config"]["configuration"]["value"]))
        return out

    def tool(self, name: str) -> Path:
        path = ROOT / "target/debug" / name
        self.assertTrue(path.is_file(), f"{path} is not there: `make native` builds it")
        return path

    def test_the_filter_takes_every_policy(self) -> None:
        for case in CASES:
            with self.subTest(case=case), tempfile.TemporaryDirectory() as folder:
                file = Path(folder, "rendered.yaml")
                file.write_text(rendered(4, case))
                self.assertEqual(1, self.take_policies(file))
                self.take_policy(objects(rendered(4, case)), folder)

    def take_policies(self, file: Path) -> int:
        """As a user judges what Helm writes; how many policies are in it."""
        done = subprocess.run([self.tool("wicketgate"), "check", "--rendered", file, "--json"], capture_output=True, text=True)
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)
        return len(json.loads(done.stdout)["policies"])

    def take_policy(self, of: list[Any], folder: str) -> None:
        [policy] = self.policies(of)
        file = Path(folder, "policy.json")
        file.write_text(json.dumps(policy))
        done = subprocess.run([self.tool("wicketgate"), "check", file], capture_output=True, text=True)
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)

    def test_what_a_mesh_cannot_hold_is_not_held(self) -> None:
        held = {case: self.policies(objects(rendered(4, case)))[0]["hold_headers"] for case in CASES}
        not_held = {case for case, held in held.items() if not held}
        self.assertEqual({"istio", "istio-extension", "envoy-gateway", "envoy-gateway-tls"}, not_held)

    def test_the_filter_is_what_the_command_line_renders(self) -> None:
        for case in ("standalone", "production"):
            with self.subTest(case=case), tempfile.TemporaryDirectory() as folder:
                file = Path(folder, "policy.json")
                file.write_text(json.dumps(self.policies(objects(rendered(4, case)))[0]))
                wasm = "/var/lib/wicketgate-module/plugin.wasm"
                command = [self.tool("wicketgate"), "render", file, "--to", "ecds", "--wasm", wasm, "--out", Path(folder, "out.json")]
                subprocess.run(command, check=True, capture_output=True)
                expected = json.loads(Path(folder, "out.json").read_text())
                [data] = [one["data"] for one in objects(rendered(4, case)) if "filter.json" in one.get("data", {})]
                found = json.loads(data["filter.json"])
                for one in (expected, found):
                    del one["version_info"]
                    inner = one["resources"][0]["typed_config"]["config"]["configuration"]
                    inner["value"] = json.loads(inner["value"])
                self.assertEqual(expected, found)

    def test_the_authorization_server_takes_every_configuration(self) -> None:
        checked = 0
        for case in CASES:
            with self.subTest(case=case), tempfile.TemporaryDirectory() as folder:
                checked += self.take_configuration(objects(rendered(4, case)), folder)
        self.assertGreater(checked, 5)

    def take_configuration(self, of: list[Any], folder: str) -> int:
        """How many there are: one at most."""
        texts = [one["data"]["auth.json"] for one in of if "auth.json" in one.get("data", {})]
        for text in texts:
            for place, instead in PATHS.items():
                text = text.replace(place, f"{folder}/{instead}")
            self.fill(json.loads(text))
            file = Path(folder, "auth.json")
            file.write_text(text)
            done = subprocess.run([self.tool("wicketgate-auth"), "check", "--config", file], capture_output=True, text=True)
            self.assertEqual(0, done.returncode, done.stdout + done.stderr)
        return len(texts)

    def fill(self, value: Any, key: str = "") -> None:
        """Puts something into every file that the configuration names."""
        if isinstance(value, dict):
            for name, inner in value.items():
                self.fill(inner, name if name != "file" else key)
        elif isinstance(value, list):
            for inner in value:
                self.fill(inner, key)
        elif isinstance(value, str) and value.startswith(tempfile.gettempdir()):
            file = Path(value)
            file.parent.mkdir(parents=True, exist_ok=True)
            if file.name == "data.key":
                generated = subprocess.run([self.tool("wicketgate-auth"), "generate-key"], check=True, capture_output=True)
                file.write_bytes(generated.stdout)
            elif file.name == "url":
                file.write_text("rediss://u:p@r.example:6379" if "sentinel" not in key else "")
            elif file.suffix in (".crt", ".key"):
                for kind, content in pair("ca.example", str(file.parent)).items():
                    file.with_suffix(Path(kind).suffix).write_text(content)
            elif file.suffix != ".redb":
                file.write_text("0123456789abcdef0123456789abcdef")


class Judge(unittest.TestCase):
    """Does the judge notice what is wrong? Each case edits one good render."""

    def test_what_is_wrong_is_noticed(self) -> None:
        good = objects(rendered(4, "production"))
        self.assertEqual([], judge.all_of(good, GIVEN))

        def of(kind: str, edited: list[dict[str, Any]]) -> dict[str, Any]:
            return next(one for one in edited if one["kind"] == kind)

        def pod(edited: list[dict[str, Any]]) -> dict[str, Any]:
            return of("Deployment", edited)["spec"]["template"]["spec"]

        edits = {
            "an unknown field": lambda o: of("Service", o)["spec"].update(selectors={}),
            "a field of the wrong type": lambda o: of("HorizontalPodAutoscaler", o)["spec"].update(maxReplicas="many"),
            "a version in a selector": lambda o: of("PodDisruptionBudget", o)["spec"]["selector"]["matchLabels"].update({"app.kubernetes.io/version": "0.1.0"}),
            "a selector of nothing": lambda o: of("Service", o)["spec"].update(selector={"app": "x"}),
            "a port that no pod has": lambda o: of("Service", o)["spec"]["ports"][0].update(targetPort="web"),
            "no label": lambda o: of("Service", o)["metadata"].update(labels={}),
            "a name that is too long": lambda o: of("Service", o)["metadata"].update(name="a" * 64),
            "an object twice": lambda o: o.append(copy.deepcopy(of("Service", o))),
            "root": lambda o: pod(o)["containers"][0]["securityContext"].update(runAsNonRoot=False),
            "a capability": lambda o: pod(o)["containers"][0]["securityContext"].update(capabilities={"add": ["NET_ADMIN"]}),
            "no seccomp profile": lambda o: pod(o)["securityContext"].pop("seccompProfile"),
            "a writable image": lambda o: pod(o)["initContainers"][0]["securityContext"].update(readOnlyRootFilesystem=False),
            "a token": lambda o: pod(o).update(automountServiceAccountToken=True),
            "a path of the host": lambda o: pod(o)["volumes"].append({"name": "h", "hostPath": {"path": "/"}}),
            "no requests": lambda o: pod(o)["containers"][1].pop("resources"),
            "a ConfigMap that is not there": lambda o: pod(o)["volumes"][0]["configMap"].update(name="x"),
            "a Secret that is not there": lambda o: next(v for v in pod(o)["volumes"] if "secret" in v)["secret"].update(secretName="x"),
            "a probe of no port": lambda o: pod(o)["containers"][0]["readinessProbe"]["httpGet"].update(port="x"),
            "a Secret": lambda o: o.append({"apiVersion": "v1", "kind": "Secret", "metadata": copy.deepcopy(of("Service", o)["metadata"])}),
            "egress to everywhere": lambda o: of("NetworkPolicy", o)["spec"]["egress"].append({}),
            "a policy of one direction": lambda o: of("NetworkPolicy", o)["spec"].update(policyTypes=["Ingress"]),
        }
        for what, edit in edits.items():
            with self.subTest(what=what):
                edited = copy.deepcopy(good)
                edit(edited)
                self.assertNotEqual([], judge.all_of(edited, GIVEN))

    def test_what_stands_between_gateway_and_authorization_server_is_there(self) -> None:
        good = objects(rendered(4, "envoy-gateway-tls"))
        self.assertEqual([], judge.all_of(good, GIVEN))
        edits = {
            "a policy of no Service": lambda spec: spec["targetRefs"][0].update(name="x"),
            "an authority that is not there": lambda spec: spec["validation"]["caCertificateRefs"][0].update(name="x"),
        }
        for what, edit in edits.items():
            with self.subTest(what=what):
                edited = copy.deepcopy(good)
                edit(next(one for one in edited if one["kind"] == "BackendTLSPolicy")["spec"])
                self.assertNotEqual([], judge.all_of(edited, GIVEN))

    def test_rules_in_cel_are_read(self) -> None:
        schema = {"x-kubernetes-validations": [{"rule": "self.a == 1", "message": "a is 1"}], "properties": {"a": {"default": 1}}}
        self.assertEqual([], list(judge.rules(schema, judge.defaulted(schema, {}))))
        self.assertEqual([("the object", "a is 1")], list(judge.rules(schema, {"a": 2})))

    def test_an_update_of_what_cannot_change_is_noticed(self) -> None:
        good = objects(rendered(4, "standalone"))
        edited = copy.deepcopy(good)
        next(one for one in edited if one["kind"] == "Deployment")["spec"]["selector"]["matchLabels"]["x"] = "y"
        self.assertNotEqual([], list(judge.immutable(good, edited)))


if __name__ == "__main__":
    unittest.main(verbosity=1)
