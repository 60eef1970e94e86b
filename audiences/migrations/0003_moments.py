"""Reading dates out of attributes without ever raising: what is no date is no date, not an error."""

from django.db import migrations

MOMENT = r"""
CREATE FUNCTION audiences_moment(said text) RETURNS timestamptz LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
SELECT CASE WHEN said ~ '^[12][0-9]{3}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])([T ]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]{1,6})?)?(Z|[+-](0[0-9]|1[0-4]):[0-5][0-9])?)?$'
THEN CASE WHEN substr(said, 9, 2)::int <= extract(day FROM make_date(substr(said, 1, 4)::int, substr(said, 6, 2)::int, 1) + interval '1 month - 1 day')
THEN (said || CASE WHEN said ~ '(Z|[+-][0-9]{2}:[0-9]{2})$' AND length(said) > 10 THEN '' ELSE ' UTC' END)::timestamptz END END
$$
"""


class Migration(migrations.Migration):
    dependencies = [("audiences", "0002_partitions_and_promises")]

    operations = [migrations.RunSQL(MOMENT, "DROP FUNCTION audiences_moment(text)")]
