"""What only apps know of a push: typed, refused beside the field, and sent as it was published."""

import datetime as dt
import re

import pytest

from campaigns.app_sizes import LARGEST, sizes
from campaigns.content import check, compile_template
from campaigns.content_source import CampaignContent
from campaigns.publish import publish
from delivery.content import Rendering
from tests import make
from tests.delivery.letters import gateway_of, letter

NOW = dt.datetime(2026, 11, 24, 12, tzinfo=dt.UTC)
WHOLE = {
    "android": {"channel": "offers", "sound": "default", "badge": 2, "color": "#0b6470", "priority": "high"},
    "ios": {
        "subtitle": "For {{ profile.first_name | default: 'you' }}",
        "sound": "chime.wav",
        "badge": 3,
        "category": "cart",
        "thread": "offers",
        "interruption_level": "time-sensitive",
        "relevance_score": 0.8,
        "mutable_content": True,
        "priority": "low",
    },
}


def said(options, **fields):
    return [
        (problem.field, problem.message)
        for problem in check({"title": "Hello", "options": options, **fields})
        if problem.severity == "error"
    ]


@pytest.mark.django_db
def test_everything_that_may_be_set_is_taken():
    assert said(WHOLE) == []


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("platform", "name", "value", "words"),
    [
        ("android", "color", "red", "# and six digits"),
        ("android", "channel", "x" * 101, "at most 100"),
        ("android", "sound", "../secret", "sound file"),
        ("android", "priority", "urgent", "high, normal, low"),
        ("android", "thread", "x", "no such option"),
        ("android", "badge", 0, "whole number from 1"),
        ("ios", "badge", "three", "whole number"),
        ("ios", "badge", -1, "whole number"),
        ("ios", "badge", True, "whole number"),
        ("ios", "relevance_score", 1.5, "from 0 to 1"),
        ("ios", "relevance_score", "high", "from 0 to 1"),
        ("ios", "interruption_level", "loud", "time-sensitive"),
        ("ios", "mutable_content", "yes", "true or false"),
        ("ios", "category", "a\nb", "at most 100"),
        ("ios", "subtitle", "For {{ profile.first_name }}", "Add a fallback"),
        ("ios", "subtitle", "{{ first_name | default: 'you' }}", "did you mean"),
    ],
)
def test_what_does_not_fit_is_refused_beside_its_field(platform, name, value, words):
    ((field, message),) = said({platform: {name: value}})
    assert field == f"{platform}.{name}"
    assert words in message


@pytest.mark.django_db
def test_an_unknown_platform_is_refused():
    assert said({"windows": {}}) == [("windows", "Give an object under android or ios.")]


def test_a_subtitle_is_filled_in_for_each_and_left_out_where_nothing_is_left_of_it():
    compiled = compile_template({"title": "Hello", "options": WHOLE})
    assert compiled.render({"profile": {"first_name": "Ada"}}).options["ios"]["subtitle"] == "For Ada"
    assert compiled.render({"profile": {}}).options["ios"]["subtitle"] == "For you"
    assert compiled.render({"profile": {}}).options["android"] == WHOLE["android"]
    empty = compile_template({"title": "Hello", "options": {"ios": {"subtitle": "{% if profile.x %}x{% endif %}"}}})
    assert empty.render({"profile": {"x": None}}).options == {"ios": {}}
    assert WHOLE["ios"]["subtitle"].startswith("For {{"), "what was written stays as it was"


def test_a_subtitle_without_its_value_holds_the_message_back():
    compiled = compile_template({"title": "Hello", "options": {"ios": {"subtitle": "For {{ profile.first_name }}"}}})
    result = compiled.render({"profile": {}})
    assert (result.reason, result.field) == ("missing_value", "ios.subtitle")


@pytest.mark.django_db
def test_a_version_keeps_its_options_and_they_reach_delivery():
    template = make.template(options=WHOLE)
    version = publish(template, by=None, now=NOW)
    template.options = {}
    template.save()
    assert version.options == WHOLE
    person = make.profile(attributes={"first_name": "Ada"})
    (rendered,) = CampaignContent().render(make.wave(content_ref=version.pk), [Rendering(1, person.pk)], now=NOW)
    assert rendered.options["ios"] == {**WHOLE["ios"], "subtitle": "For Ada"}
    assert publish(template, by=None, now=NOW).number == 2, "other options are another version"


@pytest.mark.django_db
def test_both_gateways_take_all_of_it(fcm_service, apns_service, certificate, real_now):
    options = compile_template({"title": "Hello", "options": WHOLE}).render({"profile": {}}).options
    for service, credential, address in (
        (fcm_service, make.fcm_credential(), fcm_service.token(1)),
        (apns_service, make.apns_credential(), apns_service.token(1)),
    ):
        with gateway_of(credential, certificate) as gateway:
            gateway.prepare(now=real_now)
            (outcome,) = gateway.send([letter(address, options=options)], now=real_now)
        assert outcome.action == "sent", outcome
        (request,) = service.requests
        assert "error" not in request


@pytest.mark.django_db
def test_a_key_that_push_services_would_not_take_is_hashed_into_one_that_they_take():
    keys = {}
    for written in ("cart", "", "cart of Zoë", "cart of Ada", "a" * 32):
        version, person = make.version(collapse=written), make.profile()
        (rendered,) = CampaignContent().render(make.wave(content_ref=version.pk), [Rendering(1, person.pk)], now=NOW)
        assert rendered.fields.get("tag", "") == written
        keys[written] = rendered.collapse
    assert (keys["cart"], keys[""], keys["a" * 32]) == ("cart", "", "a" * 32)
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{32}", keys[name]) for name in ("cart of Zoë", "cart of Ada"))
    assert keys["cart of Zoë"] != keys["cart of Ada"]


@pytest.mark.django_db
def test_what_is_too_large_for_an_app_is_told_before_it_is_published():
    fields = {"title": "Hello", "body": "word " * 500}
    found = [problem for problem in check(fields) if "Android push" in problem.message]
    assert [(problem.field, problem.severity) for problem in found] == [("body", "warning")]
    counted = sizes(compile_template(fields).render({}), now=NOW)
    assert min(counted.values()) > LARGEST
    assert not [problem for problem in check({"title": "Hello", "body": "Short."}) if "push of it" in problem.message]
