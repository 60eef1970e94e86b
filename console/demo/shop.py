"""The demo's shop: a small site that embeds Heed as any site would, with one script tag and one file."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.views.decorators.http import require_safe

from console.demo import facts_file
from console.demo.assortment import CATEGORIES, PRODUCTS, SHOP_NAME


@require_safe
def shop(request: HttpRequest, key: str = "") -> HttpResponse:
    """All products, or one of them. The deeds (add, buy) are told to Heed by the page's own script."""
    facts = facts_file.read()
    product = next((one for one in PRODUCTS if one.key == key), None)
    if not facts or (key and product is None):
        raise Http404
    return render(
        request,
        "shop/page.html",
        {
            "shop": SHOP_NAME,
            "products": PRODUCTS,
            "categories": CATEGORIES,
            "product": product,
            "said": product.properties if product else None,
            "browser_key": facts["browser_key"],
        },
    )


urlpatterns = [
    path("shop/", shop, name="shop"),
    path("shop/<str:key>", shop, name="shop_product"),
]
