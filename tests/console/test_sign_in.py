"""Signing in: who guesses waits, and nobody can lock somebody else out."""

from __future__ import annotations

import pytest
import redis
from django.contrib.auth.models import User
from django.test import Client, override_settings

pytestmark = pytest.mark.django_db

WHERE = "/console/login/"


@pytest.fixture(autouse=True)
def olive(redis_server: redis.Redis) -> User:
    return User.objects.create_superuser("olive", password="a long password")


def sign_in(client: Client, password: str = "a long password", name: str = "olive", address: str = "10.0.0.1") -> bool:
    answer = client.post(WHERE, {"username": name, "password": password, "next": "/console/"}, REMOTE_ADDR=address)
    return answer.status_code == 302


def test_the_right_password_opens_the_console(client: Client) -> None:
    assert sign_in(client)
    assert client.get("/console/").status_code == 200


def test_a_wrong_password_is_told_without_saying_which_half_is_wrong(client: Client) -> None:
    answers = [
        client.post(WHERE, {"username": name, "password": "wrong"}).content.decode() for name in ("olive", "nobody")
    ]
    assert all("do not belong together" in html for html in answers)


def test_after_five_wrong_passwords_the_right_one_waits_too(client: Client) -> None:
    for _ in range(5):
        assert not sign_in(client, "wrong")
    answer = client.post(WHERE, {"username": "olive", "password": "a long password"}, REMOTE_ADDR="10.0.0.1")
    assert "Too many wrong passwords" in answer.content.decode()


def test_nobody_locks_a_colleague_out_from_elsewhere(client: Client) -> None:
    for _ in range(6):
        sign_in(client, "wrong", address="203.0.113.9")
    assert sign_in(client)


def test_an_address_that_tries_many_names_waits(client: Client) -> None:
    for number in range(50):
        sign_in(client, "wrong", name=f"name {number}", address="203.0.113.9")
    assert not sign_in(client, address="203.0.113.9")
    assert sign_in(client)


@override_settings(HEED_PROXIES=1)
def test_a_forged_forwarding_header_does_not_escape_the_count(client: Client) -> None:
    for number in range(5):
        client.post(
            WHERE,
            {"username": "olive", "password": "wrong"},
            headers={"X-Forwarded-For": f"198.51.100.{number}, 203.0.113.9"},
        )
    answer = client.post(
        WHERE, {"username": "olive", "password": "a long password"}, headers={"X-Forwarded-For": "1.1.1.1, 203.0.113.9"}
    )
    assert answer.status_code == 200
    answer = client.post(
        WHERE, {"username": "olive", "password": "a long password"}, headers={"X-Forwarded-For": "203.0.113.10"}
    )
    assert answer.status_code == 302


def test_without_redis_people_still_sign_in(client: Client) -> None:
    with override_settings(REDIS_URL="redis://127.0.0.1:1/0"):
        assert sign_in(client)
        assert not sign_in(Client(), "wrong")


def test_signing_out_takes_a_post(client: Client) -> None:
    sign_in(client)
    assert client.get("/console/logout/").status_code == 405
    client.post("/console/logout/")
    assert client.get("/console/").status_code == 302


def test_the_sign_in_page_says_heed_and_nothing_of_django(client: Client) -> None:
    html = client.get(WHERE).content.decode()
    assert "Sign in to Heed" in html
    assert "Django" not in html
