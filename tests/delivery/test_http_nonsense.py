"""Whatever bytes come back, the client says what is proved and raises nothing."""

import struct
from contextlib import suppress

import hpack
import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from hpack import Encoder, HPACKError
from hpack.huffman_table import decode_huffman
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from delivery.http import Client, Post
from delivery.wire import huffman
from delivery.wire.fields import Decoder, MalformedFields, field, integer
from tests.benchmarks.world import make_certificate
from tests.gateways.tls import RawServer

COUNT = 3


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificate")
    make_certificate(folder)
    made = {http2: RawServer(folder, http2=http2) for http2 in (False, True)}
    client = Client(
        exempt=[server.origin for server in made.values()], roots=[(folder / "ca.pem").read_bytes()], connections=COUNT
    )
    yield made, client
    client.close()
    for server in made.values():
        server.stop()


def asked(servers, answer, *, http2):
    made, client = servers
    server = made[http2]
    server.answer = answer
    makers = [lambda: Post(f"{server.origin}/x", {}, b"the end") for _ in range(COUNT)]
    answers = client.post_each(makers, deadline=2)
    assert len(answers) == COUNT
    for one in answers:
        assert one.proved in {"answered", "never_sent", "unknown"}
        assert (one.proved == "answered") == (200 <= one.status <= 599)
    return answers


def framed(kind, flags, stream, payload):
    return struct.pack("!HBBBL", len(payload) >> 8, len(payload) & 255, kind, flags, stream) + payload


frames = st.builds(
    framed,
    st.integers(0, 12),
    st.integers(0, 255),
    st.sampled_from([0, 1, 2, 3, 5, 7, 2**31 - 1, 2**32 - 1]),
    st.binary(max_size=40) | st.integers(0, 2**32 - 1).map(lambda n: n.to_bytes(4, "big")),
)

FEW = settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))


@FEW
@given(st.lists(frames, max_size=8).map(b"".join))
def test_frames_that_mean_nothing_prove_nothing(servers, answer):
    asked(servers, answer, http2=True)


@FEW
@given(st.binary(max_size=300))
def test_bytes_that_are_no_frames_are_unknown(servers, answer):
    # Nine bytes make a frame's head; no frame that is whole, so nothing can be proved.
    answer = b"\0\x3f\xff" + answer
    assert {one.proved for one in asked(servers, answer, http2=True)} == {"unknown"}


def whole_answer():
    """What a good server sends to three requests."""
    server = H2Connection(H2Configuration(client_side=False))
    client = H2Connection(H2Configuration())
    server.initiate_connection()
    client.initiate_connection()
    for stream in (1, 3, 5):
        fields = [(":method", "POST"), (":path", "/x"), (":scheme", "https"), (":authority", "localhost")]
        client.send_headers(stream, fields, end_stream=True)
    server.receive_data(client.data_to_send())
    for stream in (1, 3, 5):
        server.send_headers(stream, [(":status", "201"), ("location", "/m/1")])
        server.send_data(stream, b"hello", end_stream=True)
    return server.data_to_send()


WHOLE = whole_answer()


def test_the_answer_that_is_broken_below_is_right_when_whole(servers):
    assert [one.status for one in asked(servers, WHOLE, http2=True)] == [201, 201, 201]


@FEW
@given(st.data())
def test_a_good_answer_with_some_bytes_wrong_raises_nothing(servers, data):
    answer = bytearray(WHOLE)
    for _ in range(data.draw(st.integers(1, 4))):
        answer[data.draw(st.integers(0, len(answer) - 1))] = data.draw(st.integers(0, 255))
    asked(servers, bytes(answer[: data.draw(st.integers(0, len(answer)))]), http2=True)


HTTP1 = (
    b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\nX: y\r\n\r\n5\r\nhello\r\n3;a=b\r\nyou\r\n0\r\nT: x\r\n\r\n"
)


def test_a_body_in_chunks_is_put_together(servers):
    assert {(one.status, one.body) for one in asked(servers, HTTP1, http2=False)} == {(201, b"helloyou")}


@FEW
@given(st.data())
def test_http1_with_some_bytes_wrong_raises_nothing(servers, data):
    answer = bytearray(HTTP1)
    for _ in range(data.draw(st.integers(1, 4))):
        answer[data.draw(st.integers(0, len(answer) - 1))] = data.draw(st.sampled_from(b"\0\r\n :0159aHTP/.\xff"))
    asked(servers, bytes(answer[: data.draw(st.integers(0, len(answer)))]), http2=False)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1\r\n\r\n",
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.1 99 No\r\n\r\n",
        b"HTTP/1.1 600 No\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n: no name\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n folded\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000,
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
        b"\x16\x03\x01" * 100,
    ],
)
def test_an_http1_head_that_is_malformed_is_unknown(servers, answer):
    assert {one.proved for one in asked(servers, answer, http2=False)} == {"unknown"}


names = st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=12)
values = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=80)


blocks = st.lists(st.lists(st.tuples(names | st.sampled_from(["location", "date", ":status"]), values), max_size=12))


@given(blocks, st.booleans(), st.sampled_from([0, 100, 4096]))
def test_header_blocks_of_another_implementation_are_read_as_they_were_written(several, huffman, size):
    encoder, decoder = Encoder(), Decoder()
    encoder.header_table_size = size
    for fields in several * 2:  # the second time they come out of the table
        assert decoder.decode(encoder.encode(fields, huffman=huffman)) == fields


@given(st.lists(st.binary(max_size=60), max_size=3))
def test_any_block_is_read_or_refused(several):
    decoder = Decoder()
    with suppress(MalformedFields):
        for block in several:
            decoder.decode(block)


@given(st.binary(max_size=12) | st.binary(max_size=12).map(lambda raw: raw + b"\xff"))
def test_huffman_codes_are_read_or_refused_as_another_implementation_does(raw):
    try:
        theirs = bytes(decode_huffman(raw)).decode("latin-1")
    except HPACKError:
        with pytest.raises(huffman.MalformedCode):
            huffman.decode(raw)
    else:
        assert huffman.decode(raw) == theirs


@given(names, values)
def test_fields_of_ours_are_read_by_another_implementation(name, value):
    assert hpack.Decoder().decode(field(name, value)) == [(name, value)]


@pytest.mark.parametrize(("number", "bits", "coded"), [(10, 5, b"\x0a"), (1337, 5, b"\x1f\x9a\x0a"), (42, 8, b"\x2a")])
def test_integers_are_those_of_rfc_7541(number, bits, coded):
    """RFC 7541, appendix C.1."""
    assert integer(number, bits) == coded
