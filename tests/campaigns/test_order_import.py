"""A real shop's history, read whole or refused with the line."""

import datetime as dt
import io
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from audiences.models import Event, Profile
from campaigns.models import CatalogItem

pytestmark = pytest.mark.django_db
EXCERPT = Path(__file__).parents[1] / "data" / "online_retail_excerpt.csv"
HEADER = "InvoiceNo,StockCode,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"


def run(path, *arguments):
    said = io.StringIO()
    call_command("import_orders", str(path), *arguments, stdout=said)
    return said.getvalue()


def test_orders_become_events_at_their_own_times():
    said = run(EXCERPT)
    assert "25 lines had no customer" in said
    order = Event.objects.get(message_id="order-536365")
    assert order.occurred_at == dt.datetime(2010, 12, 1, 8, 26, tzinfo=dt.UTC)
    assert (order.name, order.properties["total"], len(order.properties["products"])) == ("Order Completed", 139.12, 7)
    assert order.profile.external_id == "17850"
    assert order.profile.attributes["country"] == "United Kingdom"
    assert Event.objects.filter(name="Order Refunded", message_id__startswith="order-C").exists()
    assert CatalogItem.objects.get(key="85123A").fields == {"price": 2.55}


def test_importing_again_adds_nothing(settings):
    run(EXCERPT)
    before = (Event.objects.count(), Profile.objects.count(), CatalogItem.objects.count())
    from audiences.models import SeenCall

    SeenCall.objects.all().delete()  # a week later
    assert "0 orders and 0 refunds" in run(EXCERPT)
    assert (Event.objects.count(), Profile.objects.count(), CatalogItem.objects.count()) == before


def test_products_give_the_catalog_its_names(tmp_path):
    products = tmp_path / "products.csv"
    products.write_text("StockCode,Description\n85123A,WHITE HANGING HEART\n")
    run(EXCERPT, "--products", str(products))
    assert CatalogItem.objects.get(key="85123A").name == "WHITE HANGING HEART"
    assert Event.objects.get(message_id="order-536365").properties["product_name"] == "WHITE HANGING HEART"


def test_summer_time_is_the_shops(tmp_path):
    path = tmp_path / "orders.csv"
    path.write_text(HEADER + "9,A,1,2011-07-01 09:00:00,2.5,7,UK\n")
    run(path)
    assert Event.objects.get().occurred_at == dt.datetime(2011, 7, 1, 8, 0, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,b\n", "line 1: the column InvoiceNo is missing"),
        ("", "line 1: the column InvoiceNo is missing"),
        (HEADER + "1,A,2,yesterday,2.5,7,UK\n", "line 2: 'yesterday' is no date"),
        (HEADER + "1,A,2,2010-12-01 08:26:00,2.5,7,UK\n1,A,two,2010-12-01 08:26:00,2.5,7,UK\n", "line 3: a quantity"),
        (HEADER + "1,A,2,2010-12-01 08:26:00,cheap,7,UK\n", "line 2: 'cheap' is no price"),
        (HEADER + "1,A,2,2010-12-01 08:26:00,nan,7,UK\n", "line 2: 'nan' is no price"),
        (HEADER + "1,A,2,2010-12-01 08:26:00,1e999,7,UK\n", "line 2: '1e999' is no price"),
        (HEADER + "1,A,2\n", "line 2: 3 columns instead of 7"),
    ],
)
def test_a_bad_file_is_refused_with_its_line_and_nothing_is_stored(tmp_path, text, words):
    path = tmp_path / "orders.csv"
    path.write_text(text)
    with pytest.raises(CommandError, match=words):
        run(path)
    assert not Profile.objects.exists()


def test_a_file_that_is_not_there_says_so(tmp_path):
    with pytest.raises(CommandError, match="No such file"):
        run(tmp_path / "none.csv")
