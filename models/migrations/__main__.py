"""Write the migration that takes the store from the migrations there are to the models as they are now."""

import asyncio

from models.database import Database


async def main() -> None:
    """Print the path of each file written; none where nothing has changed."""
    async with Database("sqlite://:memory:") as database:
        for path in await database.write_migrations():
            print(path)  # noqa: T201  # what this command is for


asyncio.run(main())
