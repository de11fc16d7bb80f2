from tortoise import migrations
from tortoise.migrations import operations as ops
from models.migrations._digests import fill

class Migration(migrations.Migration):
    dependencies = [('models', '0005_point_digests')]

    operations = [
        ops.RunPython(
            fill,
        ),
    ]
