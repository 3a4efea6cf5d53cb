"""Secrets for a driver's calls: read when they are needed, kept nowhere, shown nowhere."""

from base64 import b64decode
from binascii import Error as Base64Error

from kube.client import Client
from kube.errors import Forbidden, NotFound
from model.resources import SECRETS
from model.secrets import SecretReference
from plugins.errors import Failed


class Secrets:
    """The Secrets of the cluster."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def read(self, reference: SecretReference | None) -> dict[str, str]:
        """What a Secret holds, as text; nothing where none is named.

        Raises:
            Failed: it is not there, may not be read, or is no text: the call must not be made.
            KubeError: the server does not answer.
        """
        if reference is None:
            return {}
        try:
            secret = await self._client.get(SECRETS, reference.name, reference.namespace)
        except NotFound:
            raise Failed(f"secret {reference} not found") from None
        except Forbidden:
            raise Failed(f"secret {reference} may not be read: allow `get` on it") from None
        return {key: _text(reference, key, value) for key, value in (secret.data or {}).items()}


def _text(reference: SecretReference, key: str, value: str) -> str:
    try:
        return b64decode(value).decode()
    except (Base64Error, UnicodeDecodeError):
        raise Failed(f"secret {reference}: the value of {key!r} is no text") from None
