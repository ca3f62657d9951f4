"""How does a program get through a login and a consent page the way a person with a browser does?

It knows no URL and no hidden field of ours: it follows redirects, parses whatever forms a page has, fills in `username`
and `password`, presses the button named `decision` whose value is `approve` (or `deny`), and stops where the browser
would leave for the client's redirect URI.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.cookiejar import CookieJar, DefaultCookiePolicy
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx2

MOST_PAGES = 12


class PageProblem(Exception):
    """A page that a person could not get through either; the text says which and why."""


@dataclass
class Form:
    """One form: where it goes, its named fields, and its buttons as (name, value)."""

    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)
    buttons: list[tuple[str, str]] = field(default_factory=list)


class FormParser(HTMLParser):
    """Collects the forms of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._open: Form | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._open = Form(given.get("action", ""), given.get("method", "get").lower())
            self.forms.append(self._open)
        elif self._open is not None and "name" in given:
            kind = given.get("type", "submit" if tag == "button" else "text").lower()
            if kind == "submit":
                self._open.buttons.append((given["name"], given.get("value", "")))
            elif tag == "input" and (kind not in ("checkbox", "radio") or "checked" in given):
                self._open.fields[given["name"]] = given.get("value", "on" if kind == "checkbox" else "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._open = None


@dataclass
class Visit:
    """What the walk saw: one word per page, and the parameters of the final redirect."""

    pages: list[str]
    answer: dict[str, str]


async def walk(authorize_url: str, redirect_uri: str, user: str, password: str, decision: str = "approve") -> Visit:
    """From the authorization request to the redirect that carries the code (or the error).

    Raises PageProblem for a page without a usable form, a failing status, or a refused login.
    """
    # Browsers treat loopback as secure, so cookies marked Secure come back over http there.
    cookies = CookieJar(DefaultCookiePolicy(secure_protocols=("http", "https")))
    pages: list[str] = []
    async with httpx2.AsyncClient(cookies=cookies, follow_redirects=False, trust_env=False, timeout=60) as browser:
        response = await browser.get(authorize_url)
        for _ in range(MOST_PAGES):
            if response.is_redirect:
                target = urljoin(str(response.url), response.headers["location"])
                if is_redirect_to(target, redirect_uri):
                    query = parse_qs(urlsplit(target).query)
                    return Visit(pages, {name: values[0] for name, values in query.items()})
                response = await browser.get(target)
                continue
            form, page, filled = fill(response, pages, user, password, decision)
            pages.append(page)
            # A browser sends the origin of the page; a server that protects its forms may ask for it.
            origin = "{0.scheme}://{0.netloc}".format(urlsplit(str(response.url)))
            response = await browser.post(
                urljoin(str(response.url), form.action) if form.action else str(response.url),
                data=filled,
                headers={"Origin": origin, "Referer": str(response.url)},
            )
    raise PageProblem(f"The login did not end after {MOST_PAGES} steps; the pages were {', '.join(pages)}.")


def is_redirect_to(target: str, redirect_uri: str) -> bool:
    wanted, got = urlsplit(redirect_uri), urlsplit(target)
    return (wanted.scheme, wanted.netloc, wanted.path) == (got.scheme, got.netloc, got.path)


def fill(
    response: httpx2.Response, pages: list[str], user: str, password: str, decision: str
) -> tuple[Form, str, dict[str, str]]:
    """The form of this page, what kind of page it is, and what a person would send."""
    place = f"{response.url.path} (status {response.status_code})"
    if response.status_code != 200 and not (response.status_code == 401 and "login" not in pages):
        raise PageProblem(f"The page {place} is no form to fill in: {response.text[:300].strip()!r}")
    parser = FormParser()
    parser.feed(response.text)
    posts = [form for form in parser.forms if form.method == "post"]
    for form in posts:
        if {"username", "password"} <= form.fields.keys():
            if "login" in pages:
                raise PageProblem(f"The login of {user} was refused: {place} asks again.")
            return form, "login", form.fields | {"username": user, "password": password}
        if ("decision", decision) in form.buttons:
            return form, "consent", form.fields | {"decision": decision}
    raise PageProblem(f"The page {place} has neither a login nor a consent form ({len(posts)} forms with method post).")
