from tortoise import migrations
from tortoise.migrations import operations as ops
from models.migrations._real_runs import keep

class Migration(migrations.Migration):
    dependencies = [('models', '0006_digests_of_old_points')]

    initial = False

    operations = [
        ops.RunPython(
            keep,
        ),
    ]
