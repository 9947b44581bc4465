from pathlib import Path

from django.db import migrations, models

SQL = Path(__file__).resolve().parent.parent / "log" / "sql"


class Migration(migrations.Migration):
    """v1 of both stays: while a new version is rolled out, processes of the one before call it."""

    dependencies = [("realtime", "0002_number_events")]

    operations = [
        migrations.CreateModel(
            name="Watch",
            fields=[
                ("stream", models.CharField(max_length=100, primary_key=True, serialize=False)),
                (
                    "until",
                    models.DateTimeField(
                        help_text="Who commits an event before then need not hint at it: there will be a look."
                    ),
                ),
            ],
            options={"verbose_name_plural": "watches"},
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
