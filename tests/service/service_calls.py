"""What the tests of the service share besides fixtures: pictures, requests as bytes, the shape of errors."""

import re
import socket
import subprocess

import cv2
import numpy as np


def png(tone, width=48, height=48):
    """A picture of one tone: the tiny model calls dark sad and bright happy."""
    return cv2.imencode(".png", np.full((height, width, 3), tone, np.uint8))[1].tobytes()


def error_of(response):
    """The error of an answer, whose shape is the same everywhere."""
    body = response.json()
    assert list(body) == ["error"]
    assert sorted(body["error"]) == ["code", "message"]
    assert all(isinstance(text, str) and text for text in body["error"].values())
    assert response.headers["content-type"] == "application/json"
    return response.status_code, body["error"]["code"], body["error"]["message"]


class Served:
    """`mien serve` in a process of its own."""

    def __init__(self, process, port, log):
        self.process, self.port, self.log = process, port, log

    def workers(self):
        """Process ids of the workers, if there are several."""
        done = subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(self.process.pid)],
            capture_output=True,
            text=True,
            check=False,
        )
        return [int(pid) for pid in done.stdout.split()]

    def connect(self, timeout_s=60):
        return socket.create_connection(("127.0.0.1", self.port), timeout_s)

    def text(self):
        return self.log.read_text()


def exchange(connection, sent):
    """Send bytes; return all that comes back until the other side closes, or one whole answer."""
    if sent:
        connection.sendall(sent)
    received = b""
    while True:
        try:
            chunk = connection.recv(65536)
        except ConnectionResetError:
            return received
        if not chunk:
            return received
        received += chunk
        head, separator, body = received.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head.lower())
        if separator and length and len(body) >= int(length[1]):
            return received


def post(body, path="/v1/predict", kind="image/png", extra=""):
    """The bytes of a request."""
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n{extra}\r\n"
    return head.encode() + body
