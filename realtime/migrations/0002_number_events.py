from pathlib import Path

from django.db import migrations

SQL = Path(__file__).resolve().parent.parent / "log" / "sql"


class Migration(migrations.Migration):
    dependencies = [("realtime", "0001_event_log")]

    operations = [
        migrations.RunSQL(
            sql=(SQL / "number_events_v1.sql").read_text(encoding="utf-8"),
            reverse_sql="DROP FUNCTION realtime_number_events_v1(text, integer)",
        )
    ]
