import pytest

from mien.addresses import is_loopback
from mien.classroom.settings import Settings, load_settings
from mien.classroom.signals import load_mapping
from mien.errors import ConfigError

KEYS = "kim:0123456789abcdef"


def test_nothing_that_the_law_or_safety_asks_has_a_default():
    settings = load_settings()
    assert (settings.jurisdiction, settings.context, settings.mode) == (None, None, None)
    assert settings.keys() == {}
    assert settings.metrics_key is None
    assert settings.database_url is None
    assert is_loopback(settings.host)


def test_the_environment_sets_and_the_command_line_goes_first(monkeypatch):
    monkeypatch.setenv("MIEN_CLASSROOM_MODE", "presence")
    monkeypatch.setenv("MIEN_CLASSROOM_TEACHER_KEYS", "kim:0123456789abcdef, lee:fedcba9876543210")
    monkeypatch.setenv("MIEN_CLASSROOM_ORIGINS", "https://Class.school.kr")
    settings = load_settings(mode="class", port=None)
    assert settings.mode == "class"
    assert settings.keys() == {"kim": "0123456789abcdef", "lee": "fedcba9876543210"}
    assert "https://class.school.kr" in settings.all_origins()
    assert "class.school.kr" in settings.hosts()


def test_a_misspelt_variable_refuses_to_start_and_names_the_nearest(monkeypatch):
    monkeypatch.setenv("MIEN_CLASSROOM_WINDOW_HOUR", "1")
    with pytest.raises(
        ConfigError, match=r"_WINDOW_HOUR is no setting.* Did you mean MIEN_CLASSROOM_WINDOW_HOURS"
    ):
        load_settings()
    monkeypatch.delenv("MIEN_CLASSROOM_WINDOW_HOUR")
    monkeypatch.setenv("MIEN_CLASSROOM_KEY", "of mien classroom simulate")
    load_settings()


def test_an_origin_with_the_port_that_goes_without_saying_is_the_one_that_browsers_name():
    given = "https://class.school.kr:443,http://class.school.kr:80,https://other.kr:8443"
    assert load_settings(origins=given).origins == (
        "https://class.school.kr",
        "http://class.school.kr",
        "https://other.kr:8443",
    )
    assert "http://localhost" in load_settings(port=80).all_origins()


def test_no_pace_is_so_slow_that_no_window_has_enough_frames():
    window = load_mapping().window
    slowest_ms = 1500
    assert slowest_ms * (window.min_frames + 1) < 1000 * window.length_s
    assert load_settings(pace_ms=slowest_ms).pace_ms == slowest_ms
    with pytest.raises(ConfigError, match=f"PACE_MS.*less than or equal to {slowest_ms}"):
        load_settings(pace_ms=slowest_ms + 1)


def test_teachers_with_one_key_are_refused_for_one_would_be_the_other():
    with pytest.raises(ConfigError, match="two teachers the same key"):
        load_settings(teacher_keys="kim:0123456789abcdef, lee: 0123456789abcdef")


@pytest.mark.parametrize(
    ("name", "value", "longest"),
    [("window_hours", 24.1, 24), ("aggregate_days", 31, 30), ("audit_days", 91, 90)],
)
def test_what_is_kept_can_only_be_kept_shorter(name, value, longest):
    assert getattr(load_settings(**{name: longest / 2}), name) == longest / 2
    with pytest.raises(
        ConfigError, match=rf"MIEN_CLASSROOM_{name.upper()}.*less than or equal to {longest}"
    ):
        load_settings(**{name: value})
    with pytest.raises(ConfigError, match="greater than 0"):
        load_settings(**{name: 0})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"host": "0.0.0.0"}, "host 0.0.0.0 can be reached from other machines, so teacher_keys"),
        (
            {"host": "192.168.0.4", "teacher_keys": KEYS},
            "frames must travel encrypted: set tls_certificate and tls_key, or behind_proxy",
        ),
        ({"teacher_keys": "kim:short"}, "at least 16 characters; make one with: openssl rand"),
        ({"teacher_keys": ":0123456789abcdef"}, "each of teacher_keys is name:key"),
        ({"teacher_keys": f"{KEYS},{KEYS}"}, "names a teacher twice"),
        ({"tls_key": "k.pem"}, "tls_certificate and tls_key belong together"),
        ({"origins": "*"}, "'\\*' is no origin; expected scheme, name and port alone"),
        ({"origins": "https://a.kr/path"}, "is no origin"),
        ({"port": 0}, "MIEN_CLASSROOM_PORT"),
    ],
)
def test_mistakes_are_told_without_secrets(given, message):
    with pytest.raises(ConfigError, match=message) as told:
        load_settings(**given)
    assert "0123456789abcdef" not in str(told.value)


@pytest.mark.parametrize(
    "given", [{"behind_proxy": True}, {"tls_certificate": "c.pem", "tls_key": "k.pem"}]
)
def test_other_machines_are_served_with_a_key_and_encryption(given):
    settings = load_settings(host="0.0.0.0", teacher_keys=KEYS, **given)
    assert settings.is_encrypted


def test_no_secret_is_ever_shown():
    settings = Settings(teacher_keys=KEYS, metrics_key="metrics-secret", database_url="x://u:pw@h")
    for secret in ("0123456789abcdef", "metrics-secret", "pw@h"):
        assert secret not in repr(settings)


def test_a_server_is_asked_for_by_the_names_of_its_origins():
    settings = load_settings(origins="https://Class.school.kr,https://[2001:db8::1]:8432")
    assert settings.hosts() == {"127.0.0.1", "localhost", "::1", "class.school.kr", "2001:db8::1"}
