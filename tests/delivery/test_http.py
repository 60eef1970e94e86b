"""The one client: what it refuses to contact, and what its errors prove."""

import socket
import struct
import threading
import time

import pytest

from delivery.addresses import UnsafeAddress, check_public, check_push_address
from delivery.http import Client, Post
from tests.delivery.letters import Asleep

BAD_URLS = [
    "http://fcm.googleapis.com/x",
    "ftp://fcm.googleapis.com/x",
    "javascript:alert(1)",
    "//fcm.googleapis.com/x",
    "https:/fcm.googleapis.com/x",
    "https:\\\\fcm.googleapis.com\\x",
    "https://127.0.0.1/x",
    "https://127.1/x",
    "https://0x7f.1/x",
    "https://2130706433/x",
    "https://0177.0.0.1/x",
    "https://[::1]/x",
    "https://[::ffff:127.0.0.1]/x",
    "https://[::ffff:169.254.169.254]/x",
    "https://[64:ff9b::7f00:1]/x",
    "https://[fe80::1%25eth0]/x",
    "https://[fd00::1]/x",
    "https://100.64.0.1/x",
    "https://10.0.0.1/x",
    "https://172.16.0.1/x",
    "https://192.168.1.1/x",
    "https://169.254.169.254/latest/meta-data",
    "https://0.0.0.0/x",
    "https://localhost/x",
    "https://fcm.googleapis.com.evil.test/x",
    "https://evilfcm.googleapis.com/x",
    "https://evil.test/fcm.googleapis.com",
    "https://fcm.googleapis.com@evil.test/x",
    "https://user@fcm.googleapis.com/x",
    "https://user:pass@fcm.googleapis.com/x",
    "https://fcm.googleapis.com:8443/x",
    "https://fcm.googleapis.com:80/x",
    "https://fcm.googleapis.com:0443x/x",
    "https://fcm.googleapis.com./x",
    "https://FCM.googleapis.com/x",
    "https://fcm.googleapis.com\\.evil.test/x",
    "https://fcm.googleapis.com#@evil.test/x",
    "https://fcm.googleapis.com?@evil.test/x",
    "https://fcm.googleapis.com/x#y",
    "https://fcm.googleapis.com/x y",
    "https://fcm.googleapis.com/x\r\nHost: evil",
    "https://fcm.googleapis.com/x\ty",
    "https://fcm.googleapis.com",
    "https://fcm\u3002googleapis\u3002com/x",
    "https://\uff46cm.googleapis.com/x",
    "https://xn--fcm-x.googleapis.com/x",
    "https://push.services.mozilla.com/x",
    "https://evilpush.services.mozilla.com/x",
    "https://.push.services.mozilla.com.evil/x",
    "https://notify.windows.com/x",
    "https://push.apple.com/x",
    " https://fcm.googleapis.com/x",
    "https://fcm.googleapis.com/x ",
    "https://fcm.googleapis.com/" + "x" * 3000,
    "https://metadata.google.internal/x",
    "https://example.com/x",
    "file:///etc/passwd",
    "gopher://127.0.0.1:6379/_FLUSHALL",
    "",
    "https://",
]


@pytest.mark.parametrize("url", BAD_URLS)
def test_an_address_that_is_no_push_service_is_refused(url):
    with pytest.raises(UnsafeAddress):
        check_push_address(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://fcm.googleapis.com/fcm/send/abc:APA91b_-",
        "https://fcm.googleapis.com:443/wp/x",
        "https://updates.push.services.mozilla.com/wpush/v2/gAAA",
        "https://web.push.apple.com/QGF",
        "https://wns2-par02p.notify.windows.com/w/?token=BQY%2b",
    ],
)
def test_the_known_push_services_are_accepted(url):
    assert check_push_address(url).startswith("https://")


def test_an_origin_that_the_site_names_is_exempt_and_no_other_port_of_it():
    assert check_push_address("http://127.0.0.1:9999/x", exempt=["http://127.0.0.1:9999"])
    with pytest.raises(UnsafeAddress):
        check_push_address("http://127.0.0.1:9998/x", exempt=["http://127.0.0.1:9999"])


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.31.0.1",
        "192.168.0.1",
        "169.254.1.1",
        "100.64.0.1",
        "0.0.0.0",
        "255.255.255.255",
        "224.0.0.1",
        "240.0.0.1",
        "192.0.2.1",
        "198.51.100.1",
        "203.0.113.1",
        "198.18.0.1",
        "::1",
        "::",
        "fe80::1",
        "fd12::1",
        "ff02::1",
        "::ffff:10.0.0.1",
        "64:ff9b::a00:1",
        "2002:7f00:1::",
        "2001:db8::1",
        "2001:0:1::1",
    ],
)
def test_no_disguise_of_a_private_address_is_public(address):
    with pytest.raises(UnsafeAddress):
        check_public(address)


def test_a_public_address_is_public():
    check_public("142.250.74.74")
    check_public("2a00:1450:4001:82a::200a")


class Listener:
    """A local server that behaves as told, and counts connections and bytes."""

    def __init__(self, behave):
        self.connections = self.bytes = 0
        self.behave = behave
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        try:
            self.behave(self, connection)
        except OSError:
            pass

    def read(self, connection):
        data = connection.recv(65536)
        self.bytes += len(data)
        return data


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def ok(server, connection):
    while server.read(connection):
        connection.send(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")


def reset_at_once(server, connection):
    # Not sooner than the first byte: until then the client may still be connecting, and then nothing was ever sent.
    connection.recv(1, socket.MSG_PEEK)
    reset(connection)


def reset_after(server, connection):
    server.read(connection)
    reset(connection)


def close_after(server, connection):
    server.read(connection)
    connection.close()


def silence(server, connection):
    server.read(connection)
    time.sleep(5)


def drip(server, connection):
    server.read(connection)
    for byte in b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n":
        connection.send(bytes([byte]))
        time.sleep(0.2)


def huge(server, connection):
    server.read(connection)
    connection.send(b"HTTP/1.1 201 Created\r\nContent-Length: 1000000000\r\n\r\n")
    for _ in range(10_000):
        connection.send(b"x" * 100_000)


def garbage(server, connection):
    server.read(connection)
    connection.send(b"hello\r\n\r\n")
    connection.close()


@pytest.fixture
def listen():
    started = []

    def start(behave):
        started.append(Listener(behave))
        return started[-1]

    yield start
    for listener in started:
        listener.socket.close()


def posted(url, *, exempt=None, deadline=1.0, **options):
    client = Client(exempt=[exempt or url], **options)
    try:
        return client.post(Post(url + "/x", {"TTL": "1"}, b"body"), deadline=deadline)
    finally:
        client.close()


@pytest.mark.parametrize(
    ("behave", "proved"),
    [
        (ok, "answered"),
        (reset_at_once, "unknown"),
        (reset_after, "unknown"),
        (close_after, "unknown"),
        (silence, "unknown"),
        (drip, "unknown"),
        (huge, "answered"),
        (garbage, "unknown"),
    ],
)
def test_only_what_is_proved_is_said(listen, behave, proved):
    server = listen(behave)
    began = time.monotonic()
    assert posted(server.url).proved == proved
    assert time.monotonic() - began < 3
    assert server.connections == 1, "the client never tries again by itself"


def test_a_refused_connection_proves_that_nothing_was_sent():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert posted(f"http://127.0.0.1:{port}").proved == "never_sent"


def test_a_kept_connection_that_dies_under_a_request_is_unknown_and_not_repeated(listen):
    seen = []

    def second_dies(server, connection):
        seen.append(server.read(connection))
        connection.send(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")
        seen.append(server.read(connection))
        reset(connection)

    server = listen(second_dies)
    client = Client(exempt=[server.url])
    answers = [client.post(Post(server.url + "/x", {}, b"body")).proved for _ in range(2)]
    client.close()
    assert answers == ["answered", "unknown"]
    assert len(seen) == 2


def test_redirects_are_never_followed(listen):
    target = listen(ok)

    def redirect(server, connection):
        server.read(connection)
        location = f"HTTP/1.1 307 Go\r\nLocation: {target.url}/y\r\nContent-Length: 0\r\n\r\n"
        connection.send(location.encode())

    assert posted(listen(redirect).url).status == 307
    assert target.connections == 0


def test_a_host_with_one_private_address_is_refused_and_nothing_reaches_it(listen):
    server = listen(ok)
    client = Client(resolver=lambda host, port: ["142.250.74.74", "127.0.0.1"])
    answer = client.post(Post("https://fcm.googleapis.com/x", {}, b"body"))
    client.close()
    assert answer.proved == "unsafe"
    assert server.bytes == 0


def test_a_name_is_resolved_once_so_that_it_cannot_flip_between_check_and_connect():
    asked = []

    def flipping(host, port):
        asked.append(host)
        return ["192.0.2.1"] if len(asked) == 1 else ["127.0.0.1"]

    client = Client(resolver=flipping)
    answer = client.post(Post("https://fcm.googleapis.com/x", {}, b"body"))
    client.close()
    assert (answer.proved, asked) == ("unsafe", ["fcm.googleapis.com"])


def test_a_name_that_does_not_resolve_proves_that_nothing_was_sent():
    def broken(host, port):
        raise OSError("no such host")

    assert Client(resolver=broken).post(Post("https://fcm.googleapis.com/x", {}, b"")).proved == "never_sent"


def test_the_environments_proxy_is_ignored(listen, monkeypatch):
    proxy, server = listen(ok), listen(ok)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, proxy.url)
    assert posted(server.url).status == 201
    assert proxy.connections == 0


def test_nothing_begins_after_the_lease(listen):
    server = listen(ok)
    client = Client(exempt=[server.url])
    makers = [lambda: Post(server.url + "/x", {}, b"body")] * 3
    answers = client.post_each(makers, until=time.monotonic() - 0.01)
    client.close()
    assert [a.proved for a in answers] == ["not_begun"] * 3
    assert server.bytes == 0


def test_who_falls_asleep_between_two_requests_sends_only_the_first(listen):
    def slow(server, connection):
        while server.read(connection):
            time.sleep(0.1)
            connection.send(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")

    server = listen(slow)
    client = Client(exempt=[server.url])
    awake = [lambda: Post(server.url + "/x", {}, b"body")] * 4
    client.post_each(awake)
    before = server.bytes // 4
    answers = client.post_each(
        [awake[0], lambda: Post(server.url + "/x", Asleep(), b"body"), *awake[2:]], until=time.monotonic() + 2
    )
    client.close()
    assert server.connections == 4
    assert [answer.proved for answer in answers] == ["answered"] + ["not_begun"] * 3
    assert server.bytes == before * 5


def one_each(server, connection):
    server.read(connection)
    connection.send(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")
    connection.close()


def close_said(server, connection):
    server.read(connection)
    connection.send(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    server.read(connection)


@pytest.mark.parametrize("behave", [one_each, close_said])
def test_a_kept_connection_that_the_server_had_closed_is_replaced(listen, behave):
    server = listen(behave)
    client = Client(exempt=[server.url])
    for _ in range(3):
        assert client.post(Post(server.url + "/x", {}, b"body")).status == 201
        time.sleep(0.05)
    client.close()
    assert server.connections == 3


def test_a_body_that_the_server_never_takes_is_unknown_by_the_deadline(listen):
    server = listen(lambda server, connection: time.sleep(2))
    client = Client(exempt=[server.url])
    answer = client.post(Post(server.url + "/x", {}, bytes(30_000_000)), deadline=0.5)
    client.close()
    assert answer.proved == "unknown"


@pytest.mark.parametrize("name", ["Topic", "Bad\r\nName", ""])
def test_a_header_that_would_break_out_of_its_line_is_not_sent_and_holds_nothing_up(listen, name):
    server = listen(ok)
    client = Client(exempt=[server.url])
    posts = [Post(server.url + "/x", headers, b"body") for headers in ({name: "a\r\nEvil: 1"}, {"Topic": "a"})]
    answers = client.post_each([lambda post=post: post for post in posts])
    client.close()
    assert [answer.proved for answer in answers] == ["unsafe", "answered"]


def page(server, connection):
    while server.read(connection):
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n" + bytes(3_000_000))


def test_a_page_is_read_up_to_the_limit_that_is_asked_for(listen):
    server = listen(page)
    client = Client(exempt=[server.url])
    sizes = [len(client.get(server.url + "/x", largest=size).body) for size in (10, 1 << 20)]
    client.close()
    assert sizes == [10, 1 << 20]


def test_only_push_services_are_contacted_unless_any_public_host_is_asked_for():
    client = Client(resolver=lambda host, port: ["10.0.0.1"])
    page = "https://shop.example/page"
    assert "not a push service" in client.get(page).detail
    assert "10.0.0.1 is not a public address" in client.get(page, public=True).detail
    for url in ("http://shop.example/page", "https://shop.example:8443/page", "https://10.0.0.1/page", "ftp://x/y"):
        assert client.get(url, public=True).proved == "unsafe", url
    client.close()


def test_a_batch_to_several_origins_takes_as_long_as_its_slowest_and_tells_them_apart(listen):
    with socket.create_server(("127.0.0.1", 0)) as free:
        nobody = f"http://127.0.0.1:{free.getsockname()[1]}"
    servers = [listen(behave) for behave in (ok, silence, reset_after)]
    urls = [server.url for server in servers] + [nobody]
    client = Client(exempt=urls)
    answers = client.post_each([lambda url=url: Post(url + "/x", {}, b"body") for url in urls * 3], deadline=1)
    client.close()
    assert [answer.proved for answer in answers] == ["answered", "unknown", "unknown", "never_sent"] * 3
