"""What are the client programs tried on while there is no product at hand?

The Python SDK's own server, protected by the SDK's own authorization server, with a login and a consent page of the
shape that the sidecar has, and some tools of the sample server. The clients' self-tests run against it, so that a
failure of a client against the product is the product's. Prints {"step": "listening", ...} when it listens.
"""

from __future__ import annotations

import argparse
import asyncio
import html
import json
import secrets
import socket
import time

import uvicorn
from mcp.server.auth.provider import (
    AccessToken,
    AuthorizationCode,
    AuthorizationParams,
    OAuthAuthorizationServerProvider,
    RefreshToken,
    construct_redirect_uri,
)
from mcp.server.auth.settings import AuthSettings, ClientRegistrationOptions
from mcp.server.mcpserver import Context, MCPServer
from mcp.shared.auth import OAuthClientInformationFull, OAuthToken
from mcp.shared.exceptions import MCPError
from mcp.types import INVALID_PARAMS
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

USER, PASSWORD = "alice", "stand-in"
SCOPES = ["mcp:read", "mcp:write"]
LIFETIME = 600
CSP = "default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'"

Client = OAuthClientInformationFull


class Provider(OAuthAuthorizationServerProvider[AuthorizationCode, RefreshToken, AccessToken]):
    """Everything in memory; codes and refresh tokens work once."""

    def __init__(self, issuer: str) -> None:
        self.issuer = issuer
        self.clients: dict[str, Client] = {}
        self.waiting: dict[str, tuple[Client, AuthorizationParams]] = {}
        self.logged_in: set[str] = set()
        self.codes: dict[str, AuthorizationCode] = {}
        self.refresh: dict[str, RefreshToken] = {}
        self.access: dict[str, AccessToken] = {}

    async def get_client(self, client_id: str) -> Client | None:
        return self.clients.get(client_id)

    async def register_client(self, client_info: Client) -> None:
        self.clients[client_info.client_id] = client_info

    async def authorize(self, client: Client, params: AuthorizationParams) -> str:
        ticket = secrets.token_urlsafe(16)
        self.waiting[ticket] = (client, params)
        return f"{self.issuer}/login?ticket={ticket}"

    def decide(self, ticket: str, approved: bool) -> str:
        """Ends the authorization of this ticket; the URL that the browser goes to."""
        client, params = self.waiting.pop(ticket)
        back, state = str(params.redirect_uri), params.state
        if not approved:
            return construct_redirect_uri(back, error="access_denied", state=state, iss=self.issuer)
        code = AuthorizationCode(
            code=secrets.token_urlsafe(24),
            client_id=client.client_id,
            scopes=params.scopes or SCOPES,
            expires_at=time.time() + 60,
            code_challenge=params.code_challenge,
            redirect_uri=params.redirect_uri,
            redirect_uri_provided_explicitly=params.redirect_uri_provided_explicitly,
            resource=params.resource,
        )
        self.codes[code.code] = code
        return construct_redirect_uri(back, code=code.code, state=state, iss=self.issuer)

    async def load_authorization_code(self, client: Client, authorization_code: str) -> AuthorizationCode | None:
        return self.codes.get(authorization_code)

    async def exchange_authorization_code(self, client: Client, authorization_code: AuthorizationCode) -> OAuthToken:
        del self.codes[authorization_code.code]
        return self.issue(client, authorization_code.scopes)

    async def load_refresh_token(self, client: Client, refresh_token: str) -> RefreshToken | None:
        return self.refresh.get(refresh_token)

    async def exchange_refresh_token(
        self, client: Client, refresh_token: RefreshToken, scopes: list[str]
    ) -> OAuthToken:
        del self.refresh[refresh_token.token]
        return self.issue(client, scopes)

    def issue(self, client: Client, scopes: list[str]) -> OAuthToken:
        access, refresh = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
        until = int(time.time()) + LIFETIME
        names = {"client_id": client.client_id, "scopes": scopes, "subject": USER}
        self.access[access] = AccessToken(token=access, expires_at=until, resource=f"{self.issuer}/mcp", **names)
        self.refresh[refresh] = RefreshToken(token=refresh, **names)
        return OAuthToken(access_token=access, expires_in=LIFETIME, scope=" ".join(scopes), refresh_token=refresh)

    async def load_access_token(self, token: str) -> AccessToken | None:
        return self.access.get(token)

    async def revoke_token(self, token: AccessToken | RefreshToken) -> None:
        self.access.pop(token.token, None)
        self.refresh.pop(token.token, None)


def page(title: str, body: str, status: int = 200) -> Response:
    text = f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
    text += f'<link rel="icon" href="data:,"></head><body><h1>{title}</h1>{body}</body></html>'
    return HTMLResponse(text, status, {"Content-Security-Policy": CSP, "Cache-Control": "no-store"})


def add_pages(server: MCPServer, provider: Provider) -> None:
    @server.custom_route("/login", methods=["GET", "POST"])
    async def login(request: Request) -> Response:
        form = await request.form()
        ticket = str(form.get("ticket") or request.query_params.get("ticket"))
        if request.method == "POST" and (form.get("username"), form.get("password")) == (USER, PASSWORD):
            provider.logged_in.add(ticket)
            return RedirectResponse(f"/consent?ticket={ticket}", 303)
        fields = f'<input type="hidden" name="ticket" value="{html.escape(ticket)}">'
        fields += '<label>User <input name="username"></label>'
        fields += '<label>Password <input name="password" type="password"></label>'
        return page("Sign in", f'<form method="post">{fields}<button>Sign in</button></form>')

    @server.custom_route("/consent", methods=["GET", "POST"])
    async def consent(request: Request) -> Response:
        form = await request.form()
        ticket = str(form.get("ticket") or request.query_params.get("ticket"))
        if ticket not in provider.logged_in:
            return page("Sign in first", "", 403)
        if request.method == "POST":
            return RedirectResponse(provider.decide(ticket, form.get("decision") == "approve"), 303)
        fields = f'<input type="hidden" name="ticket" value="{html.escape(ticket)}">'
        buttons = '<button name="decision" value="approve">Allow</button>'
        buttons += '<button name="decision" value="deny">Deny</button>'
        return page("Allow access?", f'<form method="post" action="/consent">{fields}{buttons}</form>')


def add_tools(server: MCPServer) -> None:
    @server.tool()
    def search_notes(query: str) -> str:
        """Find notes by text."""
        return f"welcome: Welcome ({query})"

    @server.tool()
    async def run_report(seconds: int, ctx: Context) -> str:
        """Slow, with progress."""
        for done in range(seconds):
            await ctx.report_progress(done, seconds)
            await asyncio.sleep(1)
        await ctx.report_progress(seconds, seconds)
        return f"compiled in {seconds} s"

    @server.tool()
    def drop_everything() -> str:
        """Denied to everybody, in the words of a gateway."""
        raise MCPError(INVALID_PARAMS, "Unknown tool: drop_everything")

    @server.resource("notes://index")
    def index() -> str:
        """All notes."""
        return "welcome: Welcome"

    @server.prompt()
    def weekly_digest() -> str:
        """Ask for a digest of all notes."""
        return "Summarize the notes of this week."


def build(port: int) -> MCPServer:
    """The server with its authorization server, all on one origin."""
    issuer = f"http://127.0.0.1:{port}"
    provider = Provider(issuer)
    registration = ClientRegistrationOptions(enabled=True, valid_scopes=SCOPES, default_scopes=SCOPES)
    server = MCPServer(
        "stand-in",
        auth=AuthSettings.model_validate(
            {
                "issuer_url": issuer,
                "resource_server_url": f"{issuer}/mcp",
                "required_scopes": ["mcp:read"],
                "client_registration_options": registration,
                "validate_token_resource": True,
            }
        ),
        auth_server_provider=provider,
    )
    add_pages(server, provider)
    add_tools(server)
    return server


async def serve(port: int) -> None:
    listener = socket.create_server(("127.0.0.1", port))
    port = listener.getsockname()[1]
    config = uvicorn.Config(build(port).streamable_http_app(), log_level="warning", timeout_graceful_shutdown=1)
    login = {"user": USER, "password": PASSWORD}
    print(json.dumps({"step": "listening", "ok": True, "url": f"http://127.0.0.1:{port}/mcp", **login}), flush=True)
    await uvicorn.Server(config).serve(sockets=[listener])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 (the default) takes a free one")
    asyncio.run(serve(parser.parse_args().port))


if __name__ == "__main__":
    main()
