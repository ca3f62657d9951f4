"""Does a real Envoy accept what is rendered for mode standalone? All files of values, TLS and several servers among them."""

from __future__ import annotations

import http.client
import json
import re
import socket
import ssl
import subprocess
import tempfile
import time
import unittest
from pathlib import Path
from typing import Any

import yaml
from renders import CASES, ROOT, objects, rendered


def configuration(case: str) -> str | None:
    """The rendered envoy.yaml; None in other modes."""
    found = [one["data"]["envoy.yaml"] for one in objects(rendered(4, case)) if "envoy.yaml" in one.get("data", {})]
    return found[0] if found else None


def routes(document: Any) -> list[Any]:
    [public] = [one for one in document["static_resources"]["listeners"] if one["name"] == "public"]
    return list(manager(public)["route_config"]["virtual_hosts"][0]["routes"])


def manager(listener: Any) -> Any:
    return listener["filter_chains"][0]["filters"][0]["typed_config"]


class Envoy(unittest.TestCase):
    def test_envoy_accepts_it(self) -> None:
        envoy = subprocess.run([ROOT / "tests/obtain/envoy.sh"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
        accepted = 0
        for case in CASES:
            text = configuration(case)
            if text is None:
                continue
            with self.subTest(case=case), tempfile.TemporaryDirectory() as folder:
                for place in ("filter", "tls", "envoy"):
                    Path(folder, place).mkdir()
                Path(folder, "filter/filter.json").write_text('{"resources": []}')
                text = text.replace("/etc/wicketgate", folder).replace("/etc/envoy", f"{folder}/envoy")
                # Files of the image and of a Secret, which are not here.
                text = text.replace("/etc/ssl/certs/ca-certificates.crt", f"{folder}/ca.crt")
                Path(folder, "ca.crt").write_text(pair("ca.example", folder)["tls.crt"])
                Path(folder, "envoy/sds.yaml").write_text('{"resources": []}')
                file = Path(folder, "envoy.yaml")
                file.write_text(text)
                command = [envoy, "--mode", "validate", "--log-level", "warning", "--config-path", file]
                done = subprocess.run(command, capture_output=True, text=True)
                self.assertEqual(0, done.returncode, done.stderr)
                self.assertNotIn("deprecated", done.stderr.lower())
                accepted += 1
        self.assertGreaterEqual(accepted, 4)

    def test_it_is_as_safe_as_the_reference(self) -> None:
        """Of the public listener: what envoy/envoy.yaml has stands here too, but for ports, sizes, records and routes."""
        reference = yaml.safe_load((ROOT / "envoy/envoy.yaml").read_text())
        [listener] = reference["static_resources"]["listeners"]
        expected = dict(manager(listener))
        for case in CASES:
            text = configuration(case)
            if text is None:
                continue
            document = yaml.safe_load(text)
            [public] = [one for one in document["static_resources"]["listeners"] if one["name"] == "public"]
            found = dict(manager(public))
            self.assertEqual(len(expected["access_log"]), len(found["access_log"]), case)
            for ours, theirs in zip(expected["access_log"], found["access_log"], strict=True):
                self.assertEqual((ours["name"], ours["filter"]), (theirs["name"], theirs["filter"]), case)
            for key in expected:
                if key not in ("access_log", "route_config", "http_filters"):
                    self.assertEqual(expected[key], found[key], f"{case}: {key}")
            self.assertEqual(set(found) - set(expected), {"xff_num_trusted_hops"}, case)
            self.assertEqual(listener["tcp_keepalive"], public["tcp_keepalive"], case)
            self.assertEqual(reference["stats_config"], document["stats_config"], case)
            # Before ours, where pages may call: it answers their preflights.
            cors = ["envoy.filters.http.cors"] if "typed_per_filter_config: {envoy.filters.http.cors" in text else []
            self.assertEqual([*cors, *(one["name"] for one in expected["http_filters"])], [one["name"] for one in found["http_filters"]], case)

    def test_routes_lead_where_those_of_the_reference_do(self) -> None:
        reference = yaml.safe_load((ROOT / "envoy/envoy.yaml").read_text())
        asked = ["/.well-known/oauth-protected-resource/mcp", "/wicketgate/status", "/.well-known/jwks.json", "/auth/refresh", "/signin/x",
                 "/callback/x", "/register/x", "/assets/style.css", "/mcp", "/mcp/x", "/mcpx", "/", "/nowhere"]
        exact = next(one["match"]["safe_regex"]["regex"] for one in routes(reference) if one["name"] == "authorization_server")
        asked += ["/" + name for name in exact.strip("/()").replace("(", "").split("|")]
        text = configuration("standalone")
        assert text is not None
        ours = routes(yaml.safe_load(text))
        for path in asked:
            with self.subTest(path=path):
                expected, found = chosen(routes(reference), path), chosen(ours, path)
                self.assertEqual(kind(expected), kind(found))
                self.assertEqual("typed_per_filter_config" in expected, "typed_per_filter_config" in found)
        [mcp] = [one for one in ours if one["name"] == "mcp_notes"]
        self.assertEqual(("0s", "3600s"), (mcp["route"]["timeout"], mcp["route"]["idle_timeout"]))
        self.assertNotIn("retry", json.dumps(ours))


class Certificate(unittest.TestCase):
    """A certificate is a Secret that something else renews: Envoy takes the new one over, and streams go on."""

    def test_another_certificate_is_served_without_a_restart(self) -> None:
        text = configuration("production")
        [data] = [one["data"] for one in objects(rendered(4, "production")) if "sds.yaml" in one.get("data", {})]
        [filter_data] = [one["data"] for one in objects(rendered(4, "production")) if "filter.json" in one.get("data", {})]
        assert text is not None
        envoy = subprocess.run([ROOT / "tests/obtain/envoy.sh"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
        with tempfile.TemporaryDirectory() as folder:
            module = str(ROOT / "target/wicketgate.wasm")
            mount(Path(folder, "tls"), pair("first.example", folder))
            mount(Path(folder, "filter"), {"filter.json": filter_data["filter.json"].replace("/var/lib/wicketgate-module/plugin.wasm", module)})
            ports = {str(port): free() for port in (8080, 9901, 9902)}
            for documented, own in ports.items():
                text = text.replace(f"port_value: {documented}}}", f"port_value: {own}}}")
            for place, own in (("/etc/wicketgate", folder), ("/etc/envoy", folder), ("/dev/stdout", f"{folder}/stdout"), ('"0.0.0.0"', "127.0.0.1"),
                               ("/etc/ssl/certs/ca-certificates.crt", f"{folder}/tls/tls.crt")):
                text = text.replace(place, own)
            Path(folder, "sds.yaml").write_text(data["sds.yaml"].replace("/etc/wicketgate", folder))
            Path(folder, "envoy.yaml").write_text(text)
            command = [envoy, "--config-path", f"{folder}/envoy.yaml", "--concurrency", "1", "--log-level", "error", "--disable-hot-restart"]
            with subprocess.Popen(command) as running:
                try:
                    self.assertEqual("first.example", eventually(lambda: served(ports["8080"]), "first.example"))
                    mount(Path(folder, "tls"), pair("second.example", folder))
                    self.assertEqual("second.example", eventually(lambda: served(ports["8080"]), "second.example"))
                finally:
                    running.terminate()


class Authority(unittest.TestCase):
    """The authority of an upstream is renewed as certificates are."""

    def test_another_authority_is_taken_over_without_a_restart(self) -> None:
        tls = 'config.servers[0].upstream.tls={"enabled":true,"caFile":"/etc/wicketgate/ca/ca.crt"}'
        [data] = [one["data"] for one in objects(rendered(4, "standalone", "--set-json", tls)) if "envoy.yaml" in one.get("data", {})]
        envoy = subprocess.run([ROOT / "tests/obtain/envoy.sh"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
        with tempfile.TemporaryDirectory() as folder:
            first, second = (pair(name, folder)["tls.crt"] for name in ("first.example", "second.example"))
            mount(Path(folder, "ca"), {"ca.crt": first})
            Path(folder, "filter").mkdir()
            Path(folder, "filter/filter.json").write_text('{"resources": []}')
            ports = {str(port): free() for port in (8080, 9901, 9902)}
            for name in ("envoy.yaml", "authority-notes.yaml"):
                text = data[name]
                for documented, own in ports.items():
                    text = text.replace(f"port_value: {documented}}}", f"port_value: {own}}}")
                for place, instead in (("/etc/wicketgate", folder), ("/etc/envoy", folder), ('"0.0.0.0"', "127.0.0.1")):
                    text = text.replace(place, instead)
                Path(folder, name).write_text(text)
            command = [envoy, "--config-path", f"{folder}/envoy.yaml", "--concurrency", "1", "--log-level", "off", "--disable-hot-restart"]
            with subprocess.Popen(command) as running:
                try:
                    for now in (first, second):
                        mount(Path(folder, "ca"), {"ca.crt": now})
                        self.assertEqual(serial(now), eventually(lambda: believed(ports["9901"]), serial(now)))
                finally:
                    running.terminate()


def serial(certificate: str) -> str:
    said = subprocess.run(["openssl", "x509", "-noout", "-serial"], input=certificate, check=True, capture_output=True, text=True).stdout
    return said.partition("=")[2].strip().lower().lstrip("0")


def believed(admin: int) -> str | None:
    """The serial number of the authority that Envoy has; None while it has none."""
    connection = http.client.HTTPConnection("127.0.0.1", admin, timeout=2)
    try:
        connection.request("GET", "/certs")
        found = json.loads(connection.getresponse().read())["certificates"]
    except (OSError, ValueError):
        return None
    finally:
        connection.close()
    return next((ca["serial_number"].lstrip("0") for one in found for ca in one.get("ca_cert", [])), None)


def free() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def pair(name: str, folder: str) -> dict[str, str]:
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/CN={name}", "-keyout", f"{folder}/k", "-days", "2"]
    crt = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return {"tls.crt": crt, "tls.key": Path(folder, "k").read_text()}


def mount(volume: Path, files: dict[str, str]) -> None:
    """As a kubelet mounts a Secret: files are links through `..data`, which turns from one folder to the next."""
    volume.mkdir(exist_ok=True)
    version = volume / f"..{len(list(volume.iterdir()))}"
    version.mkdir()
    for name, content in files.items():
        (version / name).write_text(content)
        if not (volume / name).is_symlink():
            (volume / name).symlink_to(f"..data/{name}")
    (volume / "..data_tmp").symlink_to(version.name)
    (volume / "..data_tmp").replace(volume / "..data")


def served(port: int) -> str | None:
    """The name in the certificate that is served; None while nobody answers."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as plain, context.wrap_socket(plain) as secured:
            binary = secured.getpeercert(binary_form=True)
    except OSError:
        return None
    command = ["openssl", "x509", "-inform", "DER", "-noout", "-subject", "-nameopt", "multiline"]
    said = subprocess.run(command, input=binary, check=True, capture_output=True).stdout.decode()
    return said.rpartition("= ")[2].strip()


def eventually(ask: Any, wanted: str) -> Any:
    """What is answered, as soon as it is what is wanted; the last answer after a minute."""
    deadline = time.monotonic() + 60
    while (answer := ask()) != wanted and time.monotonic() < deadline:
        time.sleep(0.1)
    return answer


def chosen(of: list[Any], path: str) -> Any:
    def meets(match: Any) -> bool:
        if "path" in match:
            return bool(path == match["path"])
        if "prefix" in match:
            return path.startswith(match["prefix"])
        if "safe_regex" in match:
            return re.fullmatch(match["safe_regex"]["regex"], path) is not None
        prefix = match["path_separated_prefix"]
        return bool(path == prefix or path.startswith(f"{prefix}/"))

    return next(one for one in of if meets(one["match"]))


def kind(route: Any) -> str:
    if "direct_response" in route:
        return str(route["direct_response"]["status"])
    return str(route["route"]["cluster"]).partition("_")[0]


if __name__ == "__main__":
    unittest.main()
