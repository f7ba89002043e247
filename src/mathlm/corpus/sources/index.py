"""Pages of Common Crawl by their URLs: the index is asked, the record is fetched by its range.

One polite client: it names itself, keeps to a rate over all its threads, waits longer after each
refusal, and never asks twice for what it has. The index server is Common Crawl's (pywb's CDX
server, https://github.com/webrecorder/pywb/wiki/CDX-Server-API): one capture a line, as JSON or as
CDXJ (`key timestamp {json}`). What was fetched goes to two files, a WARC and a log with a line for
each URL, so that a killed run goes on after the last line.
"""

from __future__ import annotations

import json
import os
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mathlm.core.errors import MachineError, UserError
from mathlm.corpus.source_config import UrlsSource

URLS_IN_SHARD = 500
HTML_TYPES = ("text/html", "application/xhtml+xml")
_TIMEOUT_S = 60.0
_MAX_INDEX_BYTES = 16 << 20
_MAX_RECORD_BYTES = 256 << 20
_AGAIN = frozenset({429, 500, 502, 503, 504})
_MAX_WAIT_S = 120.0
_MAX_IN_A_ROW = 3


def read_urls(file: str) -> list[str]:
    """The URLs of a list, in its order."""
    try:
        text = Path(file).expanduser().read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise UserError(f"cannot read {file}: {error.strerror}") from None
    lines = (line.strip() for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


class _Refused(Exception):
    """The server answered with an error for this item."""

    def __init__(self, status: int) -> None:
        super().__init__(f"HTTP {status}")
        self.status = status


@dataclass
class Client:
    """Asks one server after another, never faster than allowed; shared by all threads."""

    source: UrlsSource
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _next_s: float = 0.0
    _refusals: int = 0

    def get(self, url: str, headers: dict[str, str], max_bytes: int) -> bytes:
        """The body of a response of status 200 or 206; raises `_Refused` for any other.

        What is refused for the moment is asked again; without a network, or where servers refuse
        one item after another, the run stops with what it has.
        """
        for attempt in range(self.source.retries + 1):
            self._wait()
            try:
                body = self._get(url, headers, max_bytes)
                self._refusals = 0
                return body
            except urllib.error.HTTPError as error:
                error.close()
                status, pause = error.code, error.headers.get("Retry-After")
            except (OSError, ValueError) as error:
                if attempt == self.source.retries:
                    message = f"cannot reach {url}: {error}; what was fetched is kept"
                    raise MachineError(message) from error
                status, pause = 503, None
            if status not in _AGAIN:
                raise _Refused(status)
            if attempt < self.source.retries:
                self._pause(attempt, pause)
        self._refusals += 1
        if self._refusals >= _MAX_IN_A_ROW:
            raise MachineError(f"{url}: HTTP {status}, again and again; what was fetched is kept")
        raise _Refused(status)

    def _get(self, url: str, headers: dict[str, str], max_bytes: int) -> bytes:
        request = urllib.request.Request(
            url, headers={"User-Agent": self.source.user_agent, **headers}
        )
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as response:
            if headers.get("Range") and response.status != 206:
                raise _Refused(response.status)
            body: bytes = response.read(max_bytes + 1)
        if len(body) > max_bytes:
            raise _Refused(413)
        return body

    def _wait(self) -> None:
        """Take the next turn that the rate allows."""
        with self._lock:
            turn = max(self._next_s, time.monotonic())
            self._next_s = turn + 1 / self.source.requests_per_s
        time.sleep(max(0.0, turn - time.monotonic()))

    def _pause(self, attempt: int, said: str | None) -> None:
        """Nobody asks anything until the time that the server named, or 1, 2, 4 … seconds."""
        seconds = float(said) if said and said.strip().isdigit() else 2.0**attempt
        with self._lock:
            until = time.monotonic() + min(seconds, _MAX_WAIT_S)
            self._next_s = max(self._next_s, until)

    def capture(self, url: str) -> dict[str, Any] | None:
        """The latest capture of a page as HTML with status 200, or None where there is none."""
        query = urllib.parse.urlencode({"url": url, "output": "json"})
        try:
            body = self.get(f"{self.source.index}?{query}", {}, _MAX_INDEX_BYTES)
        except _Refused as refused:
            if refused.status == 404:
                return None
            raise
        found = [capture for line in body.splitlines() if (capture := _capture(line))]
        return max(found, key=lambda capture: str(capture.get("timestamp")), default=None)

    def record(self, capture: dict[str, Any]) -> bytes:
        """The bytes of a captured record, as they stand in the crawl's file."""
        begin, length = capture["offset"], capture["length"]
        url = urllib.parse.urljoin(self.source.data, urllib.parse.quote(capture["filename"]))
        return self.get(url, {"Range": f"bytes={begin}-{begin + length - 1}"}, length)


def _capture(line: bytes) -> dict[str, Any] | None:
    """A line of the index as a capture that can be fetched and read, or None."""
    before, brace, rest = line.partition(b"{")
    try:
        fields = json.loads(brace + rest)
        stamp = before.split()[1].decode("ascii") if before.strip() else fields.get("timestamp")
        begin, length = int(fields["offset"]), int(fields["length"])
        capture = {
            "filename": str(fields["filename"]),
            "offset": begin,
            "length": length,
            "timestamp": str(stamp),
            "url": str(fields.get("url", "")),
        }
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError):
        return None
    named = {str(fields.get(name)) for name in ("mime", "mime-detected") if fields.get(name)}
    is_page = not named or not named.isdisjoint(HTML_TYPES)
    sound = begin >= 0 and 0 < length <= _MAX_RECORD_BYTES
    return capture if is_page and sound and str(fields.get("status", "200")) == "200" else None


def fetch(urls: Sequence[str], stem: Path, client: Client) -> Path:
    """Fetch the records of URLs into `<stem>.warc.gz`; returns the log, one line a URL.

    Continues where an earlier call was killed.
    """
    stem.parent.mkdir(parents=True, exist_ok=True)
    log_path, archive_path = stem.with_suffix(".jsonl"), stem.with_suffix(".warc.gz")
    lines = _whole_lines(log_path)
    end = max((line["at"] + line["length"] for line in lines if "at" in line), default=0)
    with archive_path.open("ab") as archive, log_path.open("ab") as log:
        archive.truncate(end)
        archive.seek(end)
        for url in urls[len(lines) :]:
            line = _fetch_one(url, client, archive)
            archive.flush()
            os.fsync(archive.fileno())
            log.write(json.dumps(line, ensure_ascii=True).encode() + b"\n")
            log.flush()
    return log_path


def _whole_lines(path: Path) -> list[dict[str, Any]]:
    """The log's lines; what a killed run left of the last one is cut off."""
    if not path.is_file():
        return []
    data = path.read_bytes()
    whole = data[: data.rfind(b"\n") + 1]
    if whole != data:
        os.truncate(path, len(whole))
    return [json.loads(line) for line in whole.splitlines()]


def _fetch_one(url: str, client: Client, archive: Any) -> dict[str, Any]:
    """Fetch one record and append it; the line that says so, or why there is none."""
    try:
        capture = client.capture(url)
        if capture is None:
            return {"url": url, "dropped": "not in the index"}
        data = client.record(capture)
    except _Refused as refused:
        return {"url": url, "failed": f"HTTP {refused.status}"}
    if len(data) != capture["length"]:
        return {"url": url, "failed": "cut off"}
    at = archive.tell()
    archive.write(data)
    place = {"file": capture["filename"], "offset": capture["offset"]}
    return {"url": url, "at": at, "length": len(data), **place}
