"""The walls of the house: what points where."""

from django.apps import apps

ORDER = ["console", "campaigns", "delivery", "audiences"]


def test_no_foreign_key_points_up():
    """Delete the upper packages, and the lower ones still have a whole database."""
    upward = [
        f"{model.__name__}.{field.name} → {field.related_model.__name__}"
        for model in apps.get_models()
        if model._meta.app_label in ORDER
        for field in model._meta.get_fields()
        if (field.many_to_one or field.many_to_many)
        and field.concrete
        and field.related_model is not None
        and field.related_model._meta.app_label in ORDER
        and ORDER.index(field.related_model._meta.app_label) < ORDER.index(model._meta.app_label)
    ]
    assert upward == []
