"""Files as multipart/form-data: another's parser reads what was written."""

import asyncio
from collections.abc import Sequence

import pytest
from aiohttp import BodyPartReader, MultipartReader, StreamReader
from aiohttp.base_protocol import BaseProtocol
from hypothesis import given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy

from relay.providers.att_landline.formdata import FilePart, form_data


async def read_back(content_type: str, body: bytes) -> list[FilePart]:
    """The files in a body, as aiohttp understands it."""
    stream = StreamReader(BaseProtocol(asyncio.get_running_loop()), 1 << 16)
    stream.feed_data(body)
    stream.feed_eof()
    found = []
    headers = CIMultiDictProxy(CIMultiDict({"Content-Type": content_type}))
    async for part in MultipartReader(headers, stream):
        assert isinstance(part, BodyPartReader)
        data = bytes(await part.read())
        found.append(FilePart(part.name or "", part.filename or "", part.headers["Content-Type"], data))
    return found


@pytest.mark.parametrize(
    "files",
    [
        [FilePart("image", "Filename.png", "image/png", b"\x89PNG\r\n\x1a\n")],
        [
            FilePart("image1", "01.png", "image/png", b"--relay-\r\n--"),
            FilePart("file", "tätzt.txt", "text/plain; charset=utf-8", "☎".encode()),
        ],
        [FilePart("file", "empty.txt", "text/plain", b"")],
    ],
)
async def test_files_are_read_back(files: Sequence[FilePart]) -> None:
    """Names, types and every byte."""
    assert await read_back(*form_data(files)) == files


@settings(max_examples=50)
@given(st.lists(st.builds(FilePart, st.just("image"), st.just("a.png"), st.just("image/png"), st.binary()), min_size=1))
def test_any_bytes_survive(files: list[FilePart]) -> None:
    """Line breaks and dashes included."""
    assert asyncio.run(read_back(*form_data(files))) == files


@given(st.text())
def test_a_name_cannot_break_out_of_its_line(filename: str) -> None:
    """Quotes and line breaks are escaped, and half a character is replaced."""
    _, body = form_data([FilePart("image", filename, "image/png", b"x")])
    head = body.partition(b"\r\n\r\n")[0]
    assert head.count(b"\r\n") == 2
    assert head.count(b'"') == 4
