from __future__ import annotations

from django.db import models


class CatalogItem(models.Model):
    """A product, article or anything else that messages speak of."""

    catalog = models.SlugField(default="products")
    key = models.TextField(help_text="The item's id in your own systems, such as a SKU.")
    name = models.TextField()
    fields = models.JSONField(default=dict, blank=True, help_text="Anything else: price, stock, link, image, …")
    updated_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["catalog", "key"], name="item_once")]

    def __str__(self) -> str:
        return self.name
