"""What the service can be told: variables that begin with MIEN_SERVICE_. What would be unsafe refuses to start."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from mien.addresses import as_host_name, as_origin, is_loopback
from mien.errors import ConfigError
from mien.images import MAX_PIXELS
from mien.service.keys import read_keys
from mien.variables import refuse_unknown_variables

__all__ = ["PREFIX", "Settings", "check_safe", "load_settings"]

PREFIX = "MIEN_SERVICE_"

Names = Annotated[tuple[str, ...], NoDecode]
"""Several words in one variable, with commas between."""


class Settings(BaseSettings):
    """Every setting with its default; ``MIEN_SERVICE_PORT`` is ``port``, and so on."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid")

    host: str = Field(
        default="127.0.0.1",
        description="Address to listen on; another than this machine's own needs keys.",
    )
    port: int = Field(
        default=8000, ge=0, le=65535, description="Port to listen on; 0 takes a free one."
    )
    workers: int = Field(default=1, ge=1, le=64, description="Processes that answer.")
    drain_s: float = Field(
        default=10.0,
        ge=0,
        le=10,
        description="How long accepted requests may take after SIGTERM, s.",
    )

    model: str = Field(default="mien-s", description="Name of a model, or path of a model file.")
    labels: str | None = Field(default=None, description="ferplus or fer2013, as the model has.")
    detector: str = Field(default="auto", description="auto, haar, yunet or none.")
    detector_file: Path | None = Field(
        default=None, description="YuNet's file, if it lies elsewhere."
    )
    min_confidence: float | None = Field(
        default=None, ge=0, le=1, description="Less confident answers are unsure."
    )
    search_px: int = Field(
        default=128, ge=64, le=4096, description="Longer side at which faces are looked for first."
    )
    jobs: int = Field(
        default=0,
        ge=0,
        le=256,
        description="Threads that search and classify, in a process; 0: processors through workers.",
    )
    batch_size: int = Field(
        default=8,
        ge=1,
        le=1024,
        description="Pictures that a thread takes at once, and faces that it classifies at once, at most.",
    )
    batch_wait_ms: float = Field(
        default=0.0,
        ge=0,
        le=1000,
        description="How long a thread waits for more pictures than wait already.",
    )

    keys: Path | None = Field(
        default=None, description="File with the hashes of the API keys: mien keys add."
    )
    rate_per_s: float = Field(
        default=50.0,
        ge=0.001,
        le=1e6,
        description="Requests a second that a key may make in the long run.",
    )
    burst: int = Field(default=100, ge=1, description="Requests that a key may make at once.")
    origins: Names = Field(
        default=(), description="Web pages that may call: https://… with commas between."
    )
    hosts: Names = Field(
        default=(),
        description="Names by which the service may be called; without keys only this machine's.",
    )

    max_body_bytes: int = Field(
        default=8 << 20, ge=1 << 10, le=1 << 30, description="Largest body of a request."
    )
    max_pixels: int = Field(default=16_000_000, ge=64, description="Largest picture, in pixels.")
    max_pictures: int = Field(default=16, ge=1, le=10_000, description="Pictures in a request.")
    max_faces: int = Field(
        default=64,
        ge=1,
        le=10_000,
        description="Faces of a picture that are answered; the largest stay.",
    )
    max_requests: int = Field(
        default=128, ge=1, description="Requests at work at the same time, in a process."
    )
    max_waiting_bytes: int = Field(
        default=256 << 20,
        ge=1 << 20,
        description="Bodies in memory at the same time, in a process.",
    )
    max_connections: int = Field(default=1024, ge=1, description="Open connections, in a process.")
    timeout_s: float = Field(
        default=10.0, ge=0.05, le=600, description="How long an answer may take."
    )
    upload_s: float = Field(
        default=15.0,
        ge=0.1,
        le=600,
        description="How long headers, and then a body, may take to arrive.",
    )

    fallback: Literal["none", "rekognition"] = Field(
        default="none", description="Whom to ask where mien is unsure."
    )
    fallback_region: str | None = Field(
        default=None, description="AWS region; without it, what AWS's own settings say."
    )
    fallback_timeout_s: float = Field(
        default=2.0, ge=0.05, le=10, description="How long the cloud is waited for."
    )

    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least level that is logged."
    )

    @field_validator(
        "host",
        "model",
        "labels",
        "detector",
        "detector_file",
        "keys",
        "fallback_region",
        mode="before",
    )
    @classmethod
    def _not_empty(cls, value: object) -> object:
        if value == "":
            raise ValueError("nothing is no value; leave the variable out instead")
        return value

    @field_validator("origins", "hosts", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return (
            tuple(word.strip() for word in value.split(",") if word.strip())
            if isinstance(value, str)
            else value
        )

    @field_validator("origins")
    @classmethod
    def _as_browsers_send_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(as_origin, origins))

    @field_validator("hosts")
    @classmethod
    def _as_callers_send_names(cls, hosts: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(as_host_name, hosts))

    @field_validator("max_pixels")
    @classmethod
    def _at_most_what_is_decoded(cls, max_pixels: int) -> int:
        if max_pixels > MAX_PIXELS:
            raise ValueError(f"mien decodes no picture above {MAX_PIXELS}")
        return max_pixels


def load_settings() -> Settings:
    """Read the settings from the environment.

    Raises:
        ConfigError: If a variable is unknown, cannot be used, or would make the service unsafe; on one line.
    """
    refuse_unknown_variables(PREFIX, Settings.model_fields, "docs/deploying.md")
    try:
        settings = Settings()
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = PREFIX + str(first["loc"][0]).upper()
        reason = first["msg"].removeprefix("Value error, ")
        raise ConfigError(f"{name} is {first['input']!r}: {' '.join(reason.split())}.") from None
    check_safe(settings)
    return settings


def check_safe(settings: Settings) -> None:
    """Refuse what would let strangers in, and what could never answer.

    Raises:
        ConfigError: If the address is not this machine's own and there are no keys, or others may write the keys; or if a
            body that is let in would never find room, or an answer would always come too late.
    """
    if settings.batch_wait_ms >= 1000 * settings.timeout_s:
        raise ConfigError(
            f"{PREFIX}BATCH_WAIT_MS is {settings.batch_wait_ms:g}, as long as an answer may take ({PREFIX}TIMEOUT_S is "
            f"{settings.timeout_s:g} s): none would come in time. Raise the one or lower the other"
        )
    if settings.max_waiting_bytes < settings.max_body_bytes:
        raise ConfigError(
            f"{PREFIX}MAX_WAITING_BYTES is {settings.max_waiting_bytes}, less than one body of {PREFIX}MAX_BODY_BYTES, "
            f"{settings.max_body_bytes}: the largest bodies would be refused for ever. Raise the one or lower the other"
        )
    if settings.keys is not None:
        _check_keys_file(settings.keys)
    if is_loopback(settings.host):
        return
    if settings.keys is None:
        raise ConfigError(
            f"{settings.host} can be reached from other machines, and no API keys are set: anyone could use it. "
            f"Make one with: mien keys add NAME --file keys.json, and set {PREFIX}KEYS=keys.json; or listen on 127.0.0.1"
        )
    if not any(key.is_active for key in read_keys(settings.keys)):
        raise ConfigError(
            f"{settings.keys} holds no active key. Make one with: mien keys add NAME --file {settings.keys}"
        )


def _check_keys_file(path: Path) -> None:
    read_keys(path)  # raises what is wrong with it
    if os.name == "posix" and path.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise ConfigError(
            f"{path} can be written by others, who could let themselves in. Close it: chmod 600 {path}"
        )
