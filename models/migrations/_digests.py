"""The data step of migration 0006."""

import logging
from typing import Any

from models.metric import decode_values, digest_of

PIECE = 1_000
"""Points that are read and written at a time."""

log = logging.getLogger(__name__)


async def fill(_: object, editor: Any) -> None:
    """Give the points of versions that had no digests theirs. Called by `RunPython`, inside the transaction."""
    execute = editor.client.execute_query
    _, ((count,),) = await execute('SELECT count(*) FROM "metric" WHERE "digest" = 0')
    if count:
        log.info("giving %s stored points a digest, once: this takes some 30 seconds a million", count)
    after = 0
    for _ in range(0, count, PIECE):
        _, rows = await execute(
            f"""SELECT "id", "epoch", "values" FROM "metric"
            WHERE "digest" = 0 AND "id" > {after} ORDER BY "id" LIMIT {PIECE}"""  # noqa: S608  # numbers of ours
        )
        digests = ", ".join(f"({id}, {digest_of(epoch, decode_values(text))})" for id, epoch, text in rows)
        await execute(
            f"""UPDATE "metric" SET "digest" = "column2" FROM (VALUES {digests}) AS "made" WHERE "id" = "column1" """  # noqa: S608  # as above
        )
        after = rows[-1]["id"]
