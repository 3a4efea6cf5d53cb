"""Where a component listens and with which certificates: the options that all servers share, checked at once."""

from dataclasses import dataclass
from pathlib import Path

from serving.site import is_loopback, parse_listen
from serving.tls import TLSFiles


class OptionsError(ValueError):
    """Options that do not go together; the message says which and what to give instead."""


@dataclass(frozen=True)
class Endpoint:
    """The address, and TLS by files of one's own, by a folder of `lading certs issue`, or none on loopback."""

    listen: str
    tls_cert: Path | None = None
    tls_key: Path | None = None
    client_ca: Path | None = None
    certs: Path | None = None
    insecure_http: bool = False

    def check(self, server: str) -> None:
        """Complain of options that can not work, before anything is started.

        Raises:
            OptionsError, ListenError: as `tls_files`.
        """
        parse_listen(self.listen)
        self.tls_files(server)

    def tls_files(self, server: str, *, mutual: bool = True) -> TLSFiles | None:
        """The files of the server's certificate; None for plain HTTP.

        `server` is the name under which `lading certs issue` keeps it in the folder. Clients must show a certificate
        where `client_ca` is given and, unless not `mutual`, with a folder: one of the folder's own authority.

        Raises:
            OptionsError: contradictory or missing options.
            ListenError: the address is not HOST:PORT.
        """
        if self.insecure_http:
            self._check_plain()
            return None
        if self.certs is not None:
            if self.tls_cert or self.tls_key:
                raise OptionsError("--certs already says which certificate: leave out --tls-cert and --tls-key")
            return self._of_folder(self.certs, server, mutual=mutual)
        if self.tls_cert is None or self.tls_key is None:
            raise OptionsError(
                "a certificate is needed: --tls-cert and --tls-key, or --certs DIR as `lading certs issue` makes it, "
                "or --insecure-http on a loopback address"
            )
        return TLSFiles(self.tls_cert, self.tls_key, self.client_ca)

    def _of_folder(self, folder: Path, server: str, *, mutual: bool) -> TLSFiles:
        if not (folder / f"{server}.crt").is_file():
            raise OptionsError(
                f"--certs {folder} holds no {server}.crt: make it with `lading certs issue --dir {folder}`"
            )
        own = folder / "ca.crt" if mutual else None
        return TLSFiles(folder / f"{server}.crt", folder / f"{server}.key", self.client_ca or own)

    def _check_plain(self) -> None:
        if self.tls_cert or self.tls_key or self.client_ca or self.certs:
            raise OptionsError("--insecure-http takes no certificates")
        if not is_loopback(parse_listen(self.listen)[0]):
            raise OptionsError(f"--insecure-http serves loopback addresses only, not {self.listen}")
