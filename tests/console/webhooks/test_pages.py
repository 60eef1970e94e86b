"""Webhooks in the console: made with a secret shown once, looked after, replayed."""

import re

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from console.models import WebhookDelivery, WebhookEndpoint
from console.troubles import troubles
from console.webhooks import endpoints
from tests import make

pytestmark = pytest.mark.django_db(transaction=True)
ADD = "/console/settings/webhooks/add/"


@pytest.fixture
def console():
    client = Client()
    client.force_login(User.objects.create_superuser("olive"))
    return client


def page(endpoint):
    return reverse("console:console_webhookendpoint_change", args=[endpoint.pk])


def deed(console, endpoint, name):
    return console.post(reverse("console:webhook_deed", args=[endpoint.pk, name]), follow=True)


def test_a_webhook_is_made_its_secret_shown_once_and_signs(console, receiver, tell):
    said = {"name": "CRM", "url": f"{receiver.origin}/crm", "kinds": ["device.registered", "message.sent"]}
    answer = console.post(ADD, said)
    secret = re.search(r"whsec_[\w-]+", answer.content.decode())[0]
    endpoint = WebhookEndpoint.objects.get()
    assert (endpoint.made_by, endpoint.kinds) == ("olive", ["device.registered", "message.sent"])
    assert secret not in console.get(page(endpoint)).content.decode()
    make.device(make.profile("ada"))
    tell()
    assert receiver.received[0].is_genuine(secret)
    assert "It works" in console.get(page(endpoint)).content.decode()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"url": "http://example.com/x"}, "https on port 443"),
        ({"url": "https://192.168.1.1/x"}, "not a public address"),
        ({"url": "ftp://example.com/x"}, "not a plain address"),
        ({"kinds": []}, "Tick at least one"),
        ({"name": ""}, "required"),
    ],
)
def test_what_cannot_be_is_refused_beside_the_field(console, receiver, change, words):
    said = {"name": "CRM", "url": f"{receiver.origin}/crm", "kinds": ["message.sent"], **change}
    answer = console.post(ADD, said)
    assert answer.status_code == 200 and words in answer.content.decode()
    assert not WebhookEndpoint.objects.exists()


def test_it_is_changed_and_what_waits_goes_to_the_new_address(console, receiver, listening, tell, real_now):
    endpoint, _ = listening("message.sent")
    endpoints.send_test(endpoint, now=real_now)
    said = {"name": "ERP", "url": f"{receiver.origin}/new", "kinds": ["message.failed"]}
    assert console.post(page(endpoint), said).status_code == 302
    endpoint.refresh_from_db()
    assert (endpoint.name, endpoint.kinds) == ("ERP", ["message.failed"])
    tell()
    assert receiver.received[0].path == "/new"


def test_a_test_event_shows_what_the_receiver_answers(console, receiver, listening, tell):
    endpoint, _ = listening("message.sent")
    receiver.default = (400, "what is this? <b>", {})
    answer = deed(console, endpoint, "test")
    assert "waits for its first attempt" in answer.content.decode()
    tell()
    shown = console.get(answer.redirect_chain[-1][0]).content.decode()
    assert "what is this? &lt;b&gt;" in shown and "webhook.test" in shown and ">400<" in shown
    assert "It has taken nothing since" in console.get(page(endpoint)).content.decode()


def test_one_that_was_switched_off_says_so_on_home_and_replays_when_it_is_on_again(
    console, receiver, listening, tell, real_now
):
    endpoint, _ = listening("message.sent")
    receiver.script = [410]
    deed(console, endpoint, "test")
    tell()
    (trouble,) = [one for one in troubles(now=real_now) if "CRM" in one.says]
    assert trouble.weight == "bad" and trouble.address == page(endpoint)
    assert "410 Gone" in console.get("/console/").content.decode()
    assert "answered 410" in console.get(page(endpoint)).content.decode()
    deed(console, endpoint, "on")
    assert "Send the batch that failed again" in console.get(page(endpoint)).content.decode()
    deed(console, endpoint, "replay")
    tell()
    batch = WebhookDelivery.objects.get()
    assert (batch.state, batch.attempts) == ("delivered", 2)
    console.post(reverse("console:webhook_delivery", args=[endpoint.pk, batch.pk]))
    tell()
    assert len({event["id"] for event in receiver.events()}) == 1 and len(receiver.received) == 3
    assert not [one for one in troubles(now=real_now) if "CRM" in one.says]


def test_switched_off_by_hand_is_no_trouble(console, listening, real_now):
    endpoint, _ = listening("message.sent")
    deed(console, endpoint, "off")
    assert not [one for one in troubles(now=real_now) if "CRM" in one.says]
    assert "Off since" in console.get(page(endpoint)).content.decode()


def test_another_secret_is_shown_once_and_only_on_a_post(console, listening):
    endpoint, old = listening("message.sent")
    where = reverse("console:webhook_deed", args=[endpoint.pk, "secret"])
    assert console.get(where).status_code == 405
    new = re.search(r"whsec_[\w-]+", console.post(where).content.decode())[0]
    assert new != old
    assert "signs as well" in console.get(page(endpoint)).content.decode()


def test_batches_are_listed_by_state_page_by_page(console, listening, real_now):
    import datetime as dt

    endpoint, _ = listening("message.sent")
    for number in range(60):
        endpoints.send_test(endpoint, now=real_now + dt.timedelta(seconds=number))
    where = reverse("console:webhook_deliveries", args=[endpoint.pk])
    first = console.get(where)
    assert len(first.context["rows"]) == 50
    assert len(console.get(where + first.context["next_page"]).context["rows"]) == 10
    assert "No batch" in console.get(f"{where}?state=failed").content.decode()
    assert console.get(f"{where}?before=nonsense&state=lost").status_code == 200


def test_one_is_deleted_with_its_batches_counted_not_listed(console, listening, real_now):
    endpoint, _ = listening("message.sent")
    for _ in range(3):
        endpoints.send_test(endpoint, now=real_now)
    where = reverse("console:console_webhookendpoint_delete", args=[endpoint.pk])
    assert console.get(where).status_code == 200
    console.post(where, {"post": "yes"})
    assert not WebhookEndpoint.objects.exists() and not WebhookDelivery.objects.exists()


def test_who_may_only_look_at_people_sees_no_webhooks(listening):
    from django.contrib.auth.models import Group

    endpoint, _ = listening("message.sent")
    client = Client()
    marketer = User.objects.create_user("mara", password="a long password", is_staff=True)
    marketer.groups.add(Group.objects.get(name="Marketer"))
    client.force_login(marketer)
    assert client.get(page(endpoint)).status_code == 403
    assert client.get(reverse("console:webhook_deliveries", args=[endpoint.pk])).status_code == 403
    assert client.post(reverse("console:webhook_deed", args=[endpoint.pk, "off"])).status_code == 403
