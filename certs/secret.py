"""A set of files in a Secret. The resourceVersion is the version: of two replicas that write, one reads again."""

import base64
import binascii
from collections.abc import Mapping
from typing import Final

from certs.errors import ConflictError, StoreError
from certs.store import Stored
from kube.cache import Cache
from kube.client import Client
from kube.errors import AlreadyExists, Conflict, KubeError, NotFound
from model.meta import JSON
from model.resources import SECRETS
from model.secrets import Secret

LABELS: Final = {"app.kubernetes.io/name": "lading", "app.kubernetes.io/managed-by": "lading"}


class SecretStore:
    """A store in one Secret of type Opaque. It has no owner: it outlives pods and installations."""

    def __init__(self, client: Client, namespace: str, name: str) -> None:
        self._client = client
        self._namespace = namespace
        self._name = name

    def watch(self) -> Cache[Secret]:
        """What tells of changes of the Secret, once it is run."""
        return Cache(self._client, SECRETS, namespace=self._namespace, fields=f"metadata.name={self._name}")

    async def load(self) -> Stored:
        """The files of the Secret; none and no version where it does not exist."""
        try:
            secret = await self._client.get(SECRETS, self._name, self._namespace)
        except NotFound:
            return Stored({})
        except KubeError as error:
            raise self._failed("read", error) from error
        return Stored(self._decoded(secret), secret.metadata.resource_version)

    async def save(self, files: Mapping[str, bytes], version: str) -> None:
        """Create the Secret, or replace its files if nobody else wrote it since."""
        data = {name: base64.b64encode(content).decode() for name, content in files.items()}
        try:
            if not version:
                await self._create(data)
            else:
                await self._replace(data, version)
        except (AlreadyExists, Conflict) as error:
            raise ConflictError(f"Secret {self._namespace}/{self._name} was written by another replica") from error
        except KubeError as error:
            raise self._failed("write", error) from error

    async def _create(self, data: dict[str, str]) -> None:
        metadata = {"name": self._name, "namespace": self._namespace, "labels": LABELS}
        await self._client.create(SECRETS, {"metadata": metadata, "type": "Opaque", "data": data}, self._namespace)

    async def _replace(self, data: dict[str, str], version: str) -> None:
        present = await self._client.get(SECRETS, self._name, self._namespace)
        gone: dict[str, str | None] = dict.fromkeys(set(present.data or {}) - set(data))
        body: JSON = {"metadata": {"resourceVersion": version}, "data": {**gone, **data}}
        await self._client.patch(SECRETS, self._name, body, self._namespace)

    def _decoded(self, secret: Secret) -> dict[str, bytes]:
        try:
            return {name: base64.b64decode(each, validate=True) for name, each in (secret.data or {}).items()}
        except binascii.Error as error:
            raise StoreError(f"Secret {self._namespace}/{self._name} holds no base64: {error}") from error

    def _failed(self, verb: str, error: KubeError) -> StoreError:
        return StoreError(f"can not {verb} Secret {self._namespace}/{self._name}: {error}")
