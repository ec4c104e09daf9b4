"""Signing in to the pages: the key travels in a cookie that scripts cannot read and other sites cannot send.

There is no session store: the cookie holds the key, and every request is authenticated with it anew, so that a
revoked key ends the session.
"""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any
from urllib.parse import quote

from litestar import Request
from litestar.datastructures import Cookie

from services.access.keys import Access, Keyring

COOKIE = "markledger_key"
SIGN_IN_PATH = "/sign-in"


async def access_of_request(request: Request[Any, Any, Any], keyring: Keyring) -> Access:
    """Who asks for a page: by the Authorization header, or else by the cookie. Raises Problem 401."""
    authorization = request.headers.get("authorization")
    if authorization is None and (key := _key_of(request.cookies.get(COOKIE, ""))):
        access = await keyring.access_of(key)
    else:
        access = await keyring.authenticate(authorization)
    request.scope["state"]["key_id"] = access.key_id
    return access


def key_of_request(request: Request[Any, Any, Any]) -> str:
    """The key that a page was asked for with: from the Authorization header, or else from the cookie."""
    authorization: str = request.headers.get("authorization", "")
    return authorization.partition(" ")[2].strip() or _key_of(request.cookies.get(COOKIE, ""))


def cookie_of(key: str, *, secure: bool) -> Cookie:
    """The cookie that keeps a key until the browser closes; `secure` where the site is reached over TLS."""
    value = urlsafe_b64encode(key.encode()).decode("ascii").rstrip("=")
    return Cookie(COOKIE, value=value, path="/", httponly=True, samesite="strict", secure=secure)


def no_cookie() -> Cookie:
    """Ends the session."""
    return Cookie(COOKIE, value="", path="/", httponly=True, samesite="strict", max_age=0)


def sign_in_address(request: Request[Any, Any, Any]) -> str:
    """Where to sign in and come back from."""
    query = request.scope["query_string"].decode("latin-1")
    here = request.scope["path"] + (f"?{query}" if query else "")
    return f"{SIGN_IN_PATH}?next={quote(here, safe='')}"


def local_address(text: str) -> str:
    """`text` if it is an address of this site, else the home page: nobody is sent elsewhere by a link to sign in."""
    local = text.startswith("/") and not text.startswith(("//", "/\\")) and text.isprintable() and "\\" not in text
    return text if local else "/"


def _key_of(cookie: str) -> str:
    try:
        return urlsafe_b64decode(cookie + "=" * (-len(cookie) % 4)).decode("utf-8")
    except (binascii.Error, ValueError):
        return ""
