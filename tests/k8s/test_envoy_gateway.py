"""Does our part of Envoy Gateway's Envoy work? What its translator does is done in outline by `envoy_gateway.py`: this is not it."""

from __future__ import annotations

import tempfile
import unittest
from contextlib import ExitStack
from typing import Any

import bodies
import envoy_gateway
import in_tls
from gateway import MODULE, Gateway, ready
from test_istio import answers


def make(of: list[Any], _: str, port: int, places: dict[str, int]) -> Any:
    return envoy_gateway.gateway(of, str(MODULE), port, places)


class Traffic(unittest.TestCase):
    def test_calls_are_decided(self) -> None:
        for more in ({}, {"patchPolicy": True}):
            with self.subTest(envoyGateway=more), ExitStack() as stack:
                own = {"gateway": {"certificateSecret": "c"}} | more
                gateway = Gateway(stack, {"mode": "envoyGateway", "envoyGateway": own}, make)
                # Of what is no server's only the route for the filter's own questions comes to the filter here.
                answers(self, gateway, {"public_document", "missing_credential", "not_allowed", "unknown_server", "allowed"})

    def test_gateway_and_authorization_server_meet_in_tls(self) -> None:
        for client in (None, ("authority", in_tls.CLIENT)):
            with self.subTest(client=client), ExitStack() as stack:
                meeting = in_tls.Meeting(stack.enter_context(tempfile.TemporaryDirectory()), client=client)
                own = {"gateway": {"certificateSecret": "c"}} | meeting.values()
                gateway = in_tls.gateway(stack, meeting, {"mode": "envoyGateway", "envoyGateway": own}, make)
                in_tls.carries_calls(self, meeting, gateway)

    def test_bodies_are_held(self) -> None:
        for more in ({}, {"patchPolicy": True}):
            with self.subTest(envoyGateway=more), ExitStack() as stack:
                own = {"gateway": {"certificateSecret": "c"}} | more
                gateway = Gateway(stack, {"mode": "envoyGateway", "envoyGateway": own}, make, bodies.limits("4MiB"))
                ready(gateway)
                bodies.are_held(self, gateway, "4MiB")

    def test_traps_of_buffers_stay_shut(self) -> None:
        for more in ({}, {"patchPolicy": True}):
            with self.subTest(envoyGateway=more), ExitStack() as stack:
                own = {"gateway": {"certificateSecret": "c"}} | more
                gateway = Gateway(stack, {"mode": "envoyGateway", "envoyGateway": own}, make)
                token = ready(gateway)
                bodies.fields_are_changed_in_time(self, gateway, token)
                bodies.nothing_goes_on_while_the_filter_asks(self, gateway)


if __name__ == "__main__":
    unittest.main()
