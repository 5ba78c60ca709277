import errno
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from mien.errors import ConfigError
from mien.service import keys as module
from mien.service.keys import KeyRing, add_key, read_keys, revoke_key


@pytest.fixture
def path(tmp_path):
    return tmp_path / "keys.json"


@pytest.fixture
def ring_of(monkeypatch):
    """Return a function that opens a ring which looks at its file on every question."""
    monkeypatch.setattr(module, "_LOOK_AGAIN_S", 0.0)
    return KeyRing


def test_a_key_is_kept_as_a_hash_for_its_owner_alone(path):
    secret = add_key(path, "school")
    assert secret.startswith("mien_")
    assert len(secret) > 40
    assert secret not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [key.name for key in read_keys(path)] == ["school"]


def test_only_whole_keys_are_known(path, ring_of):
    secret, other = add_key(path, "school"), add_key(path, "lab")
    ring = ring_of(path)
    assert (ring.name_of(secret), ring.name_of(other)) == ("school", "lab")
    for wrong in (
        "",
        secret[:-1],
        secret + "x",
        secret.upper(),
        json.loads(path.read_text())["keys"][0]["sha256"],
    ):
        assert ring.name_of(wrong) is None


def test_revoking_and_adding_work_while_it_runs(path, ring_of):
    secret = add_key(path, "school")
    ring = ring_of(path)
    assert ring.name_of(secret) == "school"
    later = add_key(path, "lab")
    assert ring.name_of(later) == "lab"
    revoke_key(path, "school")
    assert ring.name_of(secret) is None
    assert ring.name_of(later) == "lab"
    again = add_key(path, "school")
    assert ring.name_of(again) == "school"
    assert ring.name_of(secret) is None


def test_within_a_second_a_revoked_key_is_known_no_more(path, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    secret = add_key(path, "school")
    ring = KeyRing(path)
    revoke_key(path, "school")
    now[0] += 1.0
    assert ring.name_of(secret) is None


@pytest.mark.parametrize("damage", ["", "{", '{"keys": [{"name": "a"}]}', "[]"])
def test_nobody_gets_in_by_a_damaged_file(path, ring_of, caplog, damage):
    secret = add_key(path, "school")
    ring = ring_of(path)
    path.write_text(damage)
    assert ring.name_of(secret) is None
    assert "No key is valid now" in caplog.text
    assert secret not in caplog.text


def test_a_file_that_can_be_read_again_lets_its_keys_in(path, ring_of, monkeypatch, caplog):
    secret = add_key(path, "school")
    ring = ring_of(path)
    add_key(path, "lab")

    def refuse(*_arguments, **_options):
        raise PermissionError(errno.EACCES, "Permission denied")

    with monkeypatch.context() as patched:  # root may read everything
        patched.setattr(Path, "read_text", refuse)
        assert [ring.name_of(secret) for _ in range(3)] == [None] * 3
    assert caplog.text.count("No key is valid now") == 1
    assert ring.name_of(secret) == "school"


def test_a_deleted_file_lets_nobody_in(path, ring_of):
    secret = add_key(path, "school")
    ring = ring_of(path)
    path.unlink()
    assert ring.name_of(secret) is None


def test_messages(path):
    with pytest.raises(
        ConfigError, match=r"There is no file of keys .* Make one: mien keys add NAME"
    ):
        read_keys(path)
    with pytest.raises(
        ConfigError, match=r"A key cannot be called '\.\./x'; expected up to 64 letters"
    ):
        add_key(path, "../x")
    add_key(path, "school")
    with pytest.raises(ConfigError, match=r"has an active key 'school'\. Revoke it first"):
        add_key(path, "school")
    with pytest.raises(ConfigError, match=r"has no active key 'lab'; active are: school\."):
        revoke_key(path, "lab")
    path.write_text("no json")
    with pytest.raises(ConfigError, match=r"keys\.json is no file of keys\. Make one"):
        read_keys(path)
    with pytest.raises(ConfigError, match=r"cannot be written: Not a directory"):
        add_key(path / "keys.json", "school")


def test_keys_that_are_made_and_revoked_at_the_same_time_are_all_kept(path):
    """Processes, as commands are: a lock that only threads heed would not do."""
    code = "import sys, pathlib; from mien.service.keys import add_key, revoke_key as revoke;"
    code += "file = pathlib.Path(sys.argv[1]); add_key(file, sys.argv[2]); revoke(file, 'zero') if sys.argv[2] == 'k3' else None"
    add_key(path, "zero")
    names = [f"k{number}" for number in range(6)]
    making = [subprocess.Popen([sys.executable, "-c", code, str(path), name]) for name in names]
    assert [process.wait(60) for process in making] == [0] * 6
    kept = read_keys(path)
    assert sorted(key.name for key in kept if key.is_active) == names
    assert [key.name for key in kept if not key.is_active] == ["zero"]
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_a_file_that_root_changes_can_still_be_read_by_the_service(path):
    add_key(path, "school")
    os.chown(path, 1234, 4321)
    path.chmod(0o640)
    add_key(path, "lab")
    status = path.stat()
    assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (1234, 4321, 0o640)


def test_others_never_get_to_read_it(path):
    add_key(path, "school")
    path.chmod(0o644)
    add_key(path, "lab")
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
