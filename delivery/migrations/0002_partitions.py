"""Messages and pushes become partitioned by month of their wave's first day."""

from django.db import migrations

PARTITION_MESSAGES = """
CREATE TABLE message_by_month (LIKE delivery_message INCLUDING DEFAULTS INCLUDING IDENTITY) PARTITION BY RANGE (wave_on);
DROP TABLE delivery_message;
ALTER TABLE message_by_month RENAME TO delivery_message;
ALTER TABLE delivery_message ADD PRIMARY KEY (id, wave_on);
ALTER TABLE delivery_message ADD CONSTRAINT message_once UNIQUE (wave_id, profile_id, occurrence, wave_on);
CREATE INDEX message_due ON delivery_message (wave_id, due_at) WHERE state = 'queued';
CREATE INDEX message_leased ON delivery_message (lease_until) WHERE state IN ('claimed', 'pushing');
CREATE INDEX message_of_profile ON delivery_message (profile_id, planned_at);
CREATE INDEX message_pressure ON delivery_message (profile_id, intent_at) WHERE intent_at IS NOT NULL;
"""

PARTITION_PUSHES = """
CREATE TABLE push_by_month (LIKE delivery_push INCLUDING DEFAULTS) PARTITION BY RANGE (wave_on);
DROP TABLE delivery_push;
ALTER TABLE push_by_month RENAME TO delivery_push;
ALTER TABLE delivery_push ADD PRIMARY KEY (id, wave_on);
ALTER TABLE delivery_push ADD CONSTRAINT push_once UNIQUE (send_key, device_id, wave_on);
CREATE INDEX push_of_message ON delivery_push (message_id);
CREATE INDEX push_of_wave ON delivery_push (wave_id, state);
CREATE INDEX push_leased ON delivery_push (lease_until) WHERE state = 'sending';
CREATE INDEX push_clicked ON delivery_push (profile_id, clicked_at) WHERE clicked_at IS NOT NULL;
"""


class Migration(migrations.Migration):
    dependencies = [("delivery", "0001_initial")]

    operations = [
        migrations.RunSQL(PARTITION_MESSAGES, migrations.RunSQL.noop),
        migrations.RunSQL(PARTITION_PUSHES, migrations.RunSQL.noop),
    ]
