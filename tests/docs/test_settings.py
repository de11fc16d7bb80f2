"""docs/settings.md lists the settings as they are."""

from pathlib import Path

from graph.settings import Settings, flag_name, grouped, variable_name

PAGE = (Path(__file__).parents[2] / "docs" / "settings.md").read_text()
HEADER = "| flag | environment | default | what it does |\n|---|---|---|---|\n"


def test_the_tables_of_settings_are_the_settings() -> None:
    for heading, names in grouped().items():
        assert f"## {heading}\n\n{HEADER}" + "".join(map(row, names)) + "\n" in PAGE, heading


def row(name: str) -> str:
    """The line of a setting."""
    field = Settings.model_fields[name]
    default = "none" if field.default == "" else f"`{str(field.default).lower()}`"
    return f"| `{flag_name(name)}` | `{variable_name(name)}` | {default} | {field.description} |\n"


if __name__ == "__main__":  # what to paste after a change
    print("\n".join(f"## {heading}\n\n{HEADER}{''.join(map(row, names))}" for heading, names in grouped().items()))  # noqa: T201  # a command of ours
