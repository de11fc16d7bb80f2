from tortoise import migrations
from tortoise.migrations import operations as ops
from tortoise import fields
from tortoise.indexes import Index

class Migration(migrations.Migration):
    dependencies = [('models', '0004_sessions')]

    operations = [
        ops.RemoveIndex(
            model_name='MetricTable',
            name='metric_by_step',
            fields=None,
        ),
        ops.AddField(
            model_name='MetricTable',
            name='digest',
            field=fields.BigIntField(default=0, db_default=0),
        ),
        ops.AddIndex(
            model_name='MetricTable',
            index=Index(fields=['job_id', 'step', 'digest'], name='metric_by_digest'),
        ),
    ]
