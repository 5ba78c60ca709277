"""What several tests share: where the real data is, a fresh cache for every test, a model that is easy to foresee, a browser."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

REAL_YUNET = os.environ.get("MIEN_YUNET")

# Read when torch is first imported. Small networks gain nothing from a second thread, and where other work shares the cores,
# threads that wait for each other make them ten times slower.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(autouse=True)
def _fresh_cache(tmp_path_factory, monkeypatch):
    """No test reads or fills the user's own cache, and `auto` finds the same detector everywhere."""
    monkeypatch.setenv("MIEN_CACHE", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.delenv("MIEN_YUNET", raising=False)


@pytest.fixture(autouse=True)
def _memory_goes_back(monkeypatch):
    """A command that trains has its process keep what it frees; this process is not its own, and others measure theirs."""
    monkeypatch.setattr("mien.runtime.keep_freed_memory", lambda: False)


@pytest.fixture
def _not_under_nohup():
    """Under nohup this process ignores SIGHUP, and what it starts, which inherits that, rightly does too."""
    number = getattr(signal, "SIGHUP", None)  # Windows has none
    before = number and signal.signal(number, signal.SIG_DFL)
    yield
    if number:
        signal.signal(number, before)


@pytest.fixture
def yunet_file() -> Path:
    """The real file of the detector YuNet; without it the test is skipped."""
    if not REAL_YUNET:
        pytest.skip("MIEN_YUNET does not name YuNet's file; fetch it once: mien fetch yunet")
    return Path(REAL_YUNET)


@pytest.fixture
def fer2013_path() -> Path:
    """The folder of the real FER2013; without it the test is skipped."""
    folder = os.environ.get("MIEN_FER2013")
    if not folder:
        pytest.skip("MIEN_FER2013 does not name a folder with the real FER2013")
    return Path(folder)


@pytest.fixture(scope="session")
def save_tiny():
    """Write a `mien_net` for faces of 24 px as a run leaves it, untrained but for what ``prepare`` does to it."""
    from mien.labels import FER2013, FERPLUS
    from mien.modelfile import Head, ModelInfo
    from mien.models.weights import WEIGHTS_NAME, save_network
    from mien.models.zoo import build_network
    from mien.preprocess import InputSpec

    def save(folder, options, provenance=None, prepare=lambda _: None, heads=(FER2013, FERPLUS)):
        num_classes = sum(len(head.labels) for head in heads)
        network = build_network("mien_net", num_classes=num_classes, seed=0, **options)
        prepare(network)
        info = ModelInfo(
            name="tiny",
            heads=tuple(Head(name=head.name, labels=head.labels) for head in heads),
            input=InputSpec(size=24),
            architecture="mien_net",
            options=options,
            provenance=provenance or {},
        )
        save_network(folder / WEIGHTS_NAME, network.eval(), info)
        return folder / WEIGHTS_NAME

    return save


@pytest.fixture(scope="session")
def tiny_model_path(tmp_path_factory) -> Path:
    """A model file whose answer follows the brightness: dark is sad, bright is happy, grey is neutral.

    With m the mean of the normalised input (black -1, white 1), the logits are 8 m for happy, -8 m for sad,
    2 for neutral and 0 for the rest. The FER+ head has temperature 2, FER2013's has 1.
    """
    path = tmp_path_factory.mktemp("model") / "tiny.onnx"
    path.write_bytes(tiny_model().SerializeToString())
    return path


def tiny_model(record: str | None = None):
    """Build the network of `tiny_model_path`; ``record`` replaces what its metadata says."""
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    from mien.labels import FER2013, FERPLUS
    from mien.modelfile import METADATA_KEY, Head, ModelInfo
    from mien.preprocess import InputSpec

    heads = (
        Head(name="fer2013", labels=FER2013.labels),
        Head(name="ferplus", labels=FERPLUS.labels, temperature=2.0),
    )
    nodes = [
        helper.make_node("GlobalAveragePool", ["input"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["mean"]),
    ]
    constants, outputs = [], []
    for head, (happy, sad) in zip(heads, [("happy", "sad"), ("happiness", "sadness")], strict=True):
        slope = np.zeros((1, len(head.labels)), np.float32)
        slope[0, head.labels.index(happy)], slope[0, head.labels.index(sad)] = 8, -8
        offset = np.zeros(len(head.labels), np.float32)
        offset[head.labels.index("neutral")] = 2
        constants += [
            numpy_helper.from_array(slope, f"{head.name}_slope"),
            numpy_helper.from_array(offset, f"{head.name}_offset"),
        ]
        terms = ["mean", f"{head.name}_slope", f"{head.name}_offset"]
        nodes.append(helper.make_node("Gemm", terms, [head.name]))
        outputs.append(
            helper.make_tensor_value_info(head.name, TensorProto.FLOAT, ["N", len(head.labels)])
        )
    faces = helper.make_tensor_value_info("input", TensorProto.FLOAT, ["N", 1, 48, 48])
    graph = helper.make_graph(nodes, "tiny", [faces], outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    onnx.checker.check_model(model)
    info = ModelInfo(
        name="tiny",
        heads=heads,
        input=InputSpec(),
        architecture="brightness",
        provenance={"source": "tests"},
    )
    helper.set_model_props(model, {METADATA_KEY: info.to_json() if record is None else record})
    return model


@pytest.fixture
def torchvision(monkeypatch):
    """A torchvision of our own making, since the real one downloads hundreds of megabytes.

    It serves the state dicts that the test puts in by torchvision's names, to those who ask for weights alone.
    """
    served = {}

    def get_weight(name):
        def get_state_dict(*, progress, check_hash, weights_only):
            assert (progress, check_hash, weights_only) == (False, True, True)
            if name not in served:
                raise OSError("no network here")
            return served[name]

        url = f"https://example.org/{name}.pth"
        return SimpleNamespace(url=url, get_state_dict=get_state_dict)

    package, models = ModuleType("torchvision"), ModuleType("torchvision.models")
    models.get_weight = get_weight
    monkeypatch.setitem(sys.modules, "torchvision", package)
    monkeypatch.setitem(sys.modules, "torchvision.models", models)
    return served


@pytest.fixture
def open_browser(tmp_path):
    """Return a function that opens Chromium without a screen; without Chromium the test is skipped.

    It reaches this machine and nothing else, and writes down every address that it is asked for. ``camera`` is a
    recording (.mjpeg, .y4m) that pages see as the webcam, over and over; without one the webcam is Chromium's own drawing.
    """
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    chromium = _find_program("chromium", "chromium-browser", "google-chrome")
    driver = _find_program("chromedriver", "chromium.chromedriver")
    opened = []

    class Browser(webdriver.Chrome):
        def requests(self) -> list[str]:
            """The addresses that were asked for since the last call."""
            messages = [json.loads(e["message"])["message"] for e in self.get_log("performance")]
            sent = [m for m in messages if m["method"] == "Network.requestWillBeSent"]
            sockets = [m for m in messages if m["method"] == "Network.webSocketCreated"]
            return [m["params"]["request"]["url"] for m in sent] + [
                m["params"]["url"] for m in sockets
            ]

        def troubles(self) -> list[str]:
            """Errors that the page wrote to its console since the last call."""
            return [e["message"] for e in self.get_log("browser") if e["level"] == "SEVERE"]

    def open_one(width_px=1280, height_px=900, lang="en", camera=None):
        options = webdriver.ChromeOptions()
        options.binary_location = chromium
        camera_options = ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]
        if camera is not None:
            camera_options.append(f"--use-file-for-fake-video-capture={camera}")
        for option in (
            "--headless=new",
            "--no-sandbox",  # it cannot be had as root, nor in many containers
            "--disable-dev-shm-usage",
            "--disable-gpu",
            "--disable-background-networking",
            "--disable-component-update",
            "--no-first-run",
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
            f"--window-size={width_px},{height_px}",
            *camera_options,
        ):
            options.add_argument(option)
        preferences = {
            "intl.accept_languages": lang,
            "download.default_directory": str(tmp_path / "downloads"),
        }
        options.add_experimental_option("prefs", preferences)
        options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
        service = webdriver.ChromeService(executable_path=driver)
        opened.append(Browser(options=options, service=service))
        # The window's frame takes some of the size, and no window is narrower than 500 px: this one is told its size.
        size = {"width": width_px, "height": height_px, "deviceScaleFactor": 1, "mobile": False}
        opened[-1].execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        return opened[-1]

    yield open_one
    for browser in opened:
        browser.quit()


@pytest.fixture
def browser(open_browser):
    """Chromium as a desktop shows it; see `open_browser`."""
    return open_browser()


def _find_program(*names):
    found = next((path for name in names if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip(
            f"none of these is installed: {', '.join(names)}; on Debian: apt install chromium chromium-driver"
        )
    return found


@pytest.fixture(scope="session")
def free_port():
    """Return a function that gives a port on this machine; until the end nobody else gets it by chance.

    A socket that is bound and does not listen keeps it: the system gives such a port to nobody who leaves the choice to it,
    and lets whoever names it, and may share (as servers do), listen there. It is no port that another test may take
    between the choice and the start of the server, or while a server is started again.
    """
    with contextlib.ExitStack() as held:

        def take():
            keeper = held.enter_context(socket.socket())
            keeper.bind(("127.0.0.1", 0))
            keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            return keeper.getsockname()[1]

        yield take


@pytest.fixture(scope="session")
def _postgres_port(free_port):
    """A PostgreSQL server of our own, in a temporary folder, reached from this machine only."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: int(p.parts[-2]))
    initdb = shutil.which("initdb") or next(map(str, (p / "initdb" for p in programs[-1:])), None)
    if initdb is None or not Path(initdb).exists():
        pytest.skip("PostgreSQL's initdb is not installed; on Debian: apt install postgresql")
    # Not below pytest's folder: that is ours alone, and as root the server runs as another user.
    folder = Path(tempfile.mkdtemp(prefix="mien-postgres-"))
    user = "postgres" if os.geteuid() == 0 else None
    if user:
        shutil.chown(folder, user)
    port = free_port()
    how = {"user": user, "cwd": folder, "check": True, "stdout": subprocess.DEVNULL}
    cluster = ["-D", str(folder / "data")]
    subprocess.run([initdb, *cluster, "-U", "postgres", "-A", "trust", "-E", "UTF8", "-N"], **how)
    control = str(Path(initdb).with_name("pg_ctl"))
    settings = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off"
    log = ["-l", str(folder / "log")]
    subprocess.run([control, *cluster, *log, "-w", "-t", "300", "-o", settings, "start"], **how)
    yield port
    subprocess.run([control, *cluster, "-t", "300", "-m", "immediate", "stop"], **how)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgres_url(_postgres_port):
    """The URL of an empty database on a real PostgreSQL; without PostgreSQL the test is skipped.

    Each test has a database of its own, so nothing needs to be cleaned up in it.
    """
    psycopg = pytest.importorskip("psycopg", reason="psycopg is not installed")
    server = f"postgresql://postgres@127.0.0.1:{_postgres_port}"
    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
        yield f"{server}/{name}"
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
