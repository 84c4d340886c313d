"""A simulated visitor of the demo over HTTP: registers, logs in, uploads a measure through the form, reads pages.

Used by `gengap demo --check`. It parses the same HTML forms as a browser and sends their hidden fields.
"""

import re
from html.parser import HTMLParser

import httpx


class PageError(Exception):
    """A page did not do what a person would expect; the message says which one and what it answered."""


class Visitor:
    """One cookie jar at one site."""

    def __init__(self, base_url: str) -> None:
        self._client = httpx.Client(base_url=base_url, follow_redirects=True, timeout=30, trust_env=False)

    def close(self) -> None:
        self._client.close()

    def is_up(self) -> bool:
        try:
            return self._client.get("/healthz").is_success
        except httpx.TransportError:
            return False

    def register(self, name: str, password: str) -> None:
        self._send("/register", {"name": name, "email": f"{name}@example.org", "password": password})

    def log_out(self) -> None:
        self._send("/logout", {}, form_path="/")

    def log_in(self, name: str, password: str) -> None:
        self._send("/login", {"name": name, "password": password})

    def upload(self, submit_path: str, name: str, filename: str, content: bytes) -> int:
        """Upload a measure through the form; the submission's id, from the page it leads to."""
        page = self._send(submit_path, {"name": name}, file=(filename, content))
        found = re.search(r"/submissions/(\d+)$", page.url.path)
        if found is None:
            raise PageError(f"the upload led to {page.url.path}, not to a submission's page")
        return int(found[1])

    def _send(
        self,
        path: str,
        fields: dict[str, str],
        *,
        file: tuple[str, bytes] | None = None,
        form_path: str | None = None,
    ) -> httpx.Response:
        form = self._client.get(form_path or path)
        if not form.is_success:
            raise PageError(f"GET {path} answered {form.status_code}")
        token = _Form(form.text, path).fields.get("csrf_token")
        if token is None:
            raise PageError(f"the form of {path} has no CSRF token")
        page = self._client.post(path, data=fields | {"csrf_token": token}, files={"file": file} if file else None)
        if not page.is_success or page.url.path == path:
            raise PageError(f"POST {path} answered {page.status_code}: {_alert(page.text)}")
        return page


class _Form(HTMLParser):
    """The named inputs of the form that posts to `action` (an empty action: to the page itself)."""

    def __init__(self, html: str, action: str) -> None:
        super().__init__()
        self.fields: dict[str, str] = {}
        self._action = action
        self._is_inside = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        if tag == "form":
            is_post = (named.get("method") or "get").lower() == "post"
            self._is_inside = is_post and (named.get("action") or self._action) == self._action
        elif tag == "input" and self._is_inside and named.get("name"):
            self.fields[str(named["name"])] = named.get("value") or ""

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._is_inside = False


def _alert(html: str) -> str:
    """Return the error that the page shows, for the message."""
    text = re.findall(r'<[^>]+class="[^"]*(?:error|flash)[^"]*"[^>]*>(.*?)</', html, re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>|\s+", " ", part).strip() for part in text) or "no message"
