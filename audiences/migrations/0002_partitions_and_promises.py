"""Events become partitioned by month; the consent ledger becomes append-only; standings leave room for updates."""

from django.db import migrations

PARTITION_EVENTS = """
CREATE TABLE event_by_month (LIKE audiences_event INCLUDING DEFAULTS INCLUDING IDENTITY) PARTITION BY RANGE (occurred_at);
DROP TABLE audiences_event;
ALTER TABLE event_by_month RENAME TO audiences_event;
ALTER TABLE audiences_event ADD PRIMARY KEY (id, occurred_at);
CREATE INDEX event_of_profile ON audiences_event (profile_id, occurred_at);
CREATE INDEX event_by_name ON audiences_event (name, occurred_at) INCLUDE (profile_id);
"""

APPEND_ONLY = """
CREATE FUNCTION consent_ledger_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'The consent ledger is append-only.' USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON audiences_consententry
    FOR EACH ROW EXECUTE FUNCTION consent_ledger_is_append_only();
"""

ROOM_FOR_UPDATES = "ALTER TABLE audiences_standing SET (fillfactor = 60)"

# Every seen call is deduplicated by (source, message id); the surrogate id that Django wants costs an index for nothing.
SEEN_CALLS = """
ALTER TABLE audiences_seencall DROP CONSTRAINT audiences_seencall_pkey;
"""


class Migration(migrations.Migration):
    dependencies = [("audiences", "0001_initial")]

    operations = [
        migrations.RunSQL(PARTITION_EVENTS, migrations.RunSQL.noop),
        migrations.RunSQL(
            APPEND_ONLY,
            "DROP TRIGGER append_only ON audiences_consententry; DROP FUNCTION consent_ledger_is_append_only();",
        ),
        migrations.RunSQL(ROOM_FOR_UPDATES, migrations.RunSQL.noop),
        migrations.RunSQL(SEEN_CALLS, migrations.RunSQL.noop),
    ]
