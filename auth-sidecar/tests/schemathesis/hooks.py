"""What schemathesis cannot know of the APIs: names of what is there, and how to read a media type.

In about half of its good requests what is there (WICKETGATE_LIVE, a JSON object of values by parameter or property) stands
instead of what it made up, so that more is reached than refusals.
"""

import json
import os
import zlib

import schemathesis

LIVE = json.loads(os.environ["WICKETGATE_LIVE"])


@schemathesis.deserializer("application/json")
def read(_context, response):
    """A JWT is a text; schemathesis itself takes `application/jwt` for JSON."""
    is_jwt = response.headers["content-type"] == ["application/jwt"]
    return response.content.decode("ascii") if is_jwt else response.json()


def whole(value):
    """The same without `1.0`: that is an integer for JSON Schema, and none for us."""
    if isinstance(value, dict):
        return {name: whole(one) for name, one in value.items()}
    if isinstance(value, list):
        return [whole(one) for one in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def fill_in(values, chance):
    """Puts what is there into half of what has a place for it."""
    for name in values:
        if name in LIVE and zlib.crc32(f"{name} {chance}".encode()) & 1:
            values[name] = LIVE[name]


@schemathesis.hook
def before_call(_context, case, _kwargs):
    case.body = whole(case.body)
    phase, mode = case.meta.phase.name.value, case.meta.generation.mode
    # What was made in a chain of requests is its own; what is wrong by intention stays so.
    if phase == "stateful" or not mode.is_positive:
        return
    chance = f"{case.path_parameters} {case.query} {case.body}"
    for values in (case.path_parameters, case.body):
        if isinstance(values, dict):
            fill_in(values, chance)
    if case.path.startswith("/verify/"):
        fill_in_request(case, chance)


def fill_in_request(case, chance):
    """What a proxy says of the request that it asks about."""
    headers = {"Authorization": f"Bearer {LIVE['token']}", "X-Forwarded-Uri": "/mcp"}
    headers |= {"Host": LIVE["host"], "X-Forwarded-Host": LIVE["host"]}
    for name, value in headers.items():
        if zlib.crc32(f"{name} {chance}".encode()) & 3:
            case.headers[name] = value
