"""Settings: the messages for wrong values, the warning for misspelt variables, the groups of the help."""

import pytest

from graph.settings import Settings, SettingsError, grouped, misspelt_variables, read_settings
from tests.tools.process import here


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("port", "abc", "--port: must be a whole number, got 'abc'."),
        ("port", "1.5", "--port: must be a whole number, got '1.5'."),
        ("port", "99999", "--port: must be 65535 or less, got '99999'."),
        ("workers", "-1", "--workers: must be 1 or more, got '-1'."),
        ("database_seconds", "0", "--database-seconds: must be more than 0, got '0'."),
        ("database_seconds", "soon", "--database-seconds: must be a number, got 'soon'."),
        ("database_seconds", "nan", "--database-seconds: must be 3600 or less, got 'nan'."),
        ("log_level", "loud", "--log-level: must be 'debug', 'info', 'warning' or 'error', got 'loud'."),
        ("introspection", "maybe", "--introspection: must be true or false, got 'maybe'."),
        ("host", "", "--host: must not be empty, got ''."),
        ("host", "127.0.0.1:80", "--host: must be a host alone: give the port with --port, got '127.0.0.1:80'."),
        ("host", "[::1]:80", "--host: must be a host alone: give the port with --port, got '[::1]:80'."),
    ],
)
def test_a_wrong_value_is_reported_by_the_rule_that_it_breaks(setting: str, value: str, message: str) -> None:
    with pytest.raises(SettingsError) as raised:
        read_settings(**{setting: value})
    assert str(raised.value) == message


def test_a_host_is_an_address_or_a_name() -> None:
    for host in ("::1", "0.0.0.0", "localhost", "runs.example.org"):
        assert read_settings(host=host).host == host


def test_no_message_is_in_the_words_of_the_validation_library() -> None:
    """Each kind of rule that a field of Settings has is met by one wrong value or another."""
    for name in Settings.model_fields:
        for value in ("", "x", "-1", "1e400", "0.5", "nan", "99999999999999999999"):
            message = message_of(name, value)
            assert message is None or (": must " in message and "input" not in message), message


def message_of(setting: str, value: str) -> str | None:
    """Why the value is refused; None where it is taken."""
    try:
        read_settings(**{setting: value})
    except SettingsError as error:
        return str(error)
    return None


def test_a_misspelt_variable_is_found_with_the_setting_it_resembles_and_one_of_the_client_is_none() -> None:
    names = ["PROT", "XYZZY", "HOST", "", "URL", "TOKEN", "DIR", "MODE"]
    assert misspelt_variables(["PATH", *(f"TRAINING_MONITOR_{name}" for name in names)]) == {
        "TRAINING_MONITOR_": None,
        "TRAINING_MONITOR_PROT": "TRAINING_MONITOR_PORT",
        "TRAINING_MONITOR_XYZZY": None,
    }


def test_a_command_warns_of_a_misspelt_variable_and_goes_on() -> None:
    ended = here("schema", TRAINING_MONITOR_PROT="1")
    assert ended.returncode == 0
    assert ended.stderr == (
        "training-monitor: warning: the environment variable TRAINING_MONITOR_PROT is no setting; "
        "did you mean TRAINING_MONITOR_PORT?\n"
    )


def test_every_setting_is_in_one_group_of_the_help() -> None:
    assert [name for names in grouped().values() for name in names] == [*Settings.model_fields]
    shown = here("serve", "--help").stdout
    places = [shown.index(f"\n{heading}:\n") for heading in grouped()]
    assert places == sorted(places)
