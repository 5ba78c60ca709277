"""One line of JSON an event, on stderr: which route, how long, how many faces. No picture, no key, no address."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime

from mien.images import quiet_decoders

__all__ = ["JsonLines", "set_up_logging"]


class JsonLines(logging.Formatter):
    """Writes a record, and the fields that were given with ``extra={"fields": …}``."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line of JSON."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "process": record.process,
        }
        line.update(getattr(record, "fields", {}))
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def set_up_logging(level: str) -> None:
    """Send everything to stderr as lines of JSON.

    Args:
        level: The least that is written: ``"debug"``, ``"info"``, ``"warning"`` or ``"error"``.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    for name in ("mien", "uvicorn"):
        logger = logging.getLogger(name)
        logger.setLevel(level.upper())
        logger.handlers.clear()
        logger.propagate = True
    # What callers can have written as often as they like, and what they are told anyway.
    logging.getLogger("python_multipart").setLevel(logging.ERROR)
    logging.getLogger("uvicorn.error").addFilter(_is_no_caller_s_doing)
    quiet_decoders()


def _is_no_caller_s_doing(record: logging.LogRecord) -> bool:
    """Leave out what is no HTTP, since we write that down ourselves; who asked for a WebSocket; and advice to install one."""
    return not record.getMessage().startswith(
        ("Invalid HTTP request", "Unsupported upgrade", "No supported WebSocket")
    )
