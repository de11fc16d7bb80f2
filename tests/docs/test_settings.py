"""docs/settings.md lists the settings as they are."""

from pathlib import Path

from graph.settings import Settings, environment_name, flag_name

PAGE = (Path(__file__).parents[2] / "docs" / "settings.md").read_text()


def test_the_table_of_settings_is_the_settings() -> None:
    rows = []
    for name, field in Settings.model_fields.items():
        default = "none" if field.default == "" else f"`{str(field.default).lower()}`"
        rows.append(f"| `{flag_name(name)}` | `{environment_name(name)}` | {default} | {field.description} |")
    header = "| flag | environment | default | what it does |\n|---|---|---|---|\n"
    assert header + "\n".join(rows) + "\n\n" in PAGE
