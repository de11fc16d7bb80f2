from tortoise import migrations
from tortoise.migrations import operations as ops
from models.token import Scope
from tortoise import fields

class Migration(migrations.Migration):
    dependencies = [('models', '0002_curve_chunks')]

    operations = [
        ops.CreateModel(
            name='TokenTable',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('name', fields.CharField(max_length=200)),
                ('scope', fields.CharEnumField(description='READ: READ\nWRITE: WRITE', enum_type=Scope, max_length=8)),
                ('digest', fields.CharField(unique=True, max_length=64)),
                ('created_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('revoked_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'token', 'app': 'models', 'pk_attr': 'id', 'table_description': 'A token without its secret, of which only the digest is kept. Written only by the verbs of `models.tokens`.'},
            bases=['Model'],
        ),
    ]
