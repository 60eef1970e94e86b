"""The log holds no key to anything."""

import pytest
from django.test import Client
from django.utils import timezone

from audiences import preference_links
from console.log_masks import Masked
from tests import make

pytestmark = pytest.mark.django_db


def test_no_token_of_a_link_and_no_write_key_is_logged(caplog):
    token = preference_links.token(make.profile().pk, now=timezone.now())
    make.source("server", key="hs_secret")
    caplog.handler.addFilter(Masked())
    Client().get(f"/p/{token}/opt-out")
    Client().get("/p/forged")
    Client().get("/v1/projects/hs_secret/settings")
    assert len(caplog.messages) == 3
    for secret in (token, "forged", "hs_secret"):
        assert secret not in caplog.text
    assert "/p/.../opt-out" in caplog.text
