"""Does the official Python SDK get through the whole product: discovery, login, calls, denials, streams, refresh?

Runs the steps in order against one MCP URL and prints one JSON object per finished step. The first failure ends the run
with exit code 1 and one sentence. README.md lists the steps and what each prints.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

import httpx2
from mcp import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientInformationFull, OAuthClientMetadata, OAuthToken
from mcp.shared.exceptions import MCPError

import forms

if sys.version_info < (3, 11):
    from exceptiongroup import BaseExceptionGroup

MODES = {"legacy": "legacy", "modern": "2026-07-28", "auto": "auto"}
STEPS = ["discover", "list", "call", "progress", "denied", "slow", "resource", "prompt", "refresh"]
# Nobody listens there: the form walker stops where a browser would go to it.
REDIRECT_URI = "http://127.0.0.1:33418/callback"


class StepFailed(Exception):
    """A step that did not go as it must; the text is a sentence for people."""


def say(step: str, **details: Any) -> None:
    """One finished step, one line."""
    print(json.dumps({"step": step, "ok": True, **details}), flush=True)


def require(condition: object, sentence: str) -> None:
    if not condition:
        raise StepFailed(sentence)


class Storage:
    """The SDK's token store, in memory."""

    tokens: OAuthToken | None = None
    client: OAuthClientInformationFull | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


class Login:
    """The person: goes through the pages when the SDK says so, and counts how often it had to."""

    def __init__(self, options: argparse.Namespace, storage: Storage) -> None:
        self.options = options
        self.storage = storage
        self.times = 0
        self.answer: dict[str, str] = {}

    async def go(self, authorization_url: str) -> None:
        self.times += 1
        visit = await forms.walk(authorization_url, REDIRECT_URI, self.options.user, self.options.password)
        self.answer = visit.answer
        registered = self.storage.client
        client_id = registered.client_id if registered else None
        say("login", pages=visit.pages, client_id=client_id, answer=sorted(visit.answer))
        require("code" in visit.answer, f"The login ended without a code: {visit.answer}.")

    async def result(self) -> AuthorizationCodeResult:
        return AuthorizationCodeResult(
            code=self.answer["code"], state=self.answer.get("state"), iss=self.answer.get("iss")
        )


class Run:
    """One client, one connection, all steps."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.storage = Storage()
        self.login = Login(options, self.storage)
        self.auth = None if options.no_auth else self.provider()
        self.mcp: Client

    def provider(self) -> OAuthClientProvider:
        metadata = OAuthClientMetadata.model_validate(
            {
                "client_name": "Wicketgate Python test client",
                "redirect_uris": [REDIRECT_URI],
                "grant_types": ["authorization_code", "refresh_token"],
            }
        )
        return OAuthClientProvider(
            server_url=self.options.url,
            client_metadata=metadata,
            storage=self.storage,
            redirect_handler=self.login.go,
            callback_handler=self.login.result,
        )

    async def all_steps(self) -> None:
        if "discover" in self.options.steps and self.auth:
            await self.discover()
        timeout = httpx2.Timeout(30, read=300)
        async with httpx2.AsyncClient(auth=self.auth, timeout=timeout, trust_env=False) as http:
            transport = streamable_http_client(self.options.url, http_client=http)
            async with Client(transport, mode=MODES[self.options.era], cache=None) as self.mcp:
                server = self.mcp.server_info.name if self.mcp.server_info else None
                say("connect", era=self.options.era, protocol=self.mcp.protocol_version, server=server)
                await self.connected_steps()
        say("close")
        if self.options.token_out and self.storage.tokens:
            handle = os.open(self.options.token_out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(handle, "w") as file:
                file.write(self.storage.tokens.access_token)

    async def connected_steps(self) -> None:
        known: dict[str, Callable[[], Awaitable[None]]] = {
            "list": self.list_tools,
            "call": self.call_allowed,
            "progress": lambda: self.call_with_progress("progress", self.options.short_seconds),
            "denied": self.call_denied,
            "slow": lambda: self.call_with_progress("slow", self.options.slow_seconds),
            "resource": self.read_resource,
            "prompt": self.get_prompt,
            "refresh": self.refresh,
        }
        for name in self.options.steps:
            if name in known and not (name == "refresh" and self.auth is None):
                await known[name]()

    async def discover(self) -> None:
        """What a client without a token is told: the challenge, and the two documents it leads to."""
        async with httpx2.AsyncClient(trust_env=False, timeout=30) as http:
            ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
            accept = {"Accept": "application/json, text/event-stream"}
            refused = await http.post(self.options.url, json=ping, headers=accept)
            challenge = refused.headers.get("www-authenticate", "")
            require(refused.status_code == 401, f"Without a token the answer was {refused.status_code}, not 401.")
            require("resource_metadata=" in challenge, f"The challenge names no resource_metadata: {challenge!r}.")
            where = challenge.split('resource_metadata="', 1)[1].split('"', 1)[0]
            resource = (await http.get(where)).raise_for_status().json()
            require(resource["resource"] == self.options.url, f"The metadata is for {resource['resource']!r}.")
            issuer = resource["authorization_servers"][0]
            parts = urlsplit(issuer)
            known = f"{parts.scheme}://{parts.netloc}/.well-known/oauth-authorization-server{parts.path.rstrip('/')}"
            server = (await http.get(known)).raise_for_status().json()
            require(server["issuer"] == issuer, f"The issuer is {server['issuer']!r}, expected {issuer!r}.")
            require("S256" in server["code_challenge_methods_supported"], "The issuer does not announce PKCE S256.")
            say("discover", challenge=challenge, issuer=issuer, registration="registration_endpoint" in server)

    async def list_tools(self) -> None:
        tools = [tool.name for tool in (await self.mcp.list_tools()).tools]
        hidden = [name for name in self.options.hidden if name in tools]
        require(self.options.allowed_tool in tools, f"{self.options.allowed_tool} is not listed: {tools}.")
        require(not hidden, f"tools/list shows {hidden}, which the policy hides.")
        say("list", tools=tools)

    async def call_allowed(self) -> None:
        result = await self.mcp.call_tool(self.options.allowed_tool, self.options.allowed_args)
        text = text_of(result.content)
        require(not result.is_error, f"{self.options.allowed_tool} answered with an error: {text}")
        say("call", tool=self.options.allowed_tool, text=text[:200])

    async def call_with_progress(self, step: str, seconds: int) -> None:
        seen: list[float] = []

        async def on_progress(progress: float, total: float | None, message: str | None) -> None:
            seen.append(progress)

        begun = time.monotonic()
        result = await self.mcp.call_tool(
            self.options.slow_tool, {"seconds": seconds}, seconds + 60, progress_callback=on_progress
        )
        require(not result.is_error, f"{self.options.slow_tool} answered with an error: {text_of(result.content)}")
        require(len(seen) >= seconds, f"Only {len(seen)} progress notices in {seconds} s: {seen}.")
        require(seen == sorted(seen), f"Progress came out of order: {seen}.")
        say(step, tool=self.options.slow_tool, progress=len(seen), seconds=round(time.monotonic() - begun, 1))

    async def call_denied(self) -> None:
        name = self.options.denied_tool
        try:
            result = await self.mcp.call_tool(name, self.options.denied_args)
        except MCPError as error:
            say("denied", tool=name, code=error.code, message=error.message)
            return
        raise StepFailed(f"{name} was not denied; it answered {text_of(result.content)!r} (isError {result.is_error}).")

    async def read_resource(self) -> None:
        listed = [str(resource.uri) for resource in (await self.mcp.list_resources()).resources]
        require(self.options.resource in listed, f"{self.options.resource} is not listed: {listed}.")
        contents = (await self.mcp.read_resource(self.options.resource)).contents
        require(contents and getattr(contents[0], "text", ""), f"{self.options.resource} is empty.")
        say("resource", listed=listed, uri=self.options.resource, characters=len(contents[0].text))

    async def get_prompt(self) -> None:
        listed = [prompt.name for prompt in (await self.mcp.list_prompts()).prompts]
        require(self.options.prompt in listed, f"{self.options.prompt} is not listed: {listed}.")
        messages = (await self.mcp.get_prompt(self.options.prompt, self.options.prompt_args)).messages
        require(messages, f"{self.options.prompt} has no message.")
        say("prompt", listed=listed, prompt=self.options.prompt, messages=len(messages))

    async def refresh(self) -> None:
        """Moves the SDK's own clock of the token past its end; the next call must use a new one without a login."""
        before, logins = self.storage.tokens, self.login.times
        require(before and before.refresh_token, "The authorization server gave no refresh token.")
        assert self.auth is not None and before is not None
        self.auth.context.token_expiry_time = time.time() - 1
        await self.mcp.list_tools()
        after = self.storage.tokens
        require(after and after.access_token != before.access_token, "No new access token came from the refresh.")
        require(self.login.times == logins, "The refresh failed: the SDK started a new login.")
        assert after is not None
        rotated = after.refresh_token != before.refresh_token
        say("refresh", new_access_token=True, refresh_token_rotated=rotated, expires_in=after.expires_in)


def text_of(content: list[Any]) -> str:
    return "\n".join(part.text for part in content if getattr(part, "type", "") == "text")


def first_cause(error: BaseException) -> BaseException:
    """Task groups wrap what happened; people want what happened."""
    while isinstance(error, BaseExceptionGroup) and error.exceptions:
        error = error.exceptions[0]
    return error


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", required=True, help="the MCP URL, for example http://127.0.0.1:8080/mcp")
    parser.add_argument("--user")
    parser.add_argument("--password")
    parser.add_argument("--no-auth", action="store_true", help="the server wants no token: leave out what is about it")
    parser.add_argument("--era", choices=list(MODES), default="auto")
    parser.add_argument("--steps", default=",".join(STEPS), help="comma separated, in this order (default: all)")
    parser.add_argument("--allowed-tool", default="search_notes")
    parser.add_argument("--allowed-args", type=json.loads, default={"query": "report"})
    parser.add_argument("--slow-tool", default="run_report", help="takes `seconds` and reports progress each second")
    parser.add_argument("--short-seconds", type=int, default=2)
    parser.add_argument("--slow-seconds", type=int, default=90)
    parser.add_argument("--denied-tool", default="drop_everything")
    parser.add_argument("--denied-args", type=json.loads, default={})
    parser.add_argument("--hidden", nargs="*", default=[], help="tools that tools/list must not show")
    parser.add_argument("--resource", default="notes://index")
    parser.add_argument("--prompt", default="weekly_digest")
    parser.add_argument("--prompt-args", type=json.loads, default={})
    parser.add_argument("--token-out", metavar="FILE", help="write the access token there (mode 0600) at the end")
    options = parser.parse_args()
    options.steps = [step for step in options.steps.split(",") if step]
    unknown = [step for step in options.steps if step not in STEPS]
    if unknown:
        parser.error(f"unknown steps {unknown}; there are {STEPS}")
    if not options.no_auth and not (options.user and options.password):
        parser.error("--user and --password are needed (or --no-auth)")
    return options


def main() -> int:
    options = arguments()
    try:
        asyncio.run(Run(options).all_steps())
    except (Exception, BaseExceptionGroup) as wrapped:
        error = first_cause(wrapped)
        plain = isinstance(error, (StepFailed, forms.PageProblem))
        sentence = str(error) if plain else f"{type(error).__name__}: {error}"
        print(json.dumps({"step": "failed", "ok": False, "error": sentence}), flush=True)
        print(f"python client: {sentence}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
