"""GraphQL over HTTP as those see it who wrote it down: the audits of the npm package graphql-http."""

import pytest

from tests.tools.nodejs import running_script
from tests.tools.process import ServerProcess

pytestmark = pytest.mark.sqlite_alone("HTTP is the same whatever is stored where")

AUDITS = 61


async def test_every_audit_of_graphql_over_http_is_met(server: ServerProcess) -> None:
    async with running_script("audit.mjs", f"{server.url}/graphql") as script:
        *not_met, summary = await script.rest()
    assert not_met == []
    assert summary == {"audits": AUDITS}
