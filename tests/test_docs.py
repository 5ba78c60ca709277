"""The documents are true: their code runs, their commands parse, their trees and links exist."""

import ast
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import typer
import typer.main

from mien import cli
from mien.evaluation.leaderboard import insert_table, results_table
from mien.images import write
from mien.paths import weights_dir

ROOT = Path(__file__).parents[1]
READMES = ("README.md", "README.ko.md")
DOCUMENTS = sorted(
    str(path.relative_to(ROOT))
    for folder in (ROOT, ROOT / "docs", ROOT / "benchmarks")
    for path in folder.glob("*.md")
)
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
SHIPPED = weights_dir() / "mien-s.onnx"


def read(document):
    return (ROOT / document).read_text(encoding="utf-8")


def blocks(document, language):
    return [text for found, text in BLOCK.findall(read(document)) if found == language]


def commands(document, program):
    """Lines of a document's plain blocks that call a program, without variables set before it."""
    lines = (line for text in blocks(document, "") for line in text.splitlines())
    words = (shlex.split(line, comments=True) for line in lines if not re.search(r"[─│├└→|]", line))
    stripped = ([w for i, w in enumerate(line) if "=" not in w or i > 1] for line in words)
    return [line for line in stripped if line[:1] == [program] and len(line) > 1]


CODE = [(name, index) for name in READMES[:1] for index in range(len(blocks(name, "python")))]


@pytest.mark.slow
@pytest.mark.parametrize(("document", "index"), CODE)
def test_python_in_the_readme_runs(document, index, tmp_path):
    code = blocks(document, "python")[index]
    if "mien-s" in code and not SHIPPED.exists():
        pytest.skip("mien-s does not ship yet")
    write(tmp_path / "photo.jpg", np.full((120, 160, 3), 200, np.uint8))
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=tmp_path,
        env={**os.environ, "MIEN_CACHE": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("document", DOCUMENTS)
def test_python_in_documents_is_python(document):
    for code in blocks(document, "python"):
        ast.parse(code)


def find_command(words):
    """Walk from ``mien`` to the command that the words name; return it with what is left."""
    command, left = typer.main.get_command(cli.app), list(words)
    while hasattr(command, "commands"):
        assert left, f"mien {shlex.join(words)} names no command"
        name = left.pop(0)
        assert name in command.commands, f"mien has no command {name}"
        command = command.commands[name]
    return command, left


MIEN_COMMANDS = [
    (document, shlex.join(words)) for document in DOCUMENTS for words in commands(document, "mien")
]


@pytest.mark.parametrize(("document", "line"), MIEN_COMMANDS)
def test_commands_in_documents_parse(document, line):
    command, arguments = find_command(shlex.split(line)[1:])
    command.make_context(document, arguments)  # raises what a user would read


def test_a_command_that_does_not_parse_is_noticed():
    command, arguments = find_command(["train", "recipe.toml", "--no-such-option"])
    with pytest.raises(typer.BadParameter.__base__, match="No such option: --no-such-option"):
        command.make_context("x", arguments)


def test_documents_show_commands_at_all():
    assert len(MIEN_COMMANDS) >= 2 * 7


def test_recipes_in_documents_exist():
    for document in DOCUMENTS:
        for words in commands(document, "mien"):
            for word in words:
                if word.startswith("recipes/"):
                    assert (ROOT / word).is_file(), f"{document}: {word}"


@pytest.mark.parametrize("document", DOCUMENTS)
def test_make_targets_in_documents_exist(document):
    targets = set(re.findall(r"^([a-z]+):", read("Makefile"), re.M))
    for words in commands(document, "make"):
        assert set(words[1:]) <= targets, f"{document}: {shlex.join(words)}"
    for target in re.findall(r"`make (\w+)", read(document)):
        assert target in targets, f"{document}: make {target}"


def test_make_help_names_every_target_for_people():
    text = read("Makefile")
    listed = set(re.findall(r"^#   make (\w+) ", text, re.M))
    phony = set(re.search(r"^\.PHONY: (.+)$", text, re.M)[1].split())
    assert listed == phony - {"help", "static", "quick", "slow"}


def tree_paths(document):
    """Paths of the trees in a document: (path, is a folder)."""
    for text in blocks(document, ""):
        if not text.startswith("mien/\n"):
            continue
        above = []
        for line in text.splitlines()[1:]:
            bars, _, name = re.match(r"^([│ ]*)(├── |└── )(\S+)", line).groups()
            depth = len(bars) // 4
            above = [*above[:depth], name]
            yield "/".join(part.rstrip("/") for part in above), name.endswith("/")


@pytest.mark.parametrize("document", [*READMES, "docs/architecture.md"])
def test_trees_list_what_is_there(document):
    listed = list(tree_paths(document))
    assert len(listed) > 10
    for path, is_folder in listed:
        found = ROOT / path
        assert found.is_dir() if is_folder else found.is_file(), f"{document}: {path}"


def test_the_tree_of_the_architecture_is_complete():
    listed = {path for path, _ in tree_paths("docs/architecture.md")}
    modules = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "src/mien").rglob("*.py")
        if path.name != "__init__.py"
    }
    assert modules - listed == set()
    top = {path.name for path in ROOT.glob("*.md")} | {"Makefile", "LICENSE", "pyproject.toml"}
    assert top - listed == set()


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document):
    folder = (ROOT / document).parent
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", read(document)):
        if not target.startswith(("https://", "mailto:")):
            assert (folder / target).exists(), f"{document}: {target}"


def test_every_benchmark_is_listed():
    programs = {path.name for path in (ROOT / "benchmarks").glob("*.py")}
    assert programs == set(re.findall(r"^\| \[(\w+\.py)\]", read("benchmarks/README.md"), re.M))


def test_both_readmes_have_the_same_code():
    english, korean = (BLOCK.findall(read(name)) for name in READMES)
    assert english == korean
    headings = [re.findall(r"^(#+) ", read(name), re.M) for name in READMES]
    assert headings[0] == headings[1]
    links = [sorted(set(re.findall(r"\]\((docs/[^)]+)\)", read(name)))) for name in READMES]
    assert links[0] == links[1]


@pytest.mark.parametrize("readme", READMES)
def test_the_results_are_those_of_the_rows(readme):
    text = read(readme)
    assert insert_table(text, results_table(ROOT / "results")) == text, "run: make results"


@pytest.mark.parametrize("document", DOCUMENTS)
def test_documents_install_from_the_clone(document):
    assert "pip install 'mien" not in read(document)  # no index has it


def test_documents_name_the_variables_that_the_code_reads():
    read_by_code = {
        name
        for path in (ROOT / "src/mien").rglob("*.py")
        for name in re.findall(r"[\"'](MIEN_[A-Z0-9_]+)[\"']", path.read_text("utf-8"))
    }
    documented = set(re.findall(r"\bMIEN_[A-Z0-9_]+", "".join(read(name) for name in DOCUMENTS)))
    assert read_by_code <= documented


def test_every_release_in_the_changelog_has_a_heading_in_order():
    headings = re.findall(r"^## (.+)$", read("CHANGELOG.md"), re.M)
    assert headings[0] == "Unreleased"
    assert all(re.match(r"\d+\.\d+\.\d+ \(\d{4}-\d\d-\d\d\)$", heading) for heading in headings[1:])
