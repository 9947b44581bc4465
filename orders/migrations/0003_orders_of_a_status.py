from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("orders", "0002_read_and_changed"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="order",
            index=models.Index(fields=["status", "-placed_at", "-id"], name="orders_of_a_status"),
        ),
    ]
