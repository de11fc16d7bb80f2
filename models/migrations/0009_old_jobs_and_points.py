from tortoise import migrations
from tortoise.migrations import operations as ops
from models.migrations._real_runs import fill

class Migration(migrations.Migration):
    dependencies = [('models', '0008_real_runs')]

    initial = False

    operations = [
        ops.RunPython(
            fill,
        ),
    ]
