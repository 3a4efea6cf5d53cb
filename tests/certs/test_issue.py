"""What is issued stands up to the strictest reader, and to a handshake."""

import asyncio
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from certs import authority
from certs.errors import BrokenAuthorityError, CertificateError, NameNotCertifiableError
from certs.issue import Leaf, Server, User, is_pair, issue, names_of, read, service_hosts
from certs.rotation import LIVES

NOW = datetime.now(UTC)
CA = authority.create("lading", 1, NOW)
SERVER = Server(("lading-webhooks.lading.svc", "localhost", "127.0.0.1", "::1"))


def write(folder: Path, leaf: Leaf) -> tuple[Path, Path]:
    (folder / "tls.crt").write_bytes(leaf.certificate)
    (folder / "tls.key").write_bytes(leaf.key)
    return folder / "tls.crt", folder / "tls.key"


def strict_client(bundle: bytes) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=bundle.decode())
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    return context


async def handshake(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> dict:
    """The certificate that the server saw of its client, after a round trip over loopback."""
    seen: asyncio.Future[dict] = asyncio.get_running_loop().create_future()

    async def on_connect(reader, writer):
        seen.set_result(writer.get_extra_info("peercert"))
        writer.write(await reader.read(1))
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(on_connect, "127.0.0.1", 0, ssl=server) as listener:
        port = listener.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client, server_hostname=name)
        writer.write(b"x")
        # With TLS 1.3 a server's refusal reaches the client after the handshake.
        refused = not await reader.read(1)
        writer.close()
        await writer.wait_closed()
        if refused:
            raise ConnectionError("the server hung up")
        return await seen


def server_context(folder: Path, leaf: Leaf, client_bundle: bytes | None = None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*write(folder, leaf))
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    if client_bundle:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=client_bundle.decode())
    return context


@pytest.mark.parametrize("name", SERVER.hosts)
async def test_a_strict_client_accepts_every_name_of_the_certificate(tmp_path: Path, name: str) -> None:
    server = server_context(tmp_path, issue(CA, SERVER, NOW))
    await handshake(server, strict_client(CA.certificate_pem), name)


async def test_a_client_refuses_a_name_that_the_certificate_lacks(tmp_path: Path) -> None:
    server = server_context(tmp_path, issue(CA, SERVER, NOW))
    with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
        await handshake(server, strict_client(CA.certificate_pem), "other.lading.svc")


async def test_a_client_refuses_another_authority_of_the_same_name(tmp_path: Path) -> None:
    server = server_context(tmp_path, issue(CA, SERVER, NOW))
    with pytest.raises(ssl.SSLCertVerificationError):
        await handshake(server, strict_client(authority.create("lading", 1, NOW).certificate_pem), "localhost")


async def test_two_authorities_in_one_bundle_do_not_get_in_each_others_way(tmp_path: Path) -> None:
    other = authority.create("lading", 2, NOW)
    client = strict_client(other.certificate_pem + CA.certificate_pem)
    for position, signer in enumerate((CA, other)):
        folder = tmp_path / str(position)
        folder.mkdir()
        await handshake(server_context(folder, issue(signer, SERVER, NOW)), client, "localhost")


async def test_mutual_tls_shows_the_user_and_groups(tmp_path: Path) -> None:
    user = User("lading:scheduler", ("lading:clients", "system:authenticated"))
    client = strict_client(CA.certificate_pem)
    (tmp_path / "client").mkdir()
    client.load_cert_chain(*write(tmp_path / "client", issue(CA, user, NOW)))
    seen = await handshake(server_context(tmp_path, issue(CA, SERVER, NOW), CA.certificate_pem), client, "localhost")
    subject = [pair for group in seen["subject"] for pair in group]
    assert ("commonName", "lading:scheduler") in subject
    assert {value for key, value in subject if key == "organizationName"} == set(user.groups)


async def test_a_serving_certificate_is_no_client_certificate(tmp_path: Path) -> None:
    client = strict_client(CA.certificate_pem)
    (tmp_path / "client").mkdir()
    client.load_cert_chain(*write(tmp_path / "client", issue(CA, SERVER, NOW)))
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await handshake(server_context(tmp_path, issue(CA, SERVER, NOW), CA.certificate_pem), client, "localhost")


def test_a_certificate_says_what_it_was_asked_for() -> None:
    for identity in (SERVER, User("lading:scheduler", ("one", "two")), Server(("::1",))):
        assert set(names_of(read(issue(CA, identity, NOW).certificate).identity)) == set(names_of(identity))


def test_validity_begins_before_the_clocks_that_are_behind_and_ends_with_the_authority() -> None:
    period = read(issue(CA, SERVER, NOW).certificate).period
    assert period.start <= NOW - timedelta(minutes=30)
    assert period.end <= NOW + LIVES.leaf
    late = CA.period.end - timedelta(hours=1)
    assert read(issue(CA, SERVER, late).certificate).period.end == CA.period.end


def test_serials_are_random_and_positive() -> None:
    serials = {x509.load_pem_x509_certificate(issue(CA, SERVER, NOW).certificate).serial_number for _ in range(5)}
    assert len(serials) == 5
    assert all(0 < serial < 2**160 for serial in serials)


def test_a_services_first_name_is_the_one_that_the_api_server_checks() -> None:
    assert service_hosts("hooks", "lading") == (
        "hooks.lading.svc",
        "hooks.lading",
        "hooks",
        "hooks.lading.svc.cluster.local",
    )


def test_names_longer_than_a_common_name_still_make_a_certificate() -> None:
    host = f"{'a' * 60}.{'b' * 60}.svc"
    assert names_of(read(issue(CA, Server((host,)), NOW).certificate).identity) == (host,)
    long = authority.create("n" * 80, 12, NOW).certificate.subject.rfc4514_string()
    assert long.endswith("-ca-12")


@pytest.mark.parametrize(
    "host", ["", "has space", "UPPER.svc", "a..b", "-a", "http://x", "x" * 64, "ex\u00e4mple", "a:b"]
)
def test_what_is_no_host_is_refused_by_name(host: str) -> None:
    with pytest.raises(NameNotCertifiableError, match=r"DNS name|at least one"):
        issue(CA, Server((host,)), NOW)


@pytest.mark.parametrize("identity", [Server(()), User(""), User("x" * 65), User("x", ("",))])
def test_what_stands_for_nobody_is_refused(identity: Server | User) -> None:
    with pytest.raises(NameNotCertifiableError):
        issue(CA, identity, NOW)


@pytest.mark.parametrize("content", [b"", b"no pem", CA.certificate_pem])
def test_what_is_no_leaf_is_refused(content: bytes) -> None:
    with pytest.raises(CertificateError):
        read(content)


def test_a_key_of_another_certificate_is_no_pair() -> None:
    one, other = issue(CA, SERVER, NOW), issue(CA, SERVER, NOW)
    assert is_pair(one)
    assert not is_pair(Leaf(one.certificate, other.key))
    assert not is_pair(Leaf(one.certificate, one.key[:40]))


def test_a_damaged_authority_is_told_apart() -> None:
    other, leaf = authority.create("lading", 2, NOW), issue(CA, SERVER, NOW)
    for certificate, key, said in (
        (CA.certificate_pem, other.key_pem, "not that of its certificate"),
        (CA.certificate_pem[:100], CA.key_pem, "can not be read"),
        (leaf.certificate, leaf.key, "not one of an authority"),
    ):
        with pytest.raises(BrokenAuthorityError, match=said):
            authority.read(certificate, key)
