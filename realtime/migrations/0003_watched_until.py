from pathlib import Path

from django.db import migrations, models

SQL = Path(__file__).resolve().parent.parent / "sql"


class Migration(migrations.Migration):
    """v1 stays: while a new version is rolled out, processes of the one before call it."""

    dependencies = [("realtime", "0002_number_events")]

    operations = [
        migrations.AddField(
            model_name="stream",
            name="watched_until",
            field=models.DateTimeField(
                editable=False,
                help_text="Until then a process looks for new events by itself, without hints.",
                null=True,
            ),
        ),
        migrations.RunSQL(
            sql=(SQL / "number_events_v2.sql").read_text(encoding="utf-8"),
            reverse_sql=(
                "DROP FUNCTION realtime_number_events_v2(text, integer, integer, interval)"
            ),
        ),
        migrations.RunSQL(
            sql=(SQL / "write_events_v1.sql").read_text(encoding="utf-8"),
            reverse_sql="DROP FUNCTION realtime_write_events_v1(text, text, text[], text[])",
        ),
    ]
