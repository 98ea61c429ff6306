"""A request's body: read within limits of time and size, unpacked in memory, never written to disk."""

from __future__ import annotations

import asyncio
import zlib
from typing import Any

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header
from starlette.requests import ClientDisconnect, Request

from tlcore.server.refusal import Refusal


async def read_body(request: Request, most: int, seconds: float) -> bytes:
    """Return a request's body, decompressed where it says so.

    Raises:
        Refusal: 413 for more than `most` bytes, also after decompression; 408 where it does not come within `seconds`;
            415 for a compression that is not known; 400 where it is damaged or the client went away.
    """
    stated = request.headers.get("content-length", "")
    if stated.isascii() and stated.isdigit() and (len(stated) > 15 or int(stated) > most):
        raise Refusal(413, f"the body has {stated[:20]} bytes, at most {most:,} are taken")
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(seconds):
            async for part in request.stream():
                size += len(part)
                if size > most:
                    raise Refusal(413, f"the body has more than the {most:,} bytes that are taken")
                parts.append(part)
    except TimeoutError:
        raise Refusal(408, f"the body did not come within {seconds:g} seconds") from None
    except ClientDisconnect:
        raise Refusal(400, "the client went away") from None
    return _decompressed(b"".join(parts), request.headers.get("content-encoding", "identity").strip().lower(), most)


def image_of(body: bytes, content_type: str) -> bytes:
    """Return the image in a body: the body itself, or the first file of a multipart form.

    Raises:
        Refusal: 400 where the form is damaged or holds no file.
    """
    if not content_type.lower().startswith("multipart/form-data"):
        return body
    _, options = parse_options_header(content_type)
    boundary = options.get(b"boundary")
    if not boundary or len(boundary) > 200:
        raise Refusal(400, "the multipart form states no boundary")
    form = _Form()
    try:
        parser = MultipartParser(boundary, form.callbacks())
        parser.write(body)
        parser.finalize()
    except FormParserError as error:
        raise Refusal(400, f"the multipart form is damaged: {str(error)[:200]}") from None
    if form.file is None:
        raise Refusal(400, "the multipart form holds no file")
    return bytes(form.file)


class _Form:
    """The first file of a multipart form, gathered in memory."""

    def __init__(self) -> None:
        self.file: bytearray | None = None
        self._name = b""
        self._value = b""
        self._headers: dict[bytes, bytes] = {}
        self._taking = False

    def callbacks(self) -> Any:
        """Return what the parser is to call."""
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._header_name,
            "on_header_value": self._header_value,
            "on_header_end": self._header_end,
            "on_headers_finished": self._headers_end,
            "on_part_data": self._data,
            "on_part_end": self._end,
        }

    def _begin(self) -> None:
        self._headers = {}

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        self._headers[self._name.lower()] = self._value
        self._name = self._value = b""

    def _headers_end(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        self._taking = self.file is None and b"filename" in options
        if self._taking:
            self.file = bytearray()

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._taking and self.file is not None:
            self.file += data[start:end]

    def _end(self) -> None:
        self._taking = False


def _decompressed(body: bytes, encoding: str, most: int) -> bytes:
    if encoding in ("", "identity"):
        return body
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise Refusal(415, f"content encoding {encoding[:50]!r} is not taken; send gzip, deflate or none")
    unpacker = zlib.decompressobj(wbits=31 if encoding.endswith("gzip") else 15)
    try:
        unpacked = unpacker.decompress(body, most + 1)
    except zlib.error as error:
        raise Refusal(400, f"the body is not {encoding}: {error}") from None
    if len(unpacked) > most:
        raise Refusal(413, f"the body unpacks to more than the {most:,} bytes that are taken")
    if not unpacker.eof:
        raise Refusal(400, f"the {encoding} body is cut short")
    return unpacked
