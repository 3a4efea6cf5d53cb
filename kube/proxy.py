"""Whether a proxy stands between us and the API server, by the usual environment variables, read once at start.

As Go's clients read them: HTTPS_PROXY or HTTP_PROXY by the scheme of the server, NO_PROXY with domains, addresses and
networks; loopback addresses never go through a proxy.
"""

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

from kube.errors import ConfigError


def proxy_for(server: str, environ: Mapping[str, str]) -> str | None:
    """The proxy's URL for a server's URL, or None.

    Raises:
        ConfigError: the variable holds no URL of an HTTP proxy.
    """
    url = urlsplit(server)
    name = f"{url.scheme}_proxy"
    proxy = environ.get(name.upper()) or environ.get(name) or ""
    if not proxy or _bypassed(url.hostname or "", url.port, environ.get("NO_PROXY") or environ.get("no_proxy") or ""):
        return None
    return check_proxy(proxy if "://" in proxy else f"http://{proxy}", name.upper())


def check_proxy(url: str, where: str) -> str:
    """The URL itself if we can speak to such a proxy; `where` it is from, for the error. Its text may hold a password.

    Raises:
        ConfigError: another kind of proxy.
    """
    scheme, _, host = url.partition("://")
    if scheme not in ("http", "https") or not host:
        raise ConfigError(f"{where}: a proxy by {scheme!r} is not supported, only http:// and https://")
    return url


def _bypassed(host: str, port: int | None, rules: str) -> bool:
    address = _address(host)
    if host == "localhost" or (address is not None and address.is_loopback):
        return True
    return any(_matches(rule.strip().lower(), host, port, address) for rule in rules.split(",") if rule.strip())


def _matches(
    rule: str, host: str, port: int | None, address: ipaddress.IPv4Address | ipaddress.IPv6Address | None
) -> bool:
    if rule == "*":
        return True
    name, _, number = rule.rpartition(":")
    if number.isdigit() and name and (":" not in name or name.endswith("]")):
        if int(number) != port:
            return False
        rule = name
    rule = rule.strip("[]")
    if address is not None:
        network = _network(rule)
        return network is not None and address in network
    domain = rule.removeprefix("*").removeprefix(".")
    # A leading dot leaves the domain itself out.
    return host.endswith(f".{domain}") or (host == domain and rule == domain)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None
