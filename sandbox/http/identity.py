"""Who asks: the bearer of a token. Nobody else is served."""

import hmac
from collections.abc import Mapping

from aiohttp import web

from sandbox.attributes import User
from sandbox.errors import unauthorized


class Identities:
    """The users that the server knows."""

    def __init__(self, tokens: Mapping[str, User]) -> None:
        """`tokens` maps each bearer token to its user."""
        self._tokens = [(token.encode(), user) for token, user in tokens.items()]

    def identify(self, request: web.Request) -> User:
        """The user behind a request.

        Raises:
            ApiError: 401.
        """
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        given = token.strip().encode(errors="replace")
        # Every token is compared, whichever fits, so that the time tells nothing.
        found = [user for known, user in self._tokens if hmac.compare_digest(known, given)]
        if scheme.lower() != "bearer" or not found:
            raise unauthorized()
        return found[0]
