// A student's page: join, wait, send one frame at a time, see one's own state, tap, stop, withdraw.
"use strict";

const WIDTH = 320, HEIGHT = 240, MAX_JPEG = 64 * 1024;
const page = { token: sessionStorage.getItem("token"), socket: null, sequence: 0, admitted: false,
  camera: "none", stream: null, pace: 500, sentAt: 0, inFlight: false, timer: null, over: false, wait: 500 };
const byId = (id) => document.getElementById(id);
const consent = byId("joining").dataset.consent;
const preview = byId("preview").getContext("2d");

for (const choice of document.querySelectorAll("input[name=camera]")) {
  choice.addEventListener("change", () => {
    byId("agree").hidden = choice.value === "none";
    byId("join").elements.agreed.required = choice.value !== "none";
  });
}

byId("join").addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.target.elements;
  const camera = form.camera.value;
  const body = { code: form.code.value, camera, consent: camera === "none" ? null : consent,
    research: Boolean(form.research && form.research.checked) };
  try {
    const joined = await (await ask("POST", "/api/join", null, body)).json();
    page.token = joined.token;
    sessionStorage.setItem("token", page.token); // of this tab only, so that a reload comes back
    byId("problem").textContent = "";
    connect();
  } catch (error) {
    byId("problem").textContent = error.message;
  }
});

function connect() {
  const socket = page.socket = openSocket("/ws/student");
  socket.onopen = () => socket.send(encodeText(KIND.hello, 0, page.token));
  socket.onmessage = (event) => receive(JSON.parse(event.data));
  socket.onclose = (event) => closed(event.code);
}

function closed(code) {
  page.inFlight = false;
  clearTimeout(page.timer);
  if ([1000, 4002, 4003, 4004].includes(code)) return finish(code === 4002 ? "withdrawn" : "ended");
  if (page.over || code === 4001) return stopCamera();
  // Wait longer each time, and not as long as everybody else.
  page.wait = Math.min(10000, page.wait * 2);
  setTimeout(connect, page.wait * (0.5 + Math.random()));
}

function receive(message) {
  if (message.type === "welcome") {
    page.wait = 500;
    page.sequence = message.sequence;
    page.pace = message.pace_ms;
    page.admitted = message.admitted;
    page.camera = message.camera;
    byId("tag").textContent = message.tag || "";
    arrange();
  } else if (message.type === "admitted") {
    page.admitted = true;
    arrange();
  } else if (message.type === "ack") {
    page.pace = message.pace_ms;
    page.inFlight = false;
    if (message.crop) outline(message.crop);
    plan();
  } else if (message.type === "reading") {
    byId("state").textContent = WORDS[message.state];
  } else if (message.type === "tapped") {
    for (const button of byId("taps").children) {
      button.setAttribute("aria-pressed", String(button.dataset.answer === message.answer));
    }
  } else if (message.type === "camera") {
    page.camera = message.camera;
    arrange();
  }
}

function arrange() {
  show("joining", false);
  show("lobby", !page.admitted);
  show("inside", page.admitted);
  show("leaving", true);
  const on = page.camera === "frames";
  byId("camera").textContent = on ? byId("camera").dataset.stop : byId("camera").dataset.start;
  if (page.admitted && on) startCamera(); else stopCamera();
}

async function startCamera() {
  if (!page.stream) {
    try {
      page.stream = await navigator.mediaDevices.getUserMedia({ video: { width: WIDTH, height: HEIGHT } });
    } catch (error) {
      byId("problem").textContent = error.message;
      return changeCamera("none");
    }
    byId("video").srcObject = page.stream;
    await byId("video").play();
  }
  light(true);
  plan();
}

function stopCamera() {
  clearTimeout(page.timer);
  if (page.stream) page.stream.getTracks().forEach((track) => track.stop());
  page.stream = null;
  preview.clearRect(0, 0, WIDTH, HEIGHT);
  light(false);
}

function light(on) {
  byId("air").textContent = on ? byId("air").dataset.on : byId("air").dataset.off;
  byId("air").classList.toggle("on", on);
}

function plan() {
  clearTimeout(page.timer);
  if (page.stream && !page.inFlight) {
    page.timer = setTimeout(sendFrame, Math.max(0, page.sentAt + page.pace - performance.now()));
  }
}

function sendFrame() {
  if (!page.stream || page.inFlight || page.socket.readyState !== WebSocket.OPEN) return;
  page.inFlight = true;
  page.sentAt = performance.now();
  preview.drawImage(byId("video"), 0, 0, WIDTH, HEIGHT); // what is shown is what is sent
  preview.canvas.toBlob(async (blob) => {
    const jpeg = new Uint8Array(await blob.arrayBuffer());
    if (!page.stream || jpeg.length > MAX_JPEG || page.socket.readyState !== WebSocket.OPEN) {
      page.inFlight = false;
      return plan();
    }
    page.socket.send(encode(KIND.frame, ++page.sequence, jpeg));
  }, "image/jpeg", 0.8);
}

function outline(corners) {
  preview.strokeStyle = "#0a7";
  preview.lineWidth = 2;
  preview.beginPath();
  for (const [x, y] of corners) preview.lineTo(x, y);
  preview.closePath();
  preview.stroke();
}

async function changeCamera(camera) {
  if (camera === "none") stopCamera(); // at once, whatever the server says
  page.camera = camera;
  const body = { camera, consent: camera === "none" ? null : consent };
  try {
    await ask("PUT", "/api/me/camera", page.token, body);
  } catch (error) {
    byId("problem").textContent = error.message;
  }
}

byId("camera").addEventListener("click", () => {
  const starting = page.camera === "none";
  if (!starting || confirm(WORDS.consent)) changeCamera(starting ? "frames" : "none");
});

for (const button of byId("taps").children) {
  button.addEventListener("click", () => {
    if (page.socket.readyState === WebSocket.OPEN) {
      page.socket.send(encodeText(KIND.tap, ++page.sequence, button.dataset.answer));
    }
  });
}

byId("withdraw").addEventListener("click", async () => {
  page.over = true;
  stopCamera();
  try {
    await ask("DELETE", "/api/me", page.token);
  } catch (error) {
    byId("problem").textContent = error.message;
    page.over = false;
    return;
  }
  finish("withdrawn");
});

function finish(how) {
  page.over = true;
  stopCamera();
  sessionStorage.removeItem("token");
  for (const id of ["joining", "lobby", "inside", "leaving"]) show(id, false);
  byId("over").textContent = byId("over").dataset[how];
}

if (page.token) connect();
