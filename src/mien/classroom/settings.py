"""What the operator of a live class sets, by environment variables `MIEN_CLASSROOM_…`; the command line may override them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Self

import platformdirs
from pydantic import AfterValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from mien.addresses import as_origin, host_name, is_loopback
from mien.errors import ConfigError
from mien.variables import refuse_unknown_variables

__all__ = ["MAX_AGGREGATE_DAYS", "MAX_AUDIT_DAYS", "MAX_WINDOW_HOURS", "Settings", "load_settings"]

PREFIX = "MIEN_CLASSROOM_"
_OF_OTHERS = ("key",)
"""Variables with the same beginning that are no setting of the server: `mien classroom simulate` reads them."""

MAX_WINDOW_HOURS = 24.0
"""What one student's windows may live at the longest; the setting can only shorten it."""
MAX_AGGREGATE_DAYS = 30.0
"""The same for a lesson with its aggregates, and so for its report."""
MAX_AUDIT_DAYS = 90.0
"""The same for the record of who looked at what."""
MIN_KEY_LENGTH = 16
"""A teacher's key shorter than this is refused: it is the only thing between a stranger and a lesson."""


def _split(text: Any) -> Any:
    """Turn ``a, b`` from the environment into its parts."""
    return [part.strip() for part in text.split(",") if part.strip()] if type(text) is str else text


Origins = Annotated[tuple[Annotated[str, AfterValidator(as_origin)], ...], NoDecode]


class Settings(BaseSettings):
    """Everything that can be set. What the law asks of the operator has no default: unset means that nothing starts."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid")

    jurisdiction: str | None = None
    """Where the students are, for example ``KR`` or ``DE``."""
    context: str | None = None
    """``education``, ``workplace``, ``research`` or ``personal``."""
    mode: str | None = None
    """``presence``, ``self-view``, ``class`` or ``research``."""

    host: str = "127.0.0.1"
    """Address to listen on; one that others can reach needs keys and TLS or a proxy."""
    port: int = Field(default=8432, ge=1, le=65535)
    origins: Origins = ()
    """Where pages may come from, besides this machine: the address that people type, for example ``https://class.school.kr``."""
    teacher_keys: Annotated[tuple[SecretStr, ...], NoDecode] = ()
    """``name:key``, separated by commas; who has the key may open lessons, and sees only those of the same name."""
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    behind_proxy: bool = False
    """A proxy on this machine ends TLS and names the caller in ``X-Forwarded-For``."""
    metrics_key: SecretStr | None = None
    """Whoever asks for ``/metrics`` from elsewhere, or through a proxy, must bring it."""

    database_url: SecretStr | None = None
    """``postgresql+psycopg://…`` or ``sqlite:///…``; without it a SQLite file in ``data_dir``."""
    data_dir: Path = Path(platformdirs.user_data_dir("mien", appauthor=False)) / "classroom"
    window_hours: float = Field(default=MAX_WINDOW_HOURS, gt=0, le=MAX_WINDOW_HOURS)
    """How long one student's windows are kept; only shorter than the default."""
    aggregate_days: float = Field(default=MAX_AGGREGATE_DAYS, gt=0, le=MAX_AGGREGATE_DAYS)
    """How long a lesson with its aggregates is kept; only shorter than the default."""
    audit_days: float = Field(default=MAX_AUDIT_DAYS, gt=0, le=MAX_AUDIT_DAYS)
    """How long it is kept who looked at what; only shorter than the default."""

    model: str = "mien-s"
    """Model for expressions; never opened in ``presence`` mode."""
    detector: str = "auto"
    """What finds faces: auto, haar or yunet."""
    workers: int = Field(default=0, ge=0, le=64)
    """Threads that recognise; 0 takes one a processor."""
    pace_ms: int = Field(default=500, ge=100, le=1500)
    """Between two frames of a student while the machine keeps up. Of fewer, no window of ten seconds would have the five that
    a statement needs, and the class would be without data for ever."""
    device_signals: bool = False
    """Whether students' own devices may send what they measured, in the place of pictures. No page of ours does, and a script
    would need no camera to invent students with it: it is for ``mien classroom simulate``."""
    max_students: int = Field(default=250, ge=1, le=1000)
    """Participants a lesson takes."""
    max_sockets: int = Field(default=1000, ge=2, le=10_000)
    """Sockets that are open at once."""
    max_per_address: int = Field(default=600, ge=2, le=20_000)
    """Connections from one address, of any kind: a class of 250 with a socket each, and pages that load beside them. Behind a
    proxy, which has one address, nothing is counted."""

    @model_validator(mode="before")
    @classmethod
    def _lists(cls, values: dict[str, Any]) -> dict[str, Any]:
        return {
            name: _split(value) if name in ("origins", "teacher_keys") else value
            for name, value in values.items()
        }

    @model_validator(mode="after")
    def _keys_are_names_with_secrets(self) -> Self:
        for entry in self.teacher_keys:
            name, _, key = entry.get_secret_value().partition(":")
            if not name.strip() or len(key.strip()) < MIN_KEY_LENGTH:
                raise ValueError(
                    "each of teacher_keys is name:key with a key of at least "
                    f"{MIN_KEY_LENGTH} characters; make one with: openssl rand -base64 24"
                )
        names = [entry.get_secret_value().partition(":")[0].strip() for entry in self.teacher_keys]
        if len(set(names)) != len(names):
            raise ValueError("teacher_keys names a teacher twice; each has one key")
        if len(set(self.keys().values())) != len(names):
            raise ValueError(
                "teacher_keys gives two teachers the same key, by which nobody could tell them apart; each has one of their own"
            )
        return self

    @model_validator(mode="after")
    def _reachable_only_with_care(self) -> Self:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key belong together; one of them is missing")
        if is_loopback(self.host):
            return self
        if not self.teacher_keys:
            raise ValueError(
                f"host {self.host} can be reached from other machines, so teacher_keys must be set"
            )
        if self.tls_certificate is None and not self.behind_proxy:
            raise ValueError(
                f"host {self.host} can be reached from other machines, so frames must travel encrypted: "
                "set tls_certificate and tls_key, or behind_proxy where a proxy ends TLS"
            )
        return self

    def keys(self) -> dict[str, str]:
        """Return each teacher's key by the teacher's name."""
        pairs = (entry.get_secret_value().partition(":") for entry in self.teacher_keys)
        return {name.strip(): key.strip() for name, _, key in pairs}

    def store_url(self) -> str:
        """Return where rows are kept."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        return f"sqlite:///{self.data_dir / 'classroom.sqlite'}"

    def all_origins(self) -> frozenset[str]:
        """Return every origin that pages may come from: what is set, and this machine under its own port."""
        schemes = "https" if self.tls_certificate else "http"
        hosts = ("127.0.0.1", "localhost", "[::1]")
        own = {as_origin(f"{schemes}://{host}:{self.port}") for host in hosts}
        return frozenset(own | set(self.origins))

    def hosts(self) -> frozenset[str]:
        """Return every name under which requests may ask for this server, without the port."""
        return frozenset(host_name(origin.partition("://")[2]) for origin in self.all_origins())

    @property
    def is_encrypted(self) -> bool:
        """Whether browsers reach this server by https."""
        return self.tls_certificate is not None or self.behind_proxy


def load_settings(**overrides: Any) -> Settings:
    """Read the environment; what is given here goes first.

    Raises:
        ConfigError: If a value cannot be used, or a variable is none of ours; the message names the variable, never a secret.
    """
    # Passed over in silence, one could keep rows longer than the operator thinks.
    refuse_unknown_variables(PREFIX, (*Settings.model_fields, *_OF_OTHERS), "docs/classroom.md")
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        return Settings(**given)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = ".".join(str(part) for part in first["loc"][:1]).upper()
        what = first["msg"].removeprefix("Value error, ").rstrip(".")
        where = f"{PREFIX}{name}: " if name else ""
        raise ConfigError(f"{where}{what}. See docs/classroom.md.") from None
