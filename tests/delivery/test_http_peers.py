"""The one client against servers that others wrote."""

import shutil
import subprocess
from pathlib import Path

import pytest

from delivery.http import Client, Post
from tests.benchmarks.world import Sink, make_certificate

SERVER = Path(__file__).parents[1] / "gateways" / "http2_server.mjs"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("certificate")
    make_certificate(made)
    return made


@pytest.fixture(scope="module")
def node(folder):
    program = shutil.which("node")
    if program is None:
        pytest.skip("node is not installed")
    process = subprocess.Popen(
        [program, str(SERVER), str(folder / "sink.pem")], stdout=subprocess.PIPE, text=True, cwd=folder
    )
    yield f"https://localhost:{process.stdout.readline().strip()}"
    process.kill()
    process.wait()
    process.stdout.close()


def client_of(folder, origin):
    return Client(exempt=[origin], roots=[(folder / "ca.pem").read_bytes()])


@pytest.fixture
def sink_of(folder):
    """Starts the benchmarks' sink, of a kind that it knows; gives it with a client that may ask it."""
    started = []

    def start(*kind):
        sink = Sink(folder, *kind)
        started.append((sink, client_of(folder, sink.origin)))
        return started[-1]

    yield start
    for sink, client in started:
        client.close()
        sink.stop()


def test_nodes_http2_server_gets_every_body_through_its_small_windows(folder, node):
    client = client_of(folder, node)
    for _ in range(3):
        sizes = [(n * 61) % 9_000 for n in range(64)]
        answers = client.post_each(
            [
                lambda n=n, size=size: Post(
                    f"{node}/{n}", {"TTL": "60", "X-Want": str(200_000 if n == 7 else n)}, bytes(size), http2_only=True
                )
                for n, size in enumerate(sizes)
            ]
        )
        assert [a.status for a in answers] == [201] * 64
        assert [a.headers["location"] for a in answers] == [f"/{n}" for n in range(64)]
        assert [int(a.headers["x-size"]) for a in answers] == sizes
        assert [len(a.body) for a in answers] == [64 * 1024 if n == 7 else n for n in range(64)]
    client.close()


def test_the_benchmarks_sink_speaks_what_it_is_asked_for(sink_of):
    sink, client = sink_of()
    for http2_only in (True, False):
        post = Post(f"{sink.origin}/x", {}, b"x" * 900, http2_only=http2_only)
        answers = client.post_each([lambda post=post: post] * 200)
        assert {(a.status, a.headers["ttl"]) for a in answers} == {(201, "60")}
        assert len({a.headers["location"] for a in answers}) == 200


def test_the_benchmarks_sink_answers_as_fcm_and_apns_do(sink_of):
    sink, client = sink_of("apps")
    fcm = [lambda: Post(f"{sink.origin}/v1/projects/shop-1/messages:send", {}, b"{}", http2_only=True)] * 100
    assert len({a.body for a in client.post_each(fcm) if a.status == 200 and b"/messages/" in a.body}) == 100
    token = client.post_each([lambda: Post(f"{sink.origin}/token", {}, b"x", http2_only=True)])
    assert b"access_token" in token[0].body
    apns = [
        lambda n=n: Post(f"{sink.origin}/3/device/{n}", {"apns-id": f"id-{n}"}, b"{}", http2_only=True)
        for n in range(100)
    ]
    assert [a.headers["apns-id"] for a in client.post_each(apns)] == [f"id-{n}" for n in range(100)]


def test_the_benchmarks_sink_says_what_was_asked_when(sink_of):
    sink, client = sink_of("timed")
    posts = [lambda n=n: Post(f"{sink.origin}/push/{n}", {}, b"x", http2_only=True) for n in range(50)]
    assert {a.status for a in client.post_each(posts)} == {201}
    said = [sink.process.stdout.readline().split() for _ in range(50)]
    assert sorted(path for path, _ in said) == sorted(f"/push/{n}" for n in range(50))
    assert [float(at) for _, at in said] == sorted(float(at) for _, at in said)
