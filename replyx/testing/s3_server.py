"""A store that speaks S3 on the loopback: signatures, objects, uploads in parts, listings; what it keeps is in memory.

`python -m replyx.testing.s3_server` serves one with the key `test` and the secret `secret`.
"""

from __future__ import annotations

import hashlib
import hmac
import http.server
import itertools
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit
from xml.sax.saxutils import escape

#: Longest object that is kept, and what a request may bring.
_MOST = 1 << 31

#: Longest time for which a write is held up.
_HELD_SECONDS = 15.0

_SIGNED = re.compile(r"AWS4-HMAC-SHA256 Credential=([^/]+)/([^,]+), ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]+)")


class S3Server(http.server.ThreadingHTTPServer):
    """Buckets are there when they are written to. `objects` maps `BUCKET/KEY` to what is kept."""

    daemon_threads = True

    def __init__(self, key: str = "test", secret: str = "secret", port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.key, self.secret = key, secret
        self.objects: dict[str, bytes] = {}
        self.uploads: dict[str, tuple[str, dict[int, bytes]]] = {}
        self.numbers = itertools.count(1)
        #: Requests that are still to be answered with 503, as a store under load does.
        self.busy = 0
        #: Writes that are held up until `free` is set, as a slow network does; `held` counts those that wait.
        self.to_hold, self.free, self.held = 0, threading.Event(), threading.Semaphore(0)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


@contextmanager
def serving(**options: Any) -> Iterator[S3Server]:
    """A server in a thread, for the length of the block."""
    with S3Server(**options) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="s3", daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


class _Handler(http.server.BaseHTTPRequestHandler):
    server: S3Server
    protocol_version = "HTTP/1.1"
    #: A client that keeps its connection must not keep the server.
    timeout = 10

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class calls it so
        """Nothing: tests ask for what was kept."""

    def do_GET(self) -> None:
        self._answer(self._get)

    def do_HEAD(self) -> None:
        self._answer(self._get)

    def do_PUT(self) -> None:
        self._answer(self._put)

    def do_POST(self) -> None:
        self._answer(self._post)

    def do_DELETE(self) -> None:
        self._answer(self._delete)

    def _answer(self, act: Any) -> None:
        parts = urlsplit(self.path)
        self.place, self.query = unquote(parts.path).lstrip("/"), dict(parse_qsl(parts.query, keep_blank_values=True))
        self.body = self.rfile.read(min(int(self.headers.get("Content-Length") or 0), _MOST))
        if self.server.busy > 0:
            self.server.busy -= 1
            self._refuse(503, "SlowDown")
        elif not self._is_signed(parts.path, parts.query):
            self._refuse(403, "SignatureDoesNotMatch")
        else:
            act()

    def _get(self) -> None:
        if "list-type" in self.query:
            self._list()
            return
        content = self.server.objects.get(self.place)
        if content is None:
            self._refuse(404, "NoSuchKey")
            return
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
        first = int(wanted[1]) if wanted else 0
        last = min(int(wanted[2] or _MOST), len(content) - 1) if wanted else len(content) - 1
        extra = {"Content-Range": f"bytes {first}-{last}/{len(content)}"} if wanted else {}
        self._send(206 if wanted else 200, content[first : last + 1], _headers_of(content) | extra)

    def _put(self) -> None:
        if self.server.to_hold > 0:
            self.server.to_hold -= 1
            self.server.held.release()
            self.server.free.wait(_HELD_SECONDS)
        if "partNumber" in self.query:
            upload = self.server.uploads.get(self.query["uploadId"])
            if upload is None:
                self._refuse(404, "NoSuchUpload")
                return
            upload[1][int(self.query["partNumber"])] = self.body
        elif self.headers.get("If-None-Match") == "*" and self.place in self.server.objects:
            self._refuse(412, "PreconditionFailed")
            return
        else:
            self.server.objects[self.place] = self.body
        self._send(200, b"", {"ETag": _etag(self.body)})

    def _post(self) -> None:
        if "uploads" in self.query:
            number = f"upload-{next(self.server.numbers)}"
            self.server.uploads[number] = (self.place, {})
            self._send_xml("InitiateMultipartUploadResult", f"<UploadId>{number}</UploadId>")
            return
        if "delete" in self.query:
            bucket = self.place.split("/")[0]
            keys = re.findall(r"<Key>(.*?)</Key>", self.body.decode())
            for key in keys:
                self.server.objects.pop(f"{bucket}/{key}", None)
            self._send_xml("DeleteResult", "".join(f"<Deleted><Key>{key}</Key></Deleted>" for key in keys))
            return
        upload = self.server.uploads.pop(self.query.get("uploadId", ""), None)
        if upload is None:
            self._refuse(404, "NoSuchUpload")
            return
        self.server.objects[upload[0]] = b"".join(part for _, part in sorted(upload[1].items()))
        self._send_xml("CompleteMultipartUploadResult", f"<ETag>{_etag(self.server.objects[upload[0]])}</ETag>")

    def _delete(self) -> None:
        if "uploadId" in self.query:
            self.server.uploads.pop(self.query["uploadId"], None)
        else:
            self.server.objects.pop(self.place, None)
        self._send(204, b"", {})

    def _list(self) -> None:
        bucket, prefix = self.place.strip("/").split("/")[0], self.query.get("prefix", "")
        keys = sorted(name for name in list(self.server.objects) if name.startswith(f"{bucket}/{prefix}"))
        folders: set[str] = set()
        rows = ""
        for name in keys:
            key = name.removeprefix(f"{bucket}/")
            if delimiter := self.query.get("delimiter"):
                head, found, _ = key.removeprefix(prefix).partition(delimiter)
                if found:
                    folders.add(prefix + head + delimiter)
                    continue
            content = self.server.objects[name]
            rows += (
                f"<Contents><Key>{escape(key)}</Key><Size>{len(content)}</Size><ETag>{_etag(content)}</ETag>"
                "<LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents>"
            )
        rows += "".join(f"<CommonPrefixes><Prefix>{escape(one)}</Prefix></CommonPrefixes>" for one in sorted(folders))
        self._send_xml("ListBucketResult", f"<Name>{bucket}</Name><IsTruncated>false</IsTruncated>{rows}")

    def _is_signed(self, path: str, query: str) -> bool:
        """Whether the request carries AWS's signature, version 4, of our key."""
        found = _SIGNED.fullmatch(self.headers.get("Authorization") or "")
        if found is None or found[1] != self.server.key:
            return False
        names = found[3].split(";")
        headers = "".join(f"{name}:{' '.join((self.headers.get(name) or '').split())}\n" for name in names)
        pairs = sorted(
            (quote(k, safe="-_.~"), quote(v, safe="-_.~")) for k, v in parse_qsl(query, keep_blank_values=True)
        )
        digest = self.headers.get("x-amz-content-sha256") or ""
        if digest not in ("UNSIGNED-PAYLOAD", hashlib.sha256(self.body).hexdigest()):
            return False
        asked = "&".join(f"{name}={value}" for name, value in pairs)
        request = "\n".join([self.command, path, asked, headers, found[3], digest])
        stamp = self.headers.get("x-amz-date") or ""
        text = "\n".join(["AWS4-HMAC-SHA256", stamp, found[2], hashlib.sha256(request.encode()).hexdigest()])
        key = f"AWS4{self.server.secret}".encode()
        for part in found[2].split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        return hmac.compare_digest(hmac.new(key, text.encode(), "sha256").hexdigest(), found[4])

    def _refuse(self, status: int, code: str) -> None:
        self._send(status, f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode(), {})

    def _send_xml(self, name: str, inside: str) -> None:
        self._send(200, f'<?xml version="1.0"?><{name}>{inside}</{name}>'.encode(), {"Content-Type": "application/xml"})

    def _send(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


def _headers_of(content: bytes) -> dict[str, str]:
    return {"ETag": _etag(content), "Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT"}


def _etag(content: bytes) -> str:
    return f'"{hashlib.sha256(content).hexdigest()[:32]}"'


def main() -> None:
    """Serve until the keyboard says so."""
    with serving() as server:
        print(f"ready {server.url}", flush=True)  # noqa: T201 - the command's result
        while True:
            time.sleep(60)


if __name__ == "__main__":
    main()
