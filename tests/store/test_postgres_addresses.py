"""The address of a PostgreSQL: every command reports what is wrong with it, `migrate` being the shortest."""

import pytest

from tests.tools.process import here


@pytest.mark.parametrize(
    ("url", "reported"),
    [
        ("postgres://me:se/cret@127.0.0.1:1/here", "postgres://me@127.0.0.1:1/here"),
        ("postgres://me:secret@127.0.0.1/here?nothing=1", "there is no parameter nothing"),
        ("postgres://me:secret@127.0.0.1:port/here", "postgres://me@127.0.0.1:port/here"),
        ("postgres://me:se?cret@127.0.0.1:1/here", "%3F"),
        ("postgres://me:1?se=cret@127.0.0.1:1/here", "%3F"),
        ("postgres://me:se#cret@127.0.0.1:1/here", "%23"),
        ("postgres://127.0.0.1:1/here?user=me&password=se@cret", "%40"),
        ("postgres://me@127.0.0.1:1/here?password=secret", "postgres://me@127.0.0.1:1/here:"),
        ("me:secret@127.0.0.1:1/here", "got me@127.0.0.1:1/here."),
        ("postgres://me@127.0.0.1:1/here?ssl=false", "there is no parameter ssl"),
        ("postgres://me@127.0.0.1:1/here?sslmode=maybe", "`sslmode` parameter must be one of"),
        ("postgres://me@127.0.0.1:1/here?sslrootcert=here.pem", "sslmode=verify-full"),
        ("postgres://me@127.0.0.1:1/here?sslmode=verify-ca&sslrootcert=/nowhere.pem", "No such file"),
        ("postgres://me@127.0.0.1:1/here?sslmode=verify-ca&sslrootcert=README.md", "sslrootcert cannot be read"),
        ("postgres://me@127.0.0.1:1/here?minsize=abc", "minsize must be a number"),
        ("postgres://me@127.0.0.1:1/here?timeout=soon", "timeout must be a number"),
    ],
)
def test_what_cannot_be_used_is_reported_in_one_line_without_a_password(url: str, reported: str) -> None:
    ended = here("migrate", "--database-url", url)
    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (2, "", 1)
    assert reported in ended.stderr
    assert "cret" not in ended.stderr
