"""Write the migration that takes the store from the migrations there are to the models as they are now."""

import asyncio
from tempfile import TemporaryDirectory

from models.store.database import Database


async def main() -> None:
    """Print the path of each file written; none where nothing has changed."""
    with TemporaryDirectory() as folder:
        async with Database(f"sqlite://{folder}/empty.sqlite3") as database:
            for migration in await database.missing_migrations():
                print(migration.write())  # noqa: T201  # what this command is for


asyncio.run(main())
