import os
import socket
from importlib.util import find_spec

import numpy as np
import pytest

from mien import images
from mien.data.synthetic import draw_scene
from mien.demo import server
from mien.demo.server import HOST, example_pictures, serve
from mien.errors import ConfigError, MissingExtraError, UnknownNameError


def test_a_port_that_is_taken_is_told_before_any_work():
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(
            ConfigError, match=f"Port {port} cannot be used: .*in use. Name another"
        ):
            serve(["no such model"], port)


def test_without_gradio_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(server, "find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"The page to try mien needs.*'mien\[demo\]'"):
        serve(port=0)


def test_an_unknown_model_is_told_and_leaves_nothing_behind(tmp_path, monkeypatch):
    if find_spec("gradio") is None:
        pytest.skip("gradio is not installed: the extra demo")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = dict(os.environ)
    with pytest.raises(UnknownNameError, match="No model is called 'mien-xyz'"):
        serve(["mien-xyz"], 0)
    assert dict(os.environ) == before
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "expressions", "seed", "size"),
    [
        ("drawn-anger.jpg", ["anger"], 3, (480, 480)),
        ("drawn-surprise-fear.jpg", ["surprise", "fear"], 26, (640, 320)),
    ],
)
def test_the_examples_are_drawings_and_nobody_s_face(name, expressions, seed, size):
    (path,) = [path for path in example_pictures() if path.name == name]
    drawn, _ = draw_scene(expressions, seed, *size)
    shown = images.read(path)
    assert shown.shape == drawn.shape
    assert np.abs(shown.astype(int) - drawn).mean() < 2  # JPEG rounds


def test_no_other_picture_comes_with_the_page():
    shipped = {path.name for path in (server.Path(server.__file__).parent / "examples").iterdir()}
    assert shipped == {"drawn-anger.jpg", "drawn-surprise-fear.jpg"}


def test_a_free_port_is_chosen_when_the_page_is_ready_and_not_before(monkeypatch):
    steps = []

    class Page:
        def launch(self, *, server_port, **_options):
            steps.append(server_port)
            raise KeyboardInterrupt

        def close(self, **_options):
            pass

    free = iter([50_001, 50_002])
    monkeypatch.setattr(server, "_free_port", lambda _: next(free))
    monkeypatch.setattr(server, "_open_page", lambda *_: Page())
    monkeypatch.setattr(server, "_launch_options", dict)
    serve(port=0)
    assert steps == [50_002]
