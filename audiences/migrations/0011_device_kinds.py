"""Which kinds of device there are is known without reading every device."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("audiences", "0010_name_search"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="device",
            index=models.Index(fields=["gateway", "app", "environment"], name="device_kind"),
        ),
    ]
