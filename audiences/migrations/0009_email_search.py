"""Profiles are found by the beginning of their e-mail address, however many there are."""

from django.db import migrations

# As Django writes `attributes__email__istartswith`.
INDEX = """
CREATE INDEX profile_email ON audiences_profile (upper(attributes ->> 'email') text_pattern_ops)
WHERE attributes ? 'email'
"""


class Migration(migrations.Migration):
    dependencies = [("audiences", "0008_moments_of_change")]

    operations = [migrations.RunSQL(INDEX, "DROP INDEX profile_email")]
