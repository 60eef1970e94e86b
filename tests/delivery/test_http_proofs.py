"""What may be said of a request depends on whether a byte of it has left: the kernel's answer counts, not our intent."""

import os
import socket
import threading

import pytest

from delivery.wire.exchange import Exchange, Post
from delivery.wire.http2 import Http2
from delivery.wire.line import Line

SETTINGS = b"\0\0\x0c\4\0\0\0\0\0" + b"\0\3\0\0\x03\xe8" + b"\0\4\x3f\xff\xff\xff"
WINDOW = b"\0\0\4\x08\0\0\0\0\0" + b"\x3f\0\0\0"


@pytest.fixture
def pair():
    """A connection of ours with a tiny buffer, and the server's end of it."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line = Line("127.0.0.1", listening.getsockname()[1], host="localhost", tls=None)
        other, _ = listening.accept()
    line.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    line.advance(writable=True)
    connection = Http2(line, authority="localhost")
    connection.flush()
    other.sendall(SETTINGS + WINDOW)
    while not connection.is_ready:
        connection.read()
    yield connection, other
    connection.close()
    other.close()


def filled(connection):
    """Requests, each flushed by itself, until the kernel takes no more, and some beyond."""
    begun = []
    for size in range(150):
        begun.append(Exchange(Post("https://localhost/x", {}, os.urandom(100 + size)), "/x", 1000))
        connection.begin(begun[-1])
        connection.flush()
    return begun


def test_nothing_is_called_unsent_that_left_in_the_end(pair):
    connection, other = pair
    begun = filled(connection)
    assert connection.is_stuck()
    received = bytearray()

    def drain():
        while data := other.recv(65536):
            received.extend(data)

    reading = threading.Thread(target=drain)
    reading.start()
    while connection.out or connection.line.pending:
        connection.flush()
    connection.lose("gone")
    reading.join()
    assert all(one.post.body in received for one in begun)
    assert {one.answer.proved for one in begun} == {"unknown"}


def test_nothing_is_called_unknown_that_never_left(pair):
    connection, other = pair
    begun = filled(connection)
    connection.lose("gone")
    other.settimeout(0.5)
    received = b""
    try:
        while data := other.recv(65536):
            received += data
    except TimeoutError:
        pass
    answers = [one.answer.proved for one in begun]
    count = answers.count("unknown")
    assert answers == ["unknown"] * count + ["never_sent"] * (150 - count)
    assert 0 < count < 150
    assert not any(one.post.body[:50] in received for one in begun[count:])
    assert begun[count - 2].post.body in received
