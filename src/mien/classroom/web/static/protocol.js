// The binary messages of mien.classroom.protocol, and small things that both pages need.
"use strict";

const KIND = { hello: 0, frame: 1, signals: 2, tap: 3 };
const WORDS = JSON.parse(document.getElementById("words").textContent);

function encode(kind, sequence, payload) {
  const message = new Uint8Array(16 + payload.length);
  const view = new DataView(message.buffer);
  view.setUint8(0, 1); // version
  view.setUint8(1, kind);
  view.setUint32(4, sequence);
  view.setBigUint64(8, BigInt(Date.now()));
  message.set(payload, 16);
  return message;
}

function encodeText(kind, sequence, text) {
  return encode(kind, sequence, new TextEncoder().encode(text));
}

function openSocket(path) {
  const socket = new WebSocket(location.origin.replace(/^http/, "ws") + path);
  socket.binaryType = "arraybuffer";
  return socket;
}

// Ask the server; on a refusal throw its own words.
async function ask(method, path, token, body) {
  const headers = { "content-type": "application/json" };
  if (token) headers.authorization = `Bearer ${token}`;
  const text = body === undefined ? undefined : JSON.stringify(body);
  const answer = await fetch(path, { method, headers, body: text });
  if (!answer.ok) {
    const told = await answer.json().catch(() => null);
    throw new Error(told && told.error ? told.error.message : `${answer.status}`);
  }
  return answer;
}

function show(id, visible) {
  document.getElementById(id).hidden = !visible;
}
