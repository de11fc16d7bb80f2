"""The password of a PostgreSQL need not be in the command line, which every user of a machine can read."""

from pathlib import Path
from urllib.parse import urlsplit

import pytest

from graph.settings import Settings
from tests.tools.outside import Outside
from tests.tools.postgres import Postgres
from tests.tools.process import here

PASSWORD = "open sesame"


def test_it_may_come_from_the_environment_or_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    passwords = tmp_path / "passwords"
    passwords.write_text(f"*:*:*:keeper:{PASSWORD}\n")
    passwords.chmod(0o600)
    with Postgres() as server:
        with Outside(server.new()) as outside:
            outside.execute(f"CREATE ROLE keeper LOGIN SUPERUSER PASSWORD '{PASSWORD}'")
            ((rules,),) = outside.execute("SHOW hba_file")
            Path(rules).write_text(f"host all keeper all scram-sha-256\n{Path(rules).read_text()}")
            outside.execute("SELECT pg_reload_conf()")
        parts = urlsplit(server.new())
        url = parts._replace(netloc=f"keeper@{parts.hostname}:{parts.port}").geturl()

        def migrated(**environment: str) -> bool:
            with monkeypatch.context() as patch:
                for name, value in environment.items():
                    patch.setenv(name, value)
                return here("migrate", "--database-url", url).returncode == 0

        while migrated():  # until the server has read its rules
            pass
        assert not migrated(PGPASSWORD="wrong")
        assert migrated(PGPASSWORD=PASSWORD)
        assert migrated(PGPASSFILE=str(passwords))


def test_the_help_says_so() -> None:
    described = Settings.model_fields["database_url"].description or ""
    assert "PGPASSWORD" in described
    assert "PGPASSFILE" in described
