"""The folder for uploads: private, gone at the end, and gone later where the page was killed."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from mien.demo.leftovers import own_temporary_folder

posix = pytest.mark.skipif(os.name != "posix", reason="Windows has no such locks")

HOLD = """
import pathlib, sys, time
from mien.demo.leftovers import own_temporary_folder
with own_temporary_folder():
    import tempfile
    pathlib.Path(tempfile.gettempdir(), "upload.jpg").touch()
    print("ready", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture
def other_page(temporary):
    """A process with a folder of its own and a picture in it."""
    environment = os.environ | {"TMPDIR": str(temporary)}
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD], env=environment, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "ready\n"
    yield process
    process.kill()
    process.wait(60)
    process.stdout.close()


def test_the_temporary_folder_is_the_user_s_own_and_goes_at_the_end(temporary, monkeypatch):
    monkeypatch.setenv("GRADIO_ANALYTICS_ENABLED", "True")
    with own_temporary_folder():
        (folder,) = temporary.iterdir()
        (folder / "upload.jpg").touch()
        assert tempfile.gettempdir() == str(folder)
        assert os.environ["GRADIO_TEMP_DIR"] == str(folder / "gradio")
        assert os.environ["GRADIO_ANALYTICS_ENABLED"] == "False"
        if os.name == "posix":
            assert folder.stat().st_mode & 0o777 == 0o700
    assert "GRADIO_TEMP_DIR" not in os.environ
    assert os.environ["GRADIO_ANALYTICS_ENABLED"] == "True"
    assert tempfile.gettempdir() == str(temporary)
    assert list(temporary.iterdir()) == []


@posix
def test_what_a_killed_page_left_is_removed_by_the_next_one(temporary, other_page):
    (left,) = temporary.glob("mien-demo-*/upload.jpg")
    with own_temporary_folder():
        assert left.exists()  # that page lives
    other_page.send_signal(signal.SIGKILL)
    other_page.wait(60)
    assert left.exists()
    with own_temporary_folder():
        assert not left.parent.exists()


@posix
def test_folders_that_are_no_page_s_stay(temporary):
    (temporary / "mien-demo-of-somebody").mkdir()
    kept = temporary / "kept"
    kept.mkdir()
    (kept / ".in-use").touch()
    Path(temporary / "mien-demo-link").symlink_to(kept)
    with own_temporary_folder():
        pass
    assert (temporary / "mien-demo-of-somebody").is_dir()
    assert (kept / ".in-use").exists()
