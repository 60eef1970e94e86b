"""The one client over HTTP/2: against a strict server, whose answers come in every order, late, broken or not at all."""

import os
import struct
import threading
import time
import tracemalloc

import pytest

from delivery.http import Client, Post
from tests.benchmarks.world import make_certificate
from tests.delivery.letters import Asleep
from tests.gateways.http2 import Gone, Http2Server

LARGEST = 64 * 1024


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificate")
    make_certificate(folder)
    return folder


@pytest.fixture
def serve(certificate):
    started = []

    def start(behave, **options):
        started.append(Http2Server(certificate, behave, **options))
        return started[-1]

    yield start
    for server in started:
        server.stop()
        assert server.faults == [], "the client keeps to the protocol"


@pytest.fixture
def client_of(certificate):
    made = []

    def make(*servers, **options):
        roots = [(certificate / "ca.pem").read_bytes()]
        made.append(Client(exempt=[server.origin for server in servers], roots=roots, **options))
        return made[-1]

    yield make
    for client in made:
        client.close()


def makers(server, count, *, body=b"body", **values):
    return [
        lambda n=n: Post(f"{server.origin}/push/{n}", {"TTL": "60", "Authorization": "secret"}, body, **values)
        for n in range(count)
    ]


def proofs(answers):
    return [answer.proved for answer in answers]


def paths(server):
    return [request.headers[":path"].rpartition("/")[2] for request in server.requests]


def test_a_batch_goes_over_one_connection_and_each_answer_finds_its_request(serve, client_of):
    def backwards(peer):
        peer.greet()
        for request in reversed(peer.wait(40)):
            peer.answer(request, location=f"/m{request.headers[':path']}")
        peer.answer_all()

    server = serve(backwards)
    answers = client_of(server).post_each(makers(server, 40))
    assert [a.headers["location"] for a in answers] == [f"/m/push/{n}" for n in range(40)]
    assert {a.status for a in answers} == {201}
    assert server.connections == 1
    headers = server.requests[0].headers
    assert (headers[":method"], headers["ttl"], headers["content-length"]) == ("POST", "60", "4")
    assert server.requests[7].body == b"body"


def test_the_connection_is_kept_for_the_next_batch(serve, client_of):
    server = serve(lambda peer: (peer.greet(), peer.answer_all()))
    client = client_of(server)
    for _ in range(3):
        assert proofs(client.post_each(makers(server, 5))) == ["answered"] * 5
    assert server.connections == 1


def test_only_the_refused_stream_was_never_sent(serve, client_of):
    def refuse_one(peer):
        peer.greet()
        first, second, third = peer.wait(3)
        peer.refuse(second, 7)
        peer.answer(third)
        peer.answer(first)
        peer.answer_all()

    server = serve(refuse_one)
    answers = client_of(server).post_each(makers(server, 3))
    assert proofs(answers) == ["answered", "never_sent", "answered"]
    assert len(server.requests) == 3, "the client does not repeat it by itself"


def test_a_stream_that_is_reset_for_any_other_reason_is_unknown(serve, client_of):
    def reset_one(peer):
        peer.greet()
        first, second = peer.wait(2)
        peer.refuse(first, 2)
        peer.answer(second)
        peer.answer_all()

    server = serve(reset_one)
    assert proofs(client_of(server).post_each(makers(server, 2))) == ["unknown", "answered"]


def goodbye(peer, last):
    peer.h2.close_connection(last_stream_id=last)
    peer.flush()


def test_what_lies_above_the_last_stream_of_a_goodbye_was_never_sent(serve, client_of):
    def leave(peer):
        peer.greet()
        one, two, *_ = peer.wait(5)
        peer.answer(one)
        # h2 sends nothing after a goodbye of its own, so it is written by hand.
        peer.raw(b"\0\0\x08\x07\0\0\0\0\0" + struct.pack("!LL", two.stream, 0))
        peer.answer(two)
        peer.read()

    server = serve(leave)
    answers = client_of(server).post_each(makers(server, 5))
    assert proofs(answers) == ["answered", "answered", "never_sent", "never_sent", "never_sent"]
    assert server.connections == 1


def test_what_a_goodbye_leaves_unanswered_below_its_last_stream_is_unknown(serve, client_of):
    def leave(peer):
        peer.greet()
        goodbye(peer, peer.wait(3)[1].stream)

    server = serve(leave)
    assert proofs(client_of(server).post_each(makers(server, 3))) == ["unknown", "unknown", "never_sent"]


def test_a_kept_connection_that_says_goodbye_costs_nothing_each_push_is_processed_once(serve, client_of):
    processed = []

    def leave_in_the_second_batch(peer):
        peer.greet()
        if peer.number == 0:
            for request in peer.wait(2):
                processed.append(request.headers[":path"])
                peer.answer(request)
            first, *_ = peer.wait(4)
            processed.append(first.headers[":path"])
            peer.raw(b"\0\0\x08\x07\0\0\0\0\0" + struct.pack("!LL", first.stream, 0))
            peer.answer(first)
            peer.read()
            return
        while True:
            request = peer.wait(1)[0]
            processed.append(request.headers[":path"])
            peer.answer(request)

    server = serve(leave_in_the_second_batch)
    client = client_of(server)
    client.post_each(makers(server, 2))
    assert proofs(client.post_each(makers(server, 4))) == ["answered"] * 4
    assert sorted(processed) == sorted(["/push/0", "/push/1"] + [f"/push/{n}" for n in range(4)])
    assert server.connections == 2


def test_a_request_is_repeated_once_at_most(serve, client_of):
    def always_leaves(peer):
        peer.greet()
        if peer.number == 0:
            peer.answer(peer.wait(1)[0])
        peer.wait(2)
        goodbye(peer, 0 if peer.number else 1)

    server = serve(always_leaves)
    client = client_of(server)
    client.post_each(makers(server, 1))
    assert proofs(client.post_each(makers(server, 2))) == ["never_sent", "never_sent"]
    assert server.connections == 2


def test_a_kept_connection_that_the_server_had_closed_is_replaced(serve, client_of):
    def one_each(peer):
        peer.greet()
        peer.answer(peer.wait(1)[0])

    server = serve(one_each)
    client = client_of(server)
    for _ in range(3):
        assert client.post_each(makers(server, 1))[0].status == 201
        time.sleep(0.05)
    assert server.connections == 3


def test_the_servers_limit_of_streams_is_kept_and_more_connections_help(serve, client_of):
    def narrow(peer):
        peer.greet(max_concurrent_streams=2)
        peer.answer_all()

    server = serve(narrow)
    answers = client_of(server).post_each(makers(server, 30))
    assert proofs(answers) == ["answered"] * 30
    assert max(peer.most_open for peer in server.peers) <= 2
    assert 1 < server.connections <= 4
    assert sorted(paths(server), key=int) == [str(n) for n in range(30)]


def test_a_limit_that_is_raised_in_mid_connection_is_used(serve, client_of):
    """As APNs does it: one stream until the first request has shown who we are."""

    def widen(peer):
        peer.greet(max_concurrent_streams=1)
        peer.answer(peer.wait(1)[0])
        peer.h2.update_settings({3: 100})
        peer.flush()
        peer.wait(9 if peer.number == 0 else 1)
        peer.answer_all()

    server = serve(widen)
    client = client_of(server)
    assert client.post_each(makers(server, 1))[0].status == 201
    assert proofs(client.post_each(makers(server, 9))) == ["answered"] * 9
    assert server.connections == 1


@pytest.mark.parametrize("window", [100, 1_000, 70_000])
def test_large_bodies_pass_through_small_windows(serve, client_of, window):
    def small(peer):
        peer.greet(initial_window_size=window)
        for request in peer.wait(20):
            peer.answer(request)
        peer.answer_all()

    server = serve(small)
    body = os.urandom(4096)
    assert proofs(client_of(server).post_each(makers(server, 20, body=body))) == ["answered"] * 20
    assert all(request.body == body for request in server.requests)


def test_a_window_that_changes_under_a_body_is_kept(serve, client_of):
    def change(peer):
        peer.gives_back = False
        peer.greet(initial_window_size=500)
        while sum(len(one.body) for one in peer.open.values()) < 1_000:
            peer.read()
        peer.h2.update_settings({4: 200})
        peer.flush()
        peer.read()
        peer.h2.update_settings({4: 5_000})
        peer.flush()
        for request in peer.wait(2):
            peer.answer(request)
        peer.read()

    server = serve(change)
    assert proofs(client_of(server).post_each(makers(server, 2, body=b"x" * 4096))) == ["answered"] * 2
    assert [len(request.body) for request in server.requests] == [4096, 4096]


def test_an_answer_before_the_body_is_over_ends_it(serve, client_of):
    def too_large(peer):
        peer.gives_back = False
        peer.greet(initial_window_size=100)
        while not peer.open:
            peer.read()
        peer.answer(next(iter(peer.open.values())), 413)
        while True:
            peer.read()

    server = serve(too_large)
    assert client_of(server).post_each(makers(server, 1, body=b"x" * 4096))[0].status == 413


def test_a_ping_is_answered(serve, client_of):
    def ping(peer):
        peer.greet()
        (request,) = peer.wait(1)
        peer.h2.ping(b"12345678")
        peer.flush()
        while not peer.pongs:
            peer.read()
        peer.answer(request)

    server = serve(ping)
    assert client_of(server).post_each(makers(server, 1))[0].status == 201


def frame(kind, flags, stream, payload=b""):
    return struct.pack("!HBBBL", len(payload) >> 8, len(payload) & 255, kind, flags, stream) + payload


def test_headers_in_several_pieces_with_padding_and_trailers_are_understood(serve, client_of):
    def pieces(peer):
        peer.greet()
        (request,) = peer.wait(1)
        block = peer.h2.encoder.encode([(":status", "103")])
        peer.raw(frame(1, 4, request.stream, block))
        block = peer.h2.encoder.encode(
            [(":status", "201"), ("location", "/m/" + "z" * 100), ("x-a", "1"), ("x-a", "2")]
        )
        peer.raw(frame(1, 0x28, request.stream, b"\3" + bytes(5) + block[:10] + bytes(3)))
        peer.raw(frame(9, 0, request.stream, block[10:20]) + frame(9, 4, request.stream, block[20:]))
        peer.raw(frame(0, 8, request.stream, b"\2helloxx"[:1] + b"hello" + bytes(2)))
        peer.raw(frame(1, 5, request.stream, peer.h2.encoder.encode([("x-trailer", "late")])))
        peer.read()

    server = serve(pieces)
    (answer,) = client_of(server).post_each(makers(server, 1))
    assert (answer.status, answer.body) == (201, b"hello")
    assert answer.headers == {"location": "/m/" + "z" * 100, "x-a": "1, 2"}


def test_huffman_coded_answers_are_read_to_the_letter(serve, client_of):
    value = "".join(map(chr, range(33, 127))) * 3

    def huffman(peer):
        peer.greet()
        peer.answer(peer.wait(1)[0], x_all=value, date="Tue, 24 Nov 2026 12:00:00 GMT")

    server = serve(huffman)
    (answer,) = client_of(server).post_each(makers(server, 1))
    assert answer.headers == {"x-all": value, "date": "Tue, 24 Nov 2026 12:00:00 GMT"}


def silent(peer):
    peer.greet()
    while True:
        peer.read()


def broken_off(peer):
    peer.greet()
    peer.wait(2)
    peer.reset()


def closed(peer):
    peer.greet()
    peer.wait(2)


def headers_drip(peer):
    peer.greet()
    (request, _) = peer.wait(2)
    for byte in peer.h2.encoder.encode([(":status", "201")]) * 100:
        peer.raw(frame(1, 0, request.stream, b"") if byte is None else frame(6, 0, 0, bytes(8)))
        time.sleep(0.05)


def continued_without_end(peer):
    peer.greet()
    (request, _) = peer.wait(2)
    peer.raw(frame(1, 0, request.stream, b"\0\1a\1b"))
    while True:
        peer.raw(frame(9, 0, request.stream, b"\0\1a\1b" * 1000))


def a_thousand_fields(peer):
    peer.greet()
    (request, _) = peer.wait(2)
    peer.raw(frame(1, 5, request.stream, b"\x88" + b"\x90" * 10_000))
    peer.read()


def pushes_back(peer):
    peer.greet()
    (request, _) = peer.wait(2)
    peer.raw(frame(5, 4, request.stream, bytes(3) + b"\2\x82"))
    peer.read()


def uses_a_table(peer):
    peer.greet()
    (request, _) = peer.wait(2)
    peer.raw(frame(1, 5, request.stream, b"\x88\xbe"))
    peer.read()


def too_long_a_frame(peer):
    peer.greet()
    (request, _) = peer.wait(2)
    peer.raw(frame(0, 0, request.stream, bytes(20_000)))
    peer.read()


def a_stream_of_its_own(peer):
    peer.greet()
    peer.wait(2)
    peer.raw(frame(1, 5, 2, b"\x88"))
    peer.read()


def asks_without_end(peer):
    peer.greet()
    peer.wait(2)
    peer.wire.settimeout(2)
    while True:
        peer.raw(frame(6, 0, 0, bytes(8)) * 5000)


@pytest.mark.parametrize(
    "behave",
    [
        silent,
        broken_off,
        closed,
        headers_drip,
        continued_without_end,
        a_thousand_fields,
        pushes_back,
        uses_a_table,
        too_long_a_frame,
        a_stream_of_its_own,
        asks_without_end,
    ],
)
def test_whatever_stays_away_or_is_malformed_is_unknown_by_the_deadline(serve, client_of, behave):
    server = serve(behave)
    began = time.monotonic()
    assert proofs(client_of(server).post_each(makers(server, 2), deadline=1.0)) == ["unknown", "unknown"]
    assert time.monotonic() - began < 3
    assert (len(server.requests), server.connections) == (2, 1), "nothing is repeated"


def test_a_body_without_end_is_cut_off_and_its_memory_stays_flat(serve, client_of):
    def endless(peer):
        peer.greet()
        first, second = peer.wait(2)
        peer.h2.send_headers(first.stream, [(":status", "200")])
        for _ in range(100_000_000 // 16_384):
            while first.stream in peer.open and not peer.h2.local_flow_control_window(first.stream):
                peer.read()
            if first.stream not in peer.open:
                break
            size = min(peer.h2.local_flow_control_window(first.stream), 16_384)
            peer.h2.send_data(first.stream, bytes(size))
            peer.flush()
        peer.answer(second)
        peer.answer_all()

    server = serve(endless)
    client = client_of(server)
    tracemalloc.start()
    first, second = client.post_each(makers(server, 2), deadline=5)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (first.status, len(first.body), second.status) == (200, LARGEST, 201)
    assert peak < 5_000_000
    assert client.post_each(makers(server, 1))[0].status == 201
    assert server.connections == 1


def test_a_body_that_drips_past_the_deadline_changes_nothing_of_its_answer(serve, client_of):
    def drip(peer):
        peer.greet()
        (request,) = peer.wait(1)
        peer.h2.send_headers(request.stream, [(":status", "201")])
        while True:
            peer.h2.send_data(request.stream, b"x")
            peer.flush()
            time.sleep(0.1)

    server = serve(drip)
    began = time.monotonic()
    (answer,) = client_of(server).post_each(makers(server, 1), deadline=0.5)
    assert (answer.proved, answer.status) == ("answered", 201)
    assert 0 < len(answer.body) < 10
    assert time.monotonic() - began < 2


@pytest.mark.parametrize("behave", [lambda peer: None, lambda peer: peer.wire.recv(10), lambda peer: time.sleep(3)])
def test_a_server_that_never_greets_was_sent_nothing(serve, client_of, behave):
    server = serve(behave)
    assert proofs(client_of(server).post_each(makers(server, 2), deadline=0.6)) == ["never_sent"] * 2


def test_where_http2_is_demanded_nothing_is_sent_over_anything_else(serve, client_of):
    seen = []
    server = serve(lambda peer: seen.append(peer.wire.recv(1000)), protocols=("http/1.1",))
    answers = client_of(server).post_each(makers(server, 2, http2_only=True), deadline=2)
    assert proofs(answers) == ["never_sent"] * 2
    assert "HTTP/2" in answers[0].detail
    time.sleep(0.1)
    assert seen in ([], [b""])


def test_without_http2_the_batch_goes_over_several_kept_connections(serve, client_of):
    def http1(peer):
        while data := peer.wire.recv(65536):
            peer.server.requests.append(data)
            peer.wire.sendall(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")

    server = serve(http1, protocols=("http/1.1",))
    client = client_of(server, connections=3)
    for _ in range(2):
        assert proofs(client.post_each(makers(server, 12))) == ["answered"] * 12
    assert len(server.requests) == 24
    assert server.connections <= 3


def test_a_certificate_of_another_host_or_signer_proves_that_nothing_was_sent(serve, client_of, certificate):
    server = serve(lambda peer: (peer.greet(), peer.answer_all()))
    other = server.origin.replace("localhost", "127.0.0.1")
    roots = [(certificate / "ca.pem").read_bytes()]
    for client, origin in (
        (Client(exempt=[other], roots=roots), other),
        (Client(exempt=[server.origin]), server.origin),
    ):
        answer = client.post(Post(f"{origin}/x", {}, b"body"))
        client.close()
        assert answer.proved == "never_sent"
        assert "certificate" in answer.detail.lower()
    assert server.requests == []


def test_a_silent_origin_does_not_hold_up_another(serve, client_of):
    done = threading.Event()

    def quick(peer):
        peer.greet()
        for request in peer.wait(6):
            peer.answer(request)
        done.set()
        peer.answer_all()

    def patient(peer):
        done.wait(10)
        peer.greet()
        peer.answer_all()

    slow, fast = serve(patient), serve(quick)
    mixed = [maker for pair in zip(makers(slow, 6), makers(fast, 6), strict=True) for maker in pair]
    assert proofs(client_of(slow, fast).post_each(mixed)) == ["answered"] * 12


def test_a_slow_name_server_does_not_hold_up_another_origin(serve, client_of):
    done = threading.Event()

    def quick(peer):
        peer.greet()
        peer.answer(peer.wait(1)[0])
        done.set()

    def resolver(host, port):
        if f":{port}" not in fast.origin:
            done.wait(10)
        return ["127.0.0.1"]

    slow, fast = serve(lambda peer: (peer.greet(), peer.answer_all())), serve(quick)
    client = client_of(slow, fast, resolver=resolver)
    assert proofs(client.post_each(makers(slow, 1) + makers(fast, 1))) == ["answered"] * 2


def test_a_name_server_that_never_answers_proves_that_nothing_was_sent(serve, client_of):
    asked = threading.Event()
    server = serve(lambda peer: None)
    client = client_of(server, resolver=lambda host, port: asked.wait(3) or [])
    assert client.post_each(makers(server, 1), deadline=0.3)[0].proved == "never_sent"
    asked.set()


def test_the_next_address_of_a_host_is_tried_when_one_refuses(serve, client_of):
    server = serve(lambda peer: (peer.greet(), peer.answer_all()))
    client = client_of(server, resolver=lambda host, port: ["::1", "127.0.0.1"])
    assert proofs(client.post_each(makers(server, 3))) == ["answered"] * 3


def test_nothing_begins_after_the_lease_though_the_deadline_is_later(serve, client_of):
    def one_by_one(peer):
        peer.greet(max_concurrent_streams=1)
        while True:
            request = peer.wait(1)[0]
            time.sleep(0.2)
            peer.answer(request)

    server = serve(one_by_one)
    answers = client_of(server).post_each(makers(server, 40), until=time.monotonic() + 0.5, deadline=5)
    found = proofs(answers)
    assert set(found) == {"answered", "not_begun"}
    assert found.count("answered") == len(server.requests)


def test_who_falls_asleep_before_a_piece_leaves_sends_nothing_of_it(serve, client_of):
    server = serve(lambda peer: (peer.greet(), peer.answer_all()))
    client = client_of(server)
    client.post_each(makers(server, 2))
    posts = [*makers(server, 3), lambda: Post(f"{server.origin}/push/3", Asleep(), b"body"), *makers(server, 2)]
    answers = client.post_each(posts, until=time.monotonic() + 2)
    assert proofs(answers) == ["not_begun"] * 6
    assert len(server.requests) == 2
    assert client.post_each(makers(server, 1))[0].status == 201


def test_a_child_process_makes_connections_of_its_own(serve, client_of):
    server = serve(lambda peer: (peer.greet(), peer.answer_all()))
    client = client_of(server)
    assert client.post_each(makers(server, 2))[1].status == 201
    child = os.fork()
    if child == 0:
        answered = proofs(client.post_each(makers(server, 2), deadline=5)) == ["answered"] * 2
        client.close()
        os._exit(0 if answered else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert proofs(client.post_each(makers(server, 2))) == ["answered"] * 2
    assert server.connections == 2


def test_threads_share_a_client(serve, client_of):
    server = serve(lambda peer: (peer.greet(), peer.answer_all()))
    client = client_of(server)
    found = []
    threads = [
        threading.Thread(target=lambda: [found.extend(client.post_each(makers(server, 10))) for _ in range(5)])
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert proofs(found) == ["answered"] * 200
    assert server.connections <= 4


def test_goodbye_is_said_when_the_client_closes(serve, client_of):
    left = threading.Event()
    said = []

    def listen(peer):
        peer.greet()
        peer.answer(peer.wait(1)[0])
        try:
            while True:
                said.extend(type(event).__name__ for event in peer.read())
        except Gone:
            left.set()

    server = serve(listen)
    client = client_of(server)
    client.post_each(makers(server, 1))
    client.close()
    assert left.wait(5)
    assert "ConnectionTerminated" in said


def test_a_connection_that_was_idle_for_long_answers_a_ping_before_it_is_trusted(serve, client_of, monkeypatch):
    monkeypatch.setattr("delivery.wire.http2.IDLE_BEFORE_PING", 0)
    pings = []

    def listen(peer):
        peer.greet()
        while True:
            pings.extend(event for event in peer.read() if type(event).__name__ == "PingReceived")
            for request in [one for one in peer.open.values() if one.is_whole]:
                peer.answer(request)

    server = serve(listen)
    client = client_of(server)
    for _ in range(3):
        assert proofs(client.post_each(makers(server, 3))) == ["answered"] * 3
    assert (len(pings), server.connections) == (2, 1)


def test_a_connection_that_died_without_a_sign_costs_nothing(serve, client_of, monkeypatch):
    monkeypatch.setattr("delivery.wire.http2.IDLE_BEFORE_PING", 0)
    monkeypatch.setattr("delivery.wire.lane.PATIENCE", 0.2)

    def dies(peer):
        peer.greet()
        peer.answer(peer.wait(1)[0])
        if peer.number == 0:
            time.sleep(3)
        peer.answer_all()

    server = serve(dies)
    client = client_of(server)
    for _ in range(2):
        assert proofs(client.post_each(makers(server, 1))) == ["answered"]
    assert (len(server.requests), server.connections) == (2, 2)


def test_connections_are_renewed_by_age(serve, client_of, monkeypatch):
    server = serve(lambda peer: (peer.greet(), peer.answer_all()))
    client = client_of(server)
    client.post_each(makers(server, 1))
    monkeypatch.setattr("delivery.wire.connection.LONGEST_AGE", 0)
    assert client.post_each(makers(server, 1))[0].status == 201
    assert server.connections == 2


def test_what_the_server_says_of_a_table_may_change_between_answers(serve, client_of):
    def tables(peer):
        peer.greet()
        for size in (4096, 0, 100):
            peer.h2.encoder.header_table_size = size
            for _ in range(3):
                peer.answer(peer.wait(1)[0], x_long="long-" * 5, location="/m/1")
        peer.answer_all()

    server = serve(tables)
    answers = client_of(server).post_each(makers(server, 9))
    assert {(a.status, a.headers["x-long"], a.headers["location"]) for a in answers} == {(201, "long-" * 5, "/m/1")}


def test_a_large_page_comes_whole_and_no_more_is_asked_for_than_was_taken(serve, client_of):
    size = 900_000
    given = {}

    def send(peer):
        peer.greet()
        (request,) = peer.wait(1)
        assert request.headers[":method"] == "GET"
        peer.h2.send_headers(request.stream, [(":status", "200")])
        left = size
        while left:
            while not (step := min(peer.h2.local_flow_control_window(request.stream), 5_000, left)):
                for event in peer.read():
                    if type(event).__name__ == "WindowUpdated":
                        given[event.stream_id] = given.get(event.stream_id, 0) + event.delta
            left -= step
            peer.h2.send_data(request.stream, bytes(step), end_stream=not left)
            peer.flush()
            assert all(total <= size - left for total in given.values())
        peer.read()

    server = serve(send)
    answer = client_of(server).get(server.origin + "/page", largest=1 << 20)
    assert (answer.status, len(answer.body)) == (200, size)
    assert set(given) == {0, 1}
