"""The cookie of the page: issued for a key, recognised, and ended by signing out.

It is signed, `HttpOnly` and `SameSite=Strict`, and `Secure` exactly if the request came over HTTPS.
"""

import hashlib
import hmac
from collections.abc import Callable, Sequence
from secrets import token_urlsafe

import attrs
import msgspec
from itsdangerous import BadData, URLSafeSerializer
from twisted.web.server import Request

from transcoded.plan.http.access import Key
from transcoded.plan.http.sign_in import LIFETIME, SignIn, cookie_name
from transcoded.run.host.sign_outs import SignOuts
from transcoded.web.request import prefix_of


@attrs.frozen
class Cookies:
    """Issues and reads cookies. `key` signs them; `now` returns seconds since the epoch."""

    key: bytes = attrs.field(repr=False)
    sign_outs: SignOuts
    now: Callable[[], float]

    def issue(self, request: Request, key: Key, *, https: bool) -> None:
        """Set a cookie for a key."""
        sign_in = SignIn(token_urlsafe(16), key.name, self._mark(key), int(self.now()), https)
        _set(request, self._serializer().dumps(msgspec.to_builtins(sign_in)), LIFETIME, https=https)

    def read(self, request: Request, keys: Sequence[Key], *, https: bool) -> Key | None:
        """The key for which the cookie of a request was issued, or None without a valid cookie."""
        sign_in = self._sign_in(request, https=https)
        if sign_in is None or self.now() >= sign_in.expires or self.sign_outs.has_ended(sign_in):
            return None
        # When a key is removed from the settings or changed, its cookies end.
        return next((key for key in keys if key.name == sign_in.key and self._mark(key) == sign_in.mark), None)

    def end(self, request: Request, *, https: bool) -> None:
        """End the sign-in for every copy of its cookie, and delete the cookie."""
        sign_in = self._sign_in(request, https=https)
        if sign_in is not None and not self.sign_outs.has_ended(sign_in):
            self.sign_outs.end(sign_in)
        _set(request, "", 0, https=https)

    def _sign_in(self, request: Request, *, https: bool) -> SignIn | None:
        """What the cookie says, if we have signed it, for such a connection."""
        cookie = request.getCookie(cookie_name(prefix_of(request), https=https).encode("ascii"))
        if not cookie:
            return None
        try:
            sign_in = msgspec.convert(self._serializer().loads(cookie.decode("ascii", "replace")), SignIn)
        except (BadData, msgspec.ValidationError):
            return None
        return sign_in if sign_in.https == https else None

    def _mark(self, key: Key) -> str:
        """Recognises the secret of a key, and cannot be used to guess it."""
        return hmac.digest(self.key, b"mark:" + key.digest, "sha256").hex()[:32]

    def _serializer(self) -> URLSafeSerializer:
        kwargs = {"key_derivation": "hmac", "digest_method": hashlib.sha256}
        return URLSafeSerializer(self.key, salt="sign-in", signer_kwargs=kwargs)


def _set(request: Request, value: str, seconds: int, *, https: bool) -> None:
    prefix = prefix_of(request)
    request.addCookie(
        cookie_name(prefix, https=https).encode("ascii"),
        value.encode("ascii"),
        path=(prefix or "/").encode("ascii"),
        max_age=str(seconds).encode("ascii"),
        secure=https,
        httpOnly=True,
        sameSite=b"strict",
    )
