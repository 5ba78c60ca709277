import inspect
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from mien import cli
from mien.cli.commands import COMMANDS

LINES = {name: line for lines in COMMANDS.values() for name, line in lines.items()}
runner = CliRunner()


@pytest.mark.parametrize("name", LINES)
def test_a_command_s_line_in_the_help_is_its_own(name):
    module = import_module(f"mien.cli.{name}")
    group = getattr(module, "app", None)
    text = group.info.help if group else inspect.getdoc(getattr(module, name))
    assert text.splitlines()[0] == LINES[name]


def test_every_command_s_file_is_in_the_help():
    files = {path.stem for path in Path(cli.__file__).parent.glob("*.py")}
    modules = {name: import_module(f"mien.cli.{name}") for name in files - {"__init__"}}
    commands = {
        name for name, module in modules.items() if hasattr(module, name) or hasattr(module, "app")
    }
    # What data's commands are made of stands in files of its own.
    assert commands == set(LINES)


def test_the_help_lists_all_commands_and_imports_none():
    code = (
        "import sys; sys.argv = ['mien', '--help']\n"
        "from mien.cli import app\n"
        "try: app()\n"
        "except SystemExit: pass\n"
        "print([n for n in sys.modules if n.startswith('mien.cli.')], 'numpy' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert all(name in done.stdout for name in LINES)
    assert done.stdout.splitlines()[-1] == "['mien.cli.commands'] False"


def test_a_misspelt_command_suggests_the_nearest():
    done = runner.invoke(cli.app, ["predcit", "photo.jpg"])
    assert done.exit_code == 2
    assert "No such command 'predcit'. Did you mean 'predict'" in done.output


def test_all_commands_can_be_walked():
    group = typer.main.get_command(cli.app)
    assert list(group.commands) == list(LINES)
    assert group.commands["predict"].name == "predict"
    assert "audit" in group.commands["data"].commands
    with pytest.raises(KeyError):
        group.commands["nothing"]


def test_no_group_offers_to_complete_words_that_mien_does_not_complete():
    group = typer.main.get_command(cli.app)
    options = {name: {one.name for one in group.commands[name].params} for name in LINES}
    assert not [name for name in LINES if options[name] & {"install_completion", "show_completion"}]
