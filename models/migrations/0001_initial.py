from tortoise import migrations
from tortoise.migrations import operations as ops
from models.lifecycle import JobStatus
from tortoise.fields.base import OnDelete
from tortoise import fields
from tortoise.indexes import Index

class Migration(migrations.Migration):
    operations = [
        ops.CreateModel(
            name='JobTable',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('name', fields.CharField(max_length=200)),
                ('model_name', fields.CharField(max_length=200)),
                ('searchable', fields.TextField(unique=False)),
                ('status', fields.CharEnumField(default=JobStatus.QUEUED, description='QUEUED: QUEUED\nRUNNING: RUNNING\nCOMPLETE: COMPLETE\nFAILED: FAILED', enum_type=JobStatus, max_length=16)),
                ('epochs', fields.IntField()),
                ('steps_per_epoch', fields.IntField()),
                ('learning_rate', fields.FloatField()),
                ('scenario', fields.CharField(max_length=32)),
                ('schedule', fields.CharField(max_length=32)),
                ('seed', fields.BigIntField()),
                ('batch_size', fields.IntField()),
                ('metric_count', fields.BigIntField(default=0)),
                ('furthest_step', fields.BigIntField(default=0)),
                ('created_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('updated_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('started_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ('finished_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ('status_changed_at', fields.DatetimeField(db_index=True, auto_now=False, auto_now_add=False)),
                ('failure_reason', fields.TextField(null=True, unique=False)),
            ],
            options={'table': 'job', 'app': 'models', 'indexes': [Index(fields=['created_at', 'id'], name='job_newest_first'), Index(fields=['status', 'created_at', 'id'], name='job_newest_first_by_status')], 'pk_attr': 'id', 'table_description': 'One training run: its settings, where it is in its life, and how far it has come.'},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='MetricTable',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('job', fields.ForeignKeyField('models.JobTable', source_field='job_id', db_constraint=True, to_field='id', related_name='metrics', on_delete=OnDelete.CASCADE)),
                ('seq', fields.BigIntField()),
                ('step', fields.BigIntField()),
                ('epoch', fields.IntField()),
                ('loss', fields.FloatField(null=True)),
                ('accuracy', fields.FloatField(null=True)),
                ('learning_rate', fields.FloatField(null=True)),
                ('values', fields.TextField(unique=False)),
                ('recorded_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'metric', 'app': 'models', 'unique_together': (('job', 'seq'),), 'indexes': [Index(fields=['job_id', 'step'], name='metric_by_step')], 'pk_attr': 'id', 'table_description': "One recorded point. Its `seq` numbers the job's points 1, 2, 3… in order of arrival, without a gap."},
            bases=['Model'],
        ),
    ]
