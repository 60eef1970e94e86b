"""Profiles are found by the beginning of a name, however many there are; an index that nobody asks makes room."""

import django.db.models.deletion
from django.db import migrations, models

# As Django writes `attributes__first_name__istartswith`.
INDEX = """
CREATE INDEX profile_{0} ON audiences_profile (upper(attributes ->> '{0}') text_pattern_ops) WHERE attributes ? '{0}'
"""


class Migration(migrations.Migration):
    dependencies = [("audiences", "0009_email_search")]

    operations = [
        migrations.AlterField(
            model_name="profile",
            name="merged_into",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="absorbed",
                to="audiences.profile",
            ),
        ),
        *(
            migrations.RunSQL(INDEX.format(name), f"DROP INDEX profile_{name}")
            for name in ("name", "first_name", "last_name")
        ),
    ]
