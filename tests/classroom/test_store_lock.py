"""Two servers and one store: the second one is refused before it has changed anything."""

import pytest

from mien.classroom import store_lock
from mien.classroom.database import open_engine
from mien.classroom.server import bind
from mien.classroom.store import Store, StoreError
from mien.classroom.store_lock import lock_store
from mien.errors import ConfigError

HELD = (
    "mien: Another server holds the store. End that one, or give this one a store of its own: "
    "--data-dir or MIEN_CLASSROOM_DATABASE_URL.\n"
)


@pytest.fixture
def engines(store_url, monkeypatch):
    """Two, as of two programs."""
    monkeypatch.setattr(store_lock, "TAKEOVER_S", 0.0)
    opened = [open_engine(store_url), open_engine(store_url)]
    yield opened
    for engine in opened:
        engine.dispose()


def test_a_store_is_one_server_s_until_that_lets_go(engines):
    first = lock_store(engines[0])
    with pytest.raises(ConfigError, match=r"Another server holds the store. End that one"):
        lock_store(engines[1])
    first.close()
    lock_store(engines[1]).close()


def test_a_lock_is_waited_for_as_long_as_a_killed_server_may_take_to_be_noticed(
    engines, monkeypatch
):
    monkeypatch.setattr(store_lock, "TAKEOVER_S", 60.0)
    first = lock_store(engines[0])
    monkeypatch.setattr(store_lock.time, "sleep", lambda _: first.close())
    lock_store(engines[1]).close()


@pytest.fixture
def postgres_engines(postgres_url):
    opened = [open_engine(postgres_url), open_engine(postgres_url)]
    yield opened
    for engine in opened:
        engine.dispose()


def cut(engine):
    """End all other sessions, as a database that is started again does."""
    ending = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()"
    with engine.connect() as connection:
        connection.exec_driver_sql(ending)


def test_a_lock_that_the_database_lost_is_taken_again(postgres_engines):
    ours, others = postgres_engines
    store = Store(ours, lock=lock_store(ours))
    cut(others)
    store.hold()
    store.check()
    assert not lock_again(others)
    store.close()


def test_who_lost_the_lock_to_another_server_writes_no_more(postgres_engines):
    ours, others = postgres_engines
    store = Store(ours, lock=lock_store(ours))
    cut(others)
    other = lock_store(others)
    with pytest.raises(StoreError, match="Another server has taken the store") as told:
        store.hold()
    assert told.value.reason == "locked"
    with pytest.raises(StoreError, match="Another server has taken the store"):
        store.check()
    other.close()
    store.hold()
    store.check()
    store.close()


def lock_again(engine):
    try:
        lock_store(engine).close()
    except ConfigError:
        return False
    return True


@pytest.mark.slow
@pytest.mark.parametrize("is_same_port", [True, False])
def test_a_second_server_ends_with_one_line_and_the_first_one_s_lesson_goes_on(
    start_program, store_url, is_same_port
):
    first, second = start_program(store_url, "class"), start_program(store_url, "presence")
    first.start()
    teacher, lesson, _ = first.student_inside()
    if is_same_port:
        second.arguments[-1] = str(first.port)
    second.spawn()
    said = second.process.communicate(timeout=60)[0]
    assert (second.process.returncode, said) == (2, HELD)
    told = first.ask("GET", f"/api/lessons/{lesson['id']}", teacher)
    assert (told["ended_at"], told["code"]) == (None, lesson["code"])
    first.process.kill()
    first.process.communicate()
    first.start()  # no lock is left
    assert first.ask("GET", f"/api/lessons/{lesson['id']}", teacher)["room"]["admitted"] == 1


def test_the_lock_s_file_is_private_and_beside_the_database(tmp_path):
    engine = open_engine(f"sqlite:///{tmp_path / 'classroom.sqlite'}")
    lock = lock_store(engine)
    assert (tmp_path / "classroom.sqlite.lock").stat().st_mode & 0o777 == 0o600
    lock.close()
    engine.dispose()


def test_a_store_that_cannot_be_reached_is_told(free_port):
    engine = open_engine(f"postgresql://nobody@127.0.0.1:{free_port()}/none")
    with pytest.raises(ConfigError, match=r"The store cannot be opened: .*Check MIEN_CLASSROOM"):
        lock_store(engine)


def test_an_address_is_taken_before_anything_else(live_class, tmp_path):
    settings = live_class.settings_for(tmp_path)
    (ours,) = bind(settings)
    ours.listen()
    with pytest.raises(ConfigError, match=rf"on 127.0.0.1:{settings.port}: Address already in use"):
        bind(settings)
    ours.close()
    (again,) = bind(settings)
    again.close()
    for_name = bind(settings.model_copy(update={"host": "localhost"}))
    assert {one.getsockname()[1] for one in for_name} == {settings.port}
    for one in for_name:
        one.close()


@pytest.mark.parametrize("host", ["192.0.2.1", "no.such.host.invalid"])
def test_an_address_that_is_none_of_this_machine_s_is_told(live_class, tmp_path, host):
    settings = live_class.settings_for(tmp_path).model_copy(update={"host": host})
    with pytest.raises(ConfigError, match=rf"The server could not start on {host}:\d+: \w+"):
        bind(settings)
