"""Every page of the console: it opens, is closed to strangers, and asks the database a bounded number of times."""

from __future__ import annotations

import datetime as dt
import re
from uuid import UUID

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from audiences.consent import NewChoice, record
from audiences.models import EventName, Permission, Profile
from campaigns.models import Campaign
from console.api.keys import create_key
from console.models import ApiKey
from console.webhooks import endpoints
from delivery.models import Cap, Hold, Message, Push, SendingRules, Wave
from tests import make

pytestmark = pytest.mark.django_db

EVERYONE = {"everyone": True}
ANYTHING = {"name": "stop", "delivery_id": UUID(int=0)}
"""Values for parts of addresses that are no number."""


@pytest.fixture
def owner() -> User:
    return User.objects.create_superuser("olive", "olive@shop.example.net", "a long password")


@pytest.fixture
def console(owner: User) -> Client:
    client = Client()
    client.force_login(owner)
    return client


@pytest.fixture
def populated(owner: User) -> dict[str, int]:
    """One of everything that a page can show."""
    now = dt.datetime.now(dt.UTC)
    ada = make.profile("ada", attributes={"first_name": "Ada", "last_name": "Byron", "email": "ada@shop.example.net"})
    make.device(ada)
    make.device(ada, permission=Permission.DENIED)
    make.event(ada, "Product Added", at=now, product="Blue mug")
    EventName.objects.create(name="Product Added", first_seen_at=now, last_seen_at=now)
    topic = make.topic("price-drops")
    record([NewChoice(profile_id=ada.pk, topic_id=topic.pk, decision="out", source="preference page")], now=now)
    segment = make.segment(EVERYONE, "Everyone")
    draft = make.campaign(name="A draft", topic=topic)
    draft.included.add(segment)
    running = make.campaign(name="On its way", topic=topic, state=Campaign.State.RUNNING, scheduled_at=now)
    wave = make.wave(origin=running.origin, wave_on=now.date(), due_at=now, created_at=now)
    message = make.message(
        wave,
        ada,
        state=Message.State.SUPPRESSED,
        reason="frequency_cap",
        decided_at=now,
        planned_at=now,
        verdicts=[
            {"gate": "device", "allowed": True, "reason": "", "values": {"devices": 1}, "frees_at": None},
            {
                "gate": "frequency_cap",
                "allowed": False,
                "reason": "frequency_cap",
                "values": {"seen": 7, "cap": 5, "hours": 168},
                "frees_at": "2026-11-24T18:40:00+00:00",
            },
        ],
    )
    webhook, _ = endpoints.create(
        "CRM", "https://203.0.114.1/heed", ["message.sent", "choice.opted_out"], made_by="olive", now=now
    )
    endpoints.send_test(webhook, now=now)
    credential = make.credential()
    Hold.objects.create(credential=credential, origin="https://push.example.net", reason="refused", since=now)
    source = make.source("browser")
    SendingRules.objects.create(pk=1)
    cap = Cap.objects.create(limit=5, hours=168)
    Push.objects.create(
        wave_on=wave.wave_on,
        wave=wave,
        message=message,
        profile=ada,
        device=ada.devices.first(),
        send_key="k",
        intent_at=now,
        content={"title": "Hello"},
    )
    return {
        "profile": ada.pk,
        "draft": draft.pk,
        "running": running.pk,
        "segment": segment.pk,
        "topic": topic.pk,
        "template": draft.template_id,
        "credential": credential.pk,
        "source": source.pk,
        "cap": cap.pk,
        "api_key": create_key("Billing", ["read"])[0].pk,
        "webhook": webhook.pk,
        "user": owner.pk,
    }


PAGES = {
    "home": ("index", None, 17),
    "home: going out": ("home_going_out", None, 8),
    "home: what worked": ("home_what_worked", None, 8),
    "campaigns": ("campaigns_campaign_changelist", None, 8),
    "new campaign": ("campaigns_campaign_add", None, 12),
    "running campaign": ("campaigns_campaign_change", "running", 12),
    "running campaign: progress": ("campaign_progress", "running", 10),
    "running campaign: people": ("campaign_people", "running", 8),
    "reports": ("reports", None, 10),
    "report": ("campaign_report", "running", 14),
    "templates": ("campaigns_messagetemplate_changelist", None, 8),
    "segments": ("audiences_segment_changelist", None, 8),
    "profiles": ("audiences_profile_changelist", None, 7),
    "profile": ("audiences_profile_change", "profile", 17),
    "topics": ("audiences_topic_changelist", None, 8),
    "new topic": ("audiences_topic_add", None, 6),
    "topic": ("audiences_topic_change", "topic", 7),
    "sources": ("audiences_source_changelist", None, 8),
    "new source": ("audiences_source_add", None, 6),
    "source": ("audiences_source_change", "source", 7),
    "API keys": ("console_apikey_changelist", None, 8),
    "new API key": ("console_apikey_add", None, 6),
    "API key": ("console_apikey_change", "api_key", 7),
    "webhooks": ("console_webhookendpoint_changelist", None, 8),
    "new webhook": ("console_webhookendpoint_add", None, 6),
    "webhook": ("console_webhookendpoint_change", "webhook", 9),
    "webhook: what it was sent": ("webhook_deliveries", "webhook", 7),
    "sending rules": ("delivery_sendingrules_change", 1, 10),
    "caps": ("delivery_cap_changelist", None, 8),
    "new cap": ("delivery_cap_add", None, 8),
    "cap": ("delivery_cap_change", "cap", 10),
    "credentials": ("delivery_credential_changelist", None, 8),
    "new credential": ("credential_choose", None, 6),
    "new credential: web push": ("credential_new", "webpush", 6),
    "new credential: Android": ("credential_new", "fcm", 6),
    "credential: test": ("credential_test", "credential", 8),
    "credential: figures": ("credential_figures", "credential", 12),
    "credential": ("delivery_credential_change", "credential", 12),
    "credential: resume": ("credential_resume", "credential", 8),
    "credential: devices": ("credential_devices", "credential", 8),
    "team": ("auth_user_changelist", None, 9),
    "new member": ("auth_user_add", None, 8),
    "member": ("auth_user_change", "user", 10),
    "own password": ("password_change", None, 6),
}


def address(page: str, made: dict[str, int]) -> str:
    name, what, _ = PAGES[page]
    return reverse(f"console:{name}", args=[] if what is None else [made.get(what, what)])


@pytest.mark.parametrize("page", PAGES)
def test_every_page_opens_with_few_queries(console: Client, populated: dict[str, int], page: str) -> None:
    console.get(address("topics", populated))  # what has stopped is asked for once in a while
    with CaptureQueriesContext(connection) as asked:
        answer = console.get(address(page, populated))
    assert answer.status_code == 200
    assert len(asked) <= PAGES[page][2], "\n".join(query["sql"][:160] for query in asked.captured_queries)


@pytest.mark.parametrize("page", PAGES)
def test_pages_have_no_inline_script_no_foreign_host_and_no_name_of_djangos(
    console: Client, populated: dict[str, int], page: str
) -> None:
    answer = console.get(address(page, populated))
    html = answer.content.decode()
    policy = answer["Content-Security-Policy"]
    assert "script-src 'self' 'unsafe-eval'" in policy
    assert "frame-ancestors 'none'" in policy
    for tag in re.findall(r"<script\b[^>]*>", html):
        assert "src=" in tag or 'type="application/json"' in tag, tag
    assert not re.search(r"<[^>]+\son[a-z]+=", html), "an inline handler"
    fetched = re.findall(r"<(?:script|link|img|iframe)\b[^>]*?(?:src|href)=[\"'](?:https?:)?//([^/\"']+)", html)
    assert not fetched, fetched
    shown = re.sub(r"<script\b.*?</script>|<[^>]+>", " ", html, flags=re.S)
    for word in ("Django", "administration", "Audiences", "Delivery ", "Auth", "Site admin"):
        assert word not in shown, word


def test_strangers_are_sent_to_the_sign_in_page(client: Client, populated: dict[str, int]) -> None:
    for page in PAGES:
        answer = client.get(address(page, populated))
        assert answer.status_code == 302, page
        assert answer["Location"].startswith("/console/login/"), page


def test_a_person_without_access_to_the_console_gets_no_page(client: Client, populated: dict[str, int]) -> None:
    client.force_login(User.objects.create_user("guest", password="a long password"))
    for page in PAGES:
        assert client.get(address(page, populated)).status_code == 302, page


def test_every_address_of_ours_under_console_asks_for_a_sign_in(client: Client, populated: dict[str, int]) -> None:
    from console.admin.pages import urlpatterns

    for pattern in urlpatterns:
        names = list(pattern.pattern.converters)
        values = {name: ANYTHING.get(name, populated["running"]) for name in names}
        where = reverse(f"console:{pattern.name}", kwargs=values)
        assert client.get(where)["Location"].startswith("/console/login/"), where
        assert client.post(where).status_code in (302, 403), where


def test_the_list_of_profiles_costs_the_same_with_more_of_them(console: Client) -> None:
    where = reverse("console:audiences_profile_changelist")
    counts = []
    console.get(where)
    for _ in range(2):
        for _ in range(5):
            make.profile(attributes={"first_name": "Bo"})
        with CaptureQueriesContext(connection) as asked:
            console.get(where)
        counts.append(len(asked))
    assert counts[0] == counts[1]


@pytest.mark.parametrize(("asked", "found"), [("ada", 1), ("Ada Byr", 1), ("byron", 1), ("ADA@shop", 1), ("da", 0)])
def test_profiles_are_found_by_the_beginning_of_id_name_or_mail(
    console: Client, populated: dict[str, int], asked: str, found: int
) -> None:
    html = console.get(reverse("console:audiences_profile_changelist"), {"q": asked}).content.decode()
    assert ("ada@shop.example.net" in html) is bool(found)


def test_many_of_one_name_are_all_found_the_one_seen_last_first(
    console: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audiences.look_up.MOST_FOUND", 2)
    for n in range(4):
        seen = make.NOW - dt.timedelta(days=n)
        make.profile(f"bo-{n}", attributes={"first_name": "Bo", "last_name": "Mu"}, last_seen_at=seen)
    for asked in ("bo", "Bo M", "mu"):
        html = console.get(reverse("console:audiences_profile_changelist"), {"q": asked}).content.decode()
        assert re.findall(r"bo-\d", html) == [f"bo-{n}" for n in range(4)], asked


def test_each_way_to_search_for_a_profile_is_answered_by_an_index() -> None:
    from audiences.look_up import ways

    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        for words in ("ada", "ada@shop.example.net", "Ada Byron"):
            for way in ways(words):
                plan = Profile.objects.filter(way).values_list("pk", flat=True)[:10].explain()
                assert re.search(r"Index (Only )?Scan (using|on) \w*(external_id|profile_\w*(name|email))", plan), plan


def test_a_profile_shows_each_decision_with_its_gates_and_their_values(
    console: Client, populated: dict[str, int]
) -> None:
    html = console.get(address("profile", populated)).content.decode()
    assert "On its way" in html
    assert "7 pushes in 7 days; the cap is 5; frees Tuesday 24 Nov 18:40" in html
    assert "Has a live device" in html
    assert "opted out" in html
    assert "denied" in html


def test_an_absorbed_profile_leads_to_the_one_that_absorbed_it(console: Client) -> None:
    survivor = make.profile("survivor")
    absorbed = make.profile("absorbed", merged_into=survivor)
    answer = console.get(reverse("console:audiences_profile_change", args=[absorbed.pk]))
    assert answer["Location"] == reverse("console:audiences_profile_change", args=[survivor.pk])


def test_an_empty_console_says_the_next_step_on_every_list(console: Client) -> None:
    for page, says in {
        "campaigns": "No campaign yet",
        "templates": "No template yet",
        "segments": "No segment yet",
        "profiles": "Nobody has been seen yet",
        "topics": "No topic yet",
        "sources": "Nothing sends data yet",
        "API keys": "No API key yet",
        "webhooks": "No webhook yet",
        "caps": "No cap yet",
        "credentials": "No push credential yet",
    }.items():
        assert says in console.get(address(page, {})).content.decode(), page
    home = console.get(reverse("console:index")).content.decode()
    assert "Your first push" in home
    assert "There is no push credential" in home


def test_home_says_what_is_wrong(console: Client, populated: dict[str, int]) -> None:
    html = console.get(reverse("console:index")).content.decode()
    assert "push.example.net refuses" in html
    assert "No clock process has run yet" in html
    assert "On its way" in html


def test_simulated_data_is_marked_on_every_page(console: Client, populated: dict[str, int]) -> None:
    assert "Simulated data" not in console.get(address("topics", populated)).content.decode()
    Wave.objects.update(simulated=True)
    for page in ("home", "topics", "profile", "campaigns", "running campaign"):
        assert "Simulated data" in console.get(address(page, populated)).content.decode(), page


def test_sending_rules_refuse_an_unknown_time_zone(console: Client) -> None:
    where = reverse("console:delivery_sendingrules_change", args=[1])
    console.get(where)
    said = {
        "site_name": "Shop",
        "quiet_from": "22:00",
        "quiet_until": "08:00",
        "cool_down_minutes_number": "2",
        "cool_down_minutes_unit": "hour",
        "global_holdout_percent": "0",
    }
    answer = console.post(where, said | {"default_zone": "Berlin"})
    assert "Europe/Berlin" in str(answer.context["adminform"].form.errors["default_zone"])
    console.post(where, said | {"default_zone": "Europe/Berlin"})
    rules = SendingRules.current()
    assert (rules.default_zone, rules.cool_down_minutes) == ("Europe/Berlin", 120)


def test_the_day_is_never_quiet_from_end_to_end(console: Client) -> None:
    where = reverse("console:delivery_sendingrules_change", args=[1])
    said = {
        "site_name": "Shop",
        "default_zone": "UTC",
        "quiet_from": "22:00",
        "cool_down_minutes_number": "0",
        "cool_down_minutes_unit": "hour",
        "global_holdout_percent": "0",
    }
    answer = console.post(where, said | {"quiet_until": "22:00"})
    assert "leave both empty" in str(answer.context["adminform"].form.errors["quiet_until"])
    console.post(where, said | {"quiet_until": "07:30"})
    assert 'value="07:30"' in console.get(where).content.decode()


def test_a_cap_is_asked_and_told_in_days(console: Client) -> None:
    where = reverse("console:delivery_cap_add")
    page = console.get(where).content.decode()
    assert "all topics" in page and "all kinds" in page
    said = {"limit": "5", "hours_number": "1", "hours_unit": "week", "topic": "", "message_class": ""}
    console.post(where, said)
    assert Cap.objects.get().hours == 168
    assert "5 in 7 days" in console.get(reverse("console:delivery_cap_changelist")).content.decode()
    answer = console.post(where, said | {"hours_number": "0"})
    assert "At least 1 hour" in str(answer.context["adminform"].form.errors["hours"])


def test_an_api_key_is_shown_once_and_works_until_it_is_revoked(console: Client) -> None:
    said = {"name": "Billing", "scopes": ["read"], "lives_days": "90"}
    answer = console.post(reverse("console:console_apikey_add"), said)
    text = re.search(r'id="key">(hk_[^<]+)<', answer.content.decode())
    assert text
    key = ApiKey.objects.get()
    assert key.scopes == ["read"]
    assert key.expires_at
    assert (key.expires_at - key.created_at).days in (89, 90)
    asked = {"headers": {"Authorization": f"Bearer {text[1]}"}}
    assert Client().get("/api/profiles", **asked).status_code == 200
    for page in (
        reverse("console:console_apikey_changelist"),
        reverse("console:console_apikey_change", args=[key.pk]),
    ):
        html = console.get(page).content.decode()
        assert key.hint in html
        assert text[1] not in html
    console.post(reverse("console:console_apikey_change", args=[key.pk]), {"name": "Billing", "revoked": "on"})
    assert Client().get("/api/profiles", **asked).status_code == 401
    assert "revoked" in console.get(reverse("console:console_apikey_changelist")).content.decode()


def test_an_api_key_that_may_nothing_is_refused(console: Client) -> None:
    answer = console.post(reverse("console:console_apikey_add"), {"name": "Billing", "lives_days": "0"})
    assert "Tick at least one" in str(answer.context["adminform"].form.errors["scopes"])
    assert not ApiKey.objects.exists()


@pytest.mark.parametrize(
    ("role", "may", "may_not"),
    [
        ("Marketer", ["new campaign", "new topic"], ["new source", "new credential", "team"]),
        ("Analyst", ["campaigns", "profile"], ["new campaign", "new topic", "new source", "team"]),
        ("Developer", ["new source", "new credential"], ["new campaign", "team"]),
        ("Owner", ["new campaign", "new source", "team", "sending rules"], []),
    ],
)
def test_each_role_opens_its_own_pages_and_no_others(
    client: Client, populated: dict[str, int], role: str, may: list[str], may_not: list[str]
) -> None:
    member = User.objects.create_user("mo", password="a long password", is_staff=True)
    member.groups.add(Group.objects.get(name=role))
    client.force_login(member)
    for page in may:
        assert client.get(address(page, populated)).status_code == 200, page
    for page in may_not:
        assert client.get(address(page, populated)).status_code == 403, page


def test_an_owner_cannot_change_somebody_who_may_do_everything(client: Client, populated: dict[str, int]) -> None:
    member = User.objects.create_user("mo", password="a long password", is_staff=True)
    member.groups.add(Group.objects.get(name="Owner"))
    client.force_login(member)
    answer = client.post(address("member", populated), {"username": "taken"})
    assert answer.status_code == 403
    password = reverse("console:auth_user_password_change", args=[populated["user"]])
    assert (
        client.post(password, {"password1": "another pass word", "password2": "another pass word"}).status_code == 403
    )


def test_an_unknown_address_gets_our_own_page(console: Client) -> None:
    answer = console.get("/console/nothing/like/it/")
    assert answer.status_code == 404
    assert "There is nothing here" in answer.content.decode()


def test_an_error_shows_a_number_and_no_stack(console: Client, populated: dict[str, int]) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE audiences_topic RENAME COLUMN description TO lost")
    console.raise_request_exception = False
    answer = console.get(address("profile", populated))
    html = answer.content.decode()
    assert answer.status_code == 500
    assert "give this number" in html
    assert "Traceback" not in html
    assert "SELECT" not in html
    assert "lost" not in html


def test_no_page_changes_anything_without_the_forms_token(owner: User, populated: dict[str, int]) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(owner)
    from console.admin.pages import urlpatterns

    own = [
        reverse(
            f"console:{pattern.name}",
            kwargs={name: ANYTHING.get(name, populated["draft"]) for name in pattern.pattern.converters},
        )
        for pattern in urlpatterns
    ]
    for where in [*own, *(address(page, populated) for page in PAGES)]:
        assert strict.post(where, {"launch": "1"}).status_code == 403, where


@pytest.mark.parametrize(
    "where",
    [
        "profiles/x/change/",
        "profiles/99999999999999999999999/change/",
        "profiles/%00/change/",
        "profiles/?q=%00",
        "profiles/?p=x",
        "profiles/?p=999999",
        "profiles/?nonsense=1",
        "campaigns/x/change/",
        "campaigns/99999999999999999999999/change/",
        "campaigns/?state__exact=nonsense",
        "campaigns/RUNNING/people/?after=x",
        "campaigns/RUNNING/people/?after=99999999999999999999999",
        "campaigns/RUNNING/people/?state=%00&reason=%00",
        "campaigns/RUNNING/do/nonsense/",
        "campaigns/99999999999999999999999/people/",
        "settings/topics/x/change/",
        "settings/rules/2/change/",
        "settings/credentials/99/resume/",
    ],
)
def test_an_odd_address_is_answered_not_tripped_over(console: Client, populated: dict[str, int], where: str) -> None:
    answer = console.get("/console/" + where.replace("RUNNING", str(populated["running"])))
    assert answer.status_code in ((400,) if "%00" in where else (200, 302, 404))


def test_a_held_push_service_is_freed_by_hand_and_with_a_post_only(console: Client, populated: dict[str, int]) -> None:
    where = reverse("console:credential_resume", args=[populated["credential"]])
    assert "push.example.net" in console.get(where).content.decode()
    assert Hold.objects.exists()
    console.post(where)
    assert not Hold.objects.exists()


def test_a_topic_is_archived_with_a_tick_and_keeps_its_key(console: Client, populated: dict[str, int]) -> None:
    from audiences.models import Topic

    where = address("topic", populated)
    console.post(where, {"name": "Offers", "key": "changed", "position": 1, "archived": "on"})
    topic = Topic.objects.get(pk=populated["topic"])
    assert topic.archived_at is not None
    assert topic.key == "price-drops"
    since = topic.archived_at
    console.post(where, {"name": "Offers", "position": 2, "archived": "on"})
    topic.refresh_from_db()
    assert topic.archived_at == since
    console.post(where, {"name": "Offers", "position": 2})
    topic.refresh_from_db()
    assert topic.archived_at is None


def test_a_new_member_may_sign_in_and_nothing_more_than_the_role_says(console: Client) -> None:
    role = Group.objects.get(name="Analyst")
    console.post(
        reverse("console:auth_user_add"),
        {"username": "ann", "password1": "a long password 1", "password2": "a long password 1", "groups": [role.pk]},
    )
    member = User.objects.get(username="ann")
    assert member.is_staff
    assert not member.is_superuser
    assert member.check_password("a long password 1")
    assert list(member.groups.all()) == [role]


def test_a_servers_key_is_shown_once_and_works(console: Client) -> None:
    from audiences.models import Source
    from audiences.sources import source_of_key

    where = reverse("console:audiences_source_add")
    answer = console.post(where, {"name": "Order system", "kind": "server"})
    assert answer.status_code == 200
    key = answer.context["key"]
    made = Source.objects.get()
    assert key in answer.content.decode()
    assert "no-cache" in answer["Cache-Control"]
    assert source_of_key(key) == made
    for page in ("audiences_source_changelist", "audiences_source_change"):
        args = [made.pk] if page.endswith("change") else []
        assert key not in console.get(reverse(f"console:{page}", args=args)).content.decode()


def test_a_websites_key_is_found_again_in_the_list(console: Client) -> None:
    answer = console.post(reverse("console:audiences_source_add"), {"name": "Shop", "kind": "browser"})
    key = answer.context["key"]
    assert key in console.get(reverse("console:audiences_source_changelist")).content.decode()


def test_the_secret_for_proof_is_shown_on_a_post_only_and_makes_the_proof(console: Client) -> None:
    import hashlib
    import hmac

    from audiences.sources import create_source, identity_hash

    source, _ = create_source("Shop", "browser")
    where = reverse("console:source_proof", args=[source.pk])
    assert not console.get(where).context["secret"]
    secret = console.post(where).context["secret"]
    assert hmac.new(secret.encode(), b"42", hashlib.sha256).hexdigest() == identity_hash(source, "42")
    server, _ = create_source("Orders", "server")
    assert console.get(reverse("console:source_proof", args=[server.pk])).status_code == 404


def test_a_profile_page_names_the_segments_it_is_in(console: Client, populated: dict[str, int]) -> None:
    make.segment({"attribute": "first_name", "kind": "string", "op": "=", "value": "Ada"}, "Called Ada")
    make.segment({"attribute": "first_name", "kind": "string", "op": "=", "value": "Bo"}, "Called Bo")
    make.segment({"event": "Product Added", "count": {"op": ">=", "value": 1}, "window": {"last": "30d"}}, "Added")
    make.segment({"nonsense": True}, "Broken")
    where = reverse("console:profile_segments", args=[populated["profile"]])
    with CaptureQueriesContext(connection) as asked:
        html = console.get(where).content.decode()
    assert len(asked) <= 8
    assert [name for name in ("Called Ada", "Called Bo", "Added", "Broken", "Everyone") if name in html] == [
        "Called Ada",
        "Added",
        "Everyone",
    ]


def test_home_names_a_segment_whose_rule_is_broken(console: Client) -> None:
    broken = make.segment({"all": []}, "Nobody knows")
    html = console.get(reverse("console:index")).content.decode()
    assert "The segment “Nobody knows” cannot be used" in html
    assert reverse("console:audiences_segment_change", args=[broken.pk]) in html


def test_an_erased_profile_still_has_a_page(console: Client) -> None:
    erased = make.profile(erased_at=dt.datetime.now(dt.UTC))
    make.segment(EVERYONE)
    assert "erased" in console.get(reverse("console:audiences_profile_change", args=[erased.pk])).content.decode()
    assert "In none" in console.get(reverse("console:profile_segments", args=[erased.pk])).content.decode()


def test_a_segment_with_a_rule_that_means_nothing_is_refused_beside_the_field(console: Client) -> None:
    from audiences.models import Segment

    where = reverse("console:audiences_segment_add")
    answer = console.post(where, {"name": "Odd", "rule": '{"all": []}'}, follow=True)
    if "adminform" in answer.context:
        assert answer.context["adminform"].form.errors["rule"]
    assert not Segment.objects.exists()


def test_the_palette_finds_pages_and_things_by_name(console: Client, populated: dict[str, int]) -> None:
    where = reverse("console:search")

    def found(words: str) -> list[tuple[str, str]]:
        return [(one.title, one.description) for one in console.get(where, {"s": words}).context["results"]]

    assert found("topic") == [("Topics", "Page")]
    assert found("on its") == [("On its way", "Campaign")]
    assert found("everyone") == [("Everyone", "Segment")]
    assert found("ada") == [("Ada Byron", "Profile")]
    assert found("audiences") == []
    assert console.get(where).content == b""


def test_who_came_for_nothing_else_lands_at_home(client: Client) -> None:
    User.objects.create_superuser("olive", password="a long password")
    answer = client.post("/console/login/", {"username": "olive", "password": "a long password"})
    assert answer["Location"] == "/console/"
