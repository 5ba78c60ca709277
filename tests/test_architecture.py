"""The rules of docs/architecture.md that import-linter cannot check, and that importing stays cheap and silent."""

import ast
import json
import os
import pkgutil
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import mien

ROOT = Path(__file__).parents[1]
SOURCE = Path(mien.__file__).parent
FILES = sorted(SOURCE.rglob("*.py"))
MODULES = sorted(
    ["mien", *(module.name for module in pkgutil.walk_packages([str(SOURCE)], prefix="mien."))]
)
NAMES_THAT_SAY_NOTHING = {"utils", "util", "helpers", "common", "core", "misc", "manager", "base"}
MAX_LINES = 400
RECOGNISING = [
    name
    for name in MODULES
    if name.split(".")[1:2]
    not in (["training"], ["studies"], ["models"], ["exporting"], ["data"], ["evaluation"])
]

# Runs in a fresh interpreter: what importing does to the world, as JSON on the last line.
PROBE = """
import json, logging, os, sys, threading, warnings
names = json.loads(sys.argv[1])
handlers, filters = list(logging.root.handlers), list(warnings.filters)
environment = dict(os.environ)
import importlib
for name in names:
    importlib.import_module(name)
changed = sorted(k for k in os.environ if os.environ[k] != environment.get(k))
ours = [n for n, logger in logging.root.manager.loggerDict.items()
        if n.split(".")[0] == "mien" and getattr(logger, "handlers", None)]
print(json.dumps({
    "torch": "torch" in sys.modules,
    "matplotlib": "matplotlib" in sys.modules,
    "heavy": sorted({"cv2", "onnxruntime", "numpy", "PIL", "typer", "rich"} & set(sys.modules)),
    "root_handlers": len(logging.root.handlers) - len(handlers),
    "our_handlers": ours,
    "environment": changed,
    "threads": threading.active_count(),
}))
"""


def probe(names, folder):
    """Import modules in a fresh interpreter inside an empty folder that is also its home."""
    home = {"HOME": str(folder), "MIEN_CACHE": str(folder / "cache"), "XDG_CACHE_HOME": str(folder)}
    ours = ("OPENCV_IO_MAX_IMAGE_PIXELS", "ORT_DISABLE_TELEMETRY", "CI")
    inherited = {k: v for k, v in os.environ.items() if k not in ours}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROBE, json.dumps(names)],
        env={**inherited, **home, "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 1, f"importing printed: {lines[:-1]}"
    assert done.stderr == ""
    return json.loads(lines[0])


@pytest.mark.parametrize("name", ["mien", "mien.recognition", "mien.cli"])
def test_importing_what_recognises_leaves_the_world_as_it_was(name, tmp_path):
    seen = probe([name], tmp_path)
    assert not seen["torch"]
    assert not seen["matplotlib"]
    assert seen["root_handlers"] == 0
    assert seen["our_handlers"] == []
    ours = {"OPENCV_IO_MAX_IMAGE_PIXELS", "ORT_DISABLE_TELEMETRY"}
    assert set(seen["environment"]) <= ours | {"LD_LIBRARY_PATH"}  # the last is cv2's doing
    assert list(tmp_path.iterdir()) == []


def test_recognising_reports_nothing_to_onnx_runtime_s_maker(tmp_path):
    # Without the variable, its import leaves Microsoft/DeveloperTools/.onnxruntime/deviceid in the cache.
    code = "import mien.modelfile, os; assert os.environ['ORT_DISABLE_TELEMETRY'] == '1'"
    cache = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    unset = {k: v for k, v in os.environ.items() if k not in ("ORT_DISABLE_TELEMETRY", "CI")}
    subprocess.run([sys.executable, "-B", "-c", code], env={**unset, **cache}, check=True)
    assert list(tmp_path.iterdir()) == []


def test_importing_mien_loads_nothing_heavy(tmp_path):
    assert probe(["mien"], tmp_path)["heavy"] == []


def test_help_needs_neither_opencv_nor_onnxruntime(tmp_path):
    heavy = probe(["mien.cli"], tmp_path)["heavy"]
    assert not {"cv2", "onnxruntime"} & set(heavy)


def test_nothing_that_recognises_ever_imports_torch(tmp_path):
    assert not probe(RECOGNISING, tmp_path)["torch"]


@pytest.mark.slow
def test_importing_every_module_leaves_no_trace(tmp_path):
    seen = probe(MODULES, tmp_path)
    assert seen["root_handlers"] == 0
    assert seen["our_handlers"] == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_layers_hold():
    linter = Path(sys.executable).with_name("lint-imports")
    if not linter.exists():
        pytest.skip("import-linter is not installed")
    done = subprocess.run([linter], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_names_say_what_a_module_is():
    said_nothing = [
        str(file.relative_to(ROOT)) for file in FILES if file.stem in NAMES_THAT_SAY_NOTHING
    ]
    folders = [str(file.parent) for file in FILES if file.parent.name in NAMES_THAT_SAY_NOTHING]
    assert said_nothing + folders == []


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(SOURCE)))
def test_a_file_can_be_read_in_one_go(file):
    lines = file.read_text(encoding="utf-8").count("\n")
    assert lines <= MAX_LINES, f"{file} has {lines} lines; look for a second noun in it"


def test_only_the_command_line_prints():
    printing = re.compile(r"(?<![\w.])(print\(|sys\.stdout|sys\.stderr|typer\.echo)")
    guilty = [
        str(file.relative_to(SOURCE))
        for file in FILES
        if "cli" not in file.relative_to(SOURCE).parts and printing.search(file.read_text("utf-8"))
    ]
    assert guilty == []


def test_nothing_is_ever_unpickled():
    pickling = re.compile(
        r"^\s*(import|from) (pickle|joblib|dill|cloudpickle)|allow_pickle=True", re.M
    )
    loading = re.compile(r"torch\.load\((?:[^()]|\([^()]*\))*\)")
    for file in FILES:
        text = file.read_text("utf-8")
        assert not pickling.search(text), f"{file} reads or writes pickles"
        for call in loading.findall(text):
            assert "weights_only=True" in call, f"{file}: {call}"


def test_every_folder_of_tests_mirrors_one_of_the_package():
    folders = [f for f in (ROOT / "tests").rglob("*") if f.is_dir() and f.name != "__pycache__"]
    strange = [f.name for f in folders if not (SOURCE / f.relative_to(ROOT / "tests")).is_dir()]
    assert strange == []


def test_every_direct_dependency_has_a_tested_version():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    names = {
        re.split(r"[<>=\[ ;]", line)[0].lower().replace("_", "-")
        for group in groups
        for line in group
    } - {"mien"}
    tested = [
        line.split("==")
        for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines()
        if not line.startswith("#")
    ]
    assert names <= {name.lower().replace("_", "-") for name, _ in tested}
    assert all(re.fullmatch(r"[0-9][\w.]*", version) for _, version in tested)


DISTRIBUTIONS = {"cv2": "opencv-python-headless", "PIL": "pillow"}  # where the two names differ
ONLY_WHERE_INSTALLED = {"torchvision"}  # used when it is there, never asked for
PART_OF = {
    "starlette": "fastapi",
    "pydantic": "fastapi",
    "botocore": "boto3",
}  # and of its interface


def test_everything_imported_is_declared():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    declared = {re.split(r"[<>=\[ ]", line)[0] for group in groups for line in group}
    imported = set()
    for file in FILES:
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                imported.add(node.module.partition(".")[0])
    foreign = imported - set(sys.stdlib_module_names) - {"mien"} - ONLY_WHERE_INSTALLED
    needed = {
        PART_OF.get(name, DISTRIBUTIONS.get(name, name)).replace("_", "-") for name in foreign
    }
    assert needed <= {name.replace("_", "-") for name in declared}


def test_every_dependency_says_why_it_is_there():
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    listed = text[text.index("\ndependencies = [") : text.index("[project.scripts]")]
    for line in listed.splitlines():
        if line.startswith("    "):
            assert "  # " in line, f"no reason given: {line.strip()}"
