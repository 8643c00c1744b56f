"""Somebody who uses a running PowerHive over HTTP: nobody in particular, a browser that is logged in, a program."""

from __future__ import annotations

import re
from typing import Any

import requests
from flask import Flask
from flask.sessions import SecureCookieSessionInterface


class Person:
    """Asks and gets answers as text; `token`: a program's."""

    def __init__(self, url: str, *, token: str = "") -> None:
        self._url = url
        self._http = requests.Session()
        self._http.trust_env = False
        if token:
            self._http.headers["Authorization"] = f"Bearer {token}"

    def ask(self, method: str, path: str, **given: Any) -> str:
        """Return status, headers and body; without an answer (a worker was killed) what the connection says."""
        try:
            answer = self._http.request(method, self._url + path, timeout=60, allow_redirects=False, **given)
        except requests.RequestException as error:
            return f"no answer: {error}"
        headers = "\n".join(f"{name}: {value}" for name, value in answer.raw.headers.items())  # each one of a name
        return f"{answer.status_code} {answer.reason}\n{headers}\n\n{answer.content.decode('utf-8', 'replace')}"

    def log_in(self, name: str, password: str) -> None:
        """Log in by the page's form, and send its forms' token with every request from then on."""
        token = _form_token(self.ask("GET", "/login"))
        answer = self.ask("POST", "/login", data={"name": name, "password": password, "csrf_token": token})
        assert answer.startswith("303"), answer[:300]
        self._http.headers["X-CSRFToken"] = _form_token(self.ask("GET", "/account"))

    def cookie(self) -> str:
        """The browser's session cookie."""
        (cookie,) = [cookie for cookie in self._http.cookies if cookie.name.startswith("powerhive")]
        return str(cookie.value)

    def session_key(self, app: Flask) -> str:
        """The secret in the session cookie."""
        serializer = SecureCookieSessionInterface().get_signing_serializer(app)
        assert serializer is not None
        return str(serializer.loads(self.cookie())["key"])


def _form_token(page: str) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert found, page[:300]
    return found[1]
