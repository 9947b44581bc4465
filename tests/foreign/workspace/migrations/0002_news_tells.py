"""News tell of themselves: a trigger publishes. And the first is published at once."""

from django.db import migrations

import realtime


def publish_welcome(apps, schema_editor):
    realtime.publish(to=realtime.PUBLIC, type="news", data={"text": "Welcome"})


class Migration(migrations.Migration):
    dependencies = [
        ("workspace", "0001_initial"),
        ("realtime", "0001_event_log"),  # so that there is something to publish to
    ]

    operations = [
        migrations.RunSQL(
            """
            CREATE FUNCTION workspace_news_tell() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                PERFORM realtime_publish(
                    topic => 'public', type => 'news', data => json_build_object('text', NEW.text)::text
                );
                RETURN NULL;
            END $$;
            CREATE TRIGGER workspace_news_tell AFTER INSERT ON workspace_news
                FOR EACH ROW EXECUTE FUNCTION workspace_news_tell();
            """,
            """
            DROP TRIGGER workspace_news_tell ON workspace_news;
            DROP FUNCTION workspace_news_tell();
            """,
        ),
        migrations.RunPython(publish_welcome, migrations.RunPython.noop),
    ]
