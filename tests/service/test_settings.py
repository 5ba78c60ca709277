import pytest

from mien.errors import ConfigError
from mien.service.keys import add_key
from mien.service.settings import PREFIX, Settings, load_settings


@pytest.fixture
def keys(tmp_path):
    path = tmp_path / "keys.json"
    add_key(path, "school")
    return path


def test_the_defaults_are_safe():
    settings = load_settings()
    assert settings.host == "127.0.0.1"
    assert settings.fallback == "none"
    assert settings.keys is None
    assert settings.origins == ()


def test_variables_set_every_field(monkeypatch):
    monkeypatch.setenv("MIEN_SERVICE_PORT", "9000")
    monkeypatch.setenv("MIEN_SERVICE_ORIGINS", "https://a.example, http://localhost:3000")
    settings = load_settings()
    assert settings.port == 9000
    assert settings.origins == ("https://a.example", "http://localhost:3000")


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        (
            "PORT",
            "70000",
            r"MIEN_SERVICE_PORT is '70000': Input should be less than or equal to 65535\.",
        ),
        ("PORT", "high", r"MIEN_SERVICE_PORT is 'high': Input should be a valid integer"),
        (
            "ORIGINS",
            "*",
            r"MIEN_SERVICE_ORIGINS is .*'\*' is no origin; expected scheme, name and port",
        ),
        ("ORIGINS", "https://a.example/page", r"'https://a\.example/page' is no origin"),
        ("ORIGINS", "null", r"'null' is no origin"),
        ("HOSTS", "faces.example:8000", r"'faces\.example:8000' is no name; expected one without"),
        ("HOSTS", "https://faces.example", r"'https://faces\.example' is no name"),
        ("ORIGINS", "https://*.school.example", r"'https://\*\.school\.example' is no origin"),
        ("HOSTS", "*", r"MIEN_SERVICE_HOSTS is .*'\*' is no name"),
        ("HOSTS", "a b", r"'a b' is no name"),
        ("HOST", "", r"MIEN_SERVICE_HOST is '': nothing is no value; leave the variable out"),
        ("KEYS", "", r"MIEN_SERVICE_KEYS is '': nothing is no value"),
        ("RATE_PER_S", "inf", r"MIEN_SERVICE_RATE_PER_S is 'inf': Input should be less than"),
        ("RATE_PER_S", "nan", r"MIEN_SERVICE_RATE_PER_S is 'nan'"),
        ("RATE_PER_S", "1e-300", r"MIEN_SERVICE_RATE_PER_S is '1e-300': Input should be greater"),
        ("TIMEOUT_S", "1e-9", r"MIEN_SERVICE_TIMEOUT_S is '1e-9'"),
        ("UPLOAD_S", "1e-9", r"MIEN_SERVICE_UPLOAD_S is '1e-9'"),
        ("RATES_FILE", "/etc/rates", r"MIEN_SERVICE_RATES_FILE is no setting"),
        (
            "MAX_BODY_BYTES",
            "300000000",
            r"MAX_WAITING_BYTES is 268435456, less than one body of MIEN_SERVICE_MAX_BODY_BYTES",
        ),
        (
            "MAX_PIXELS",
            "60000000",
            r"MIEN_SERVICE_MAX_PIXELS is '60000000': mien decodes no picture above 50000000",
        ),
        (
            "FALLBACK",
            "google",
            r"MIEN_SERVICE_FALLBACK is 'google': Input should be 'none' or 'rekognition'",
        ),
        ("DRAIN_S", "60", r"MIEN_SERVICE_DRAIN_S is '60'"),
        (
            "PROT",
            "1",
            r"MIEN_SERVICE_PROT is no setting\. Did you mean MIEN_SERVICE_PORT\? They are listed in",
        ),
    ],
)
def test_a_wrong_variable_is_named_on_one_line(monkeypatch, name, value, words):
    monkeypatch.setenv(PREFIX + name, value)
    with pytest.raises(ConfigError, match=words) as raised:
        load_settings()
    assert "\n" not in str(raised.value)


def test_waiting_for_more_pictures_than_an_answer_may_take_is_refused(monkeypatch):
    monkeypatch.setenv("MIEN_SERVICE_BATCH_WAIT_MS", "500")
    monkeypatch.setenv("MIEN_SERVICE_TIMEOUT_S", "0.5")
    with pytest.raises(
        ConfigError,
        match=r"BATCH_WAIT_MS is 500, as long as an answer may take .*TIMEOUT_S is 0.5 s",
    ):
        load_settings()


def test_names_and_origins_become_what_callers_send(monkeypatch):
    monkeypatch.setenv("MIEN_SERVICE_HOSTS", "Faces.Example, [::1], 학교.kr")
    monkeypatch.setenv("MIEN_SERVICE_ORIGINS", "https://School.example:443,https://학교.kr")
    settings = load_settings()
    assert settings.hosts == ("faces.example", "::1", "xn--9d0b527e.kr")
    assert settings.origins == ("https://school.example", "https://xn--9d0b527e.kr")


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.0.4", "::", "example.org"])
def test_another_address_needs_keys(monkeypatch, keys, host):
    monkeypatch.setenv("MIEN_SERVICE_HOST", host)
    with pytest.raises(
        ConfigError, match=r"can be reached from other machines, and no API keys are set"
    ):
        load_settings()
    monkeypatch.setenv("MIEN_SERVICE_KEYS", str(keys))
    assert load_settings().host == host


def test_a_file_without_active_keys_opens_nothing(monkeypatch, tmp_path):
    empty = tmp_path / "empty.json"
    empty.write_text('{"keys": []}')
    monkeypatch.setenv("MIEN_SERVICE_HOST", "0.0.0.0")
    monkeypatch.setenv("MIEN_SERVICE_KEYS", str(empty))
    with pytest.raises(
        ConfigError, match=r"empty\.json holds no active key\. Make one with: mien keys add"
    ):
        load_settings()


def test_keys_that_others_may_write_are_refused(monkeypatch, keys):
    keys.chmod(0o620)
    monkeypatch.setenv("MIEN_SERVICE_KEYS", str(keys))
    with pytest.raises(ConfigError, match=r"can be written by others, .* chmod 600"):
        load_settings()


def test_a_missing_keys_file_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("MIEN_SERVICE_KEYS", str(tmp_path / "gone.json"))
    with pytest.raises(
        ConfigError, match=r"There is no file of keys .*gone\.json\. Make one: mien keys add"
    ):
        load_settings()


def test_every_setting_says_what_it_does():
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []
