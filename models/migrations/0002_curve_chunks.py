from tortoise import migrations
from tortoise.migrations import operations as ops
from tortoise.fields.base import OnDelete
from tortoise import fields

class Migration(migrations.Migration):
    dependencies = [('models', '0001_initial')]

    operations = [
        ops.CreateModel(
            name='ChunkTable',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('job', fields.ForeignKeyField('models.JobTable', source_field='job_id', db_constraint=True, to_field='id', related_name='chunks', on_delete=OnDelete.CASCADE)),
                ('name', fields.CharField(max_length=200)),
                ('number', fields.BigIntField()),
                ('size', fields.IntField()),
                ('finite', fields.IntField()),
                ('first_step', fields.BigIntField()),
                ('last_step', fields.BigIntField()),
                ('coarse', fields.BinaryField()),
                ('fine', fields.BinaryField()),
                ('points', fields.BinaryField()),
            ],
            options={'table': 'curve_chunk', 'app': 'models', 'unique_together': (('job', 'name', 'number'),), 'pk_attr': 'id', 'table_description': 'A chunk as it is stored. What lies before the bytes can be read without them.'},
            bases=['Model'],
        ),
    ]
