"""Do the forms walker and the client program themselves work, and do they notice when something is wrong?

Starts the stand-in and runs the client against it in every era, then with a wrong password, with a "denied" tool that
is allowed, and with a tool that should be hidden and is not: those must fail and say so.
"""

from __future__ import annotations

import json
import subprocess
import sys
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent


class ClientAgainstStandIn(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        command = [sys.executable, str(HERE / "stand_in.py")]
        cls.server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        cls.listening = json.loads(cls.server.stdout.readline())

    @classmethod
    def tearDownClass(cls) -> None:
        cls.server.terminate()
        cls.server.wait(20)
        cls.server.stdout.close()

    def client(self, *more: str, password: str | None = None) -> tuple[int, list[dict], str]:
        login = ["--user", self.listening["user"], "--password", password or self.listening["password"]]
        command = [sys.executable, str(HERE / "client.py"), "--url", self.listening["url"], *login, *more]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr

    def test_every_era_gets_through_every_step(self) -> None:
        for era, protocol in (("legacy", "2025-11-25"), ("modern", "2026-07-28"), ("auto", "2026-07-28")):
            with self.subTest(era):
                code, lines, errors = self.client("--era", era, "--slow-seconds", "3", "--short-seconds", "1")
                self.assertEqual(code, 0, errors)
                steps = {line["step"]: line for line in lines}
                expected = {"discover", "login", "connect", "list", "call", "progress", "denied", "slow"}
                self.assertEqual(steps.keys(), expected | {"resource", "prompt", "refresh", "close"})
                self.assertEqual(steps["connect"]["protocol"], protocol)
                self.assertEqual((steps["denied"]["code"], steps["slow"]["progress"]), (-32602, 4))
                self.assertTrue(steps["refresh"]["refresh_token_rotated"])
                self.assertEqual(steps["login"]["pages"], ["login", "consent"])

    def test_what_is_wrong_is_said(self) -> None:
        allowed = ["--denied-tool", "run_report", "--denied-args", '{"seconds": 0}']
        cases = [
            (["--steps", "list"], "wrong", "The login of alice was refused"),
            (["--steps", "denied", *allowed], None, "not denied"),
            (["--steps", "list", "--hidden", "run_report"], None, "which the policy hides"),
            (["--steps", "resource", "--resource", "notes://none"], None, "is not listed"),
        ]
        for more, password, sentence in cases:
            with self.subTest(sentence):
                code, lines, errors = self.client(*more, password=password)
                self.assertEqual(code, 1)
                self.assertIn(sentence, errors)
                self.assertEqual(lines[-1]["step"], "failed")


if __name__ == "__main__":
    unittest.main()
