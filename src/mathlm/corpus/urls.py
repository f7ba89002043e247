"""One spelling for the addresses of one page, so that its copies are known by their URL.

The rules, in order; what they leave is compared byte by byte:
- white space around it goes; scheme and host are lower case; http and https are one scheme;
- user names, a final dot of the host and the scheme's own port (80, 443) go; IDNs are Punycode;
- `.` and `..` are resolved; percent signs: unreserved characters plain, hexadecimal upper case,
  characters outside ASCII encoded; `;jsessionid=…` goes; trailing slashes go;
- parameters that only track a reader (`utm_…`, click ids, session ids) go, the rest is sorted;
- the fragment goes, unless it is a route (`#!…`).
The path's case stays, and so does `www.`: servers may tell them apart. RFC 3986, section 6.
"""

from __future__ import annotations

import functools
import re
from urllib.parse import SplitResult, quote, unquote_to_bytes, urlsplit

_TRACKING = re.compile(
    r"(?:utm|mtm|pk|hsa)_.*|gclid|gclsrc|dclid|gbraid|wbraid|fbclid|msclkid|yclid|twclid|ttclid"
    r"|li_fat_id|igshid|mc_cid|mc_eid|_ga|_gl|_hsenc|_hsmi|mkt_tok|vero_id|oly_anon_id|oly_enc_id"
    r"|ref_src|ref_url|s_cid|cmpid|ncid|spm|jsessionid|phpsessid|aspsessionid.*",
    re.IGNORECASE,
)
_SESSION = re.compile(r";jsessionid=[^/?#]*", re.IGNORECASE)
_PERCENT = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_KEPT = "!$&'()*+,;=:@/?%[]|{}^`\\\"<>~"
_PLAIN_HOST = re.compile(r"[A-Za-z0-9_.-]+|\[[0-9a-f:.]+\]")
_PORTS = {"http": "80", "https": "443"}
_NOT_IN_URLS = dict.fromkeys(map(ord, "\t\r\n"))
_MAX_CHARACTERS = 8192


def normalise_url(url: str) -> str:
    """The URL by the rules above, without its scheme; a text that is no URL only stripped."""
    url = url.strip().translate(_NOT_IN_URLS)[:_MAX_CHARACTERS]
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return url
    host = _host(parts.hostname or "")
    if parts.scheme not in ("", "http", "https") or not _PLAIN_HOST.fullmatch(host):
        return url
    if port is not None and str(port) != _PORTS.get(parts.scheme):
        host += f":{port}"
    route = f"#{parts.fragment}" if parts.fragment.startswith("!") else ""
    return f"//{host}{_path(parts)}{_query(parts.query)}{route}"


@functools.lru_cache(maxsize=4096)
def _host(name: str) -> str:
    """The host's name in lower case; idn names as Punycode, IPv6 in brackets."""
    name = name.rstrip(".")
    if not name.isascii():
        try:
            name = name.encode("idna").decode("ascii")
        except UnicodeError:
            return ""
    return f"[{name}]" if ":" in name else name.lower()


def host_of(url: str) -> str:
    """The host of a URL by the same rules, or the empty text where it has none."""
    plain = normalise_url(url)
    return re.split("[/?#]", plain[2:], maxsplit=1)[0] if plain.startswith("//") else ""


def _plain(text: str) -> str:
    """Percent signs in one spelling."""
    if "%" in text:
        text = _PERCENT.sub(_one_spelling, text)
    return text if text.isascii() else quote(text, safe=_KEPT, errors="surrogatepass")


def _one_spelling(match: re.Match[str]) -> str:
    return "".join(
        chr(byte) if byte in _UNRESERVED else f"%{byte:02X}" for byte in unquote_to_bytes(match[0])
    )


def _path(parts: SplitResult) -> str:
    path = _plain(_SESSION.sub("", parts.path) if ";" in parts.path else parts.path)
    if "/." in path:
        path = _without_dots(path)
    return path.rstrip("/")


def _without_dots(path: str) -> str:
    """The path without `.` and `..` (RFC 3986, 5.2.4)."""
    kept: list[str] = []
    for piece in path.split("/"):
        if piece == ".." and len(kept) > 1:
            kept.pop()
        elif piece not in (".", ".."):
            kept.append(piece)
    return "/".join(kept) + ("/" if path.endswith(("/.", "/..")) else "")


def _query(query: str) -> str:
    if not query:
        return ""
    pieces = [piece for piece in query.split("&") if piece]
    kept = sorted(
        _plain(piece) for piece in pieces if not _TRACKING.fullmatch(piece.partition("=")[0])
    )
    return f"?{'&'.join(kept)}" if kept else ""
