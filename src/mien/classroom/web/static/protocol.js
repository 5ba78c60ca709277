// The binary messages of mien.classroom.protocol, and small things that both pages need.
"use strict";

const KIND = { hello: 0, frame: 1, signals: 2, tap: 3 };
const WORDS = JSON.parse(document.getElementById("words").textContent);
const SILENT_MS = 30000; // three of the server's beats
const STAY_SIGNED_IN_MS = 4 * 60 * 1000; // a student's token lives 15 minutes after its last use, and sockets do not use it
const byId = (id) => document.getElementById(id);

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
  closeWhenSilent(socket);
  return socket;
}

// A connection whose way is gone may never say so: the page would show what was as what is. Its own end comes in minutes or not
// at all, so it is told here. By the clock of the day, which goes on while the machine sleeps.
function closeWhenSilent(socket) {
  let heardAt = Date.now();
  const watch = setInterval(() => {
    if (Math.abs(Date.now() - heardAt) < SILENT_MS) return;
    const told = socket.onclose;
    socket.onclose = null;
    clearInterval(watch);
    socket.close();
    told?.(new CloseEvent("close", { code: 1006 }));
  }, SILENT_MS / 10);
  socket.addEventListener("message", () => { heardAt = Date.now(); });
  socket.addEventListener("close", () => clearInterval(watch));
}

// Ask the server; on a refusal throw in the reader's language, or in the server's own words.
async function ask(method, path, token, body) {
  const headers = { "content-type": "application/json" };
  if (token) headers.authorization = `Bearer ${token}`;
  const text = body === undefined ? undefined : JSON.stringify(body);
  const answer = await fetch(path, { method, headers, body: text }).catch(() => {
    throw new Error(WORDS.error_network);
  });
  if (!answer.ok) {
    const told = (await answer.json().catch(() => null))?.error;
    throw Object.assign(new Error(WORDS[`error_${told?.code}`] || told?.message || `${answer.status}`), { status: answer.status });
  }
  return answer;
}

// A new token for what was written down.
async function tokenFor(receipt) {
  return (await (await ask("POST", "/api/receipt", null, { receipt })).json()).token;
}

// The store was away when a student withdrew. Ask again until the rows are gone; a server that starts anew in between knows of
// no withdrawal. No token, no student: then they are.
async function untilDeleted(token, done) {
  try {
    if ((await (await ask("DELETE", "/api/me", token)).json()).deleted) return done();
  } catch (error) {
    if (error.status === 401) return done();
  }
  setTimeout(() => untilDeleted(token, done), 5000);
}

function show(id, visible) {
  byId(id).hidden = !visible;
}

function fill(text, values) {
  return text.replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

function make(tag, content, attributes = {}) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...[content].flat());
  return element;
}

// Run what a button began, once: until it is done a second press does nothing. `disabled` would do, but throws the focus away.
async function once(pressed, action) {
  if (pressed.getAttribute("aria-disabled")) return;
  pressed.setAttribute("aria-disabled", "true");
  try {
    await action();
  } finally {
    pressed.removeAttribute("aria-disabled");
  }
}

function onPress(pressed, action) {
  pressed.addEventListener("click", () => once(pressed, action));
}

function onSubmit(id, action) {
  byId(id).addEventListener("submit", (event) => {
    event.preventDefault();
    once(byId(id).querySelector("button"), () => action(byId(id).elements));
  });
}

function button(text, action, attributes = {}) {
  const made = make("button", text, { type: "button", ...attributes });
  onPress(made, action);
  return made;
}

// Minutes and seconds of the lesson.
function clock(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

// A time of the server's in the reader's words.
function when(iso) {
  return new Date(iso).toLocaleString(document.documentElement.lang, { dateStyle: "medium", timeStyle: "short" });
}

function hour(iso) {
  return new Date(iso).toLocaleTimeString(document.documentElement.lang);
}

// Whether somebody says yes in a dialog.
function confirmed(id) {
  const dialog = byId(id);
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((done) => dialog.addEventListener("close", () => done(dialog.returnValue === "yes"), { once: true }));
}

async function save(answer, name) {
  const link = make("a", "", { href: URL.createObjectURL(await answer.blob()), download: name });
  link.click();
  URL.revokeObjectURL(link.href);
}

// The switch of the consent to research, where there is one: as it stands at the server, whatever was clicked.
function showResearch(me) {
  const one = byId("research-on");
  if (!one) return;
  one.checked = me.research;
  one.disabled = !me.research && (me.is_over || !me.consent);
}

function listenToResearch(tokenNow, refused = explain) {
  byId("research-on")?.addEventListener("change", async ({ target }) => {
    explain(null);
    try {
      await ask("PUT", "/api/me/research", tokenNow(), { research: target.checked });
    } catch (error) {
      refused(error);
      target.checked = !target.checked;
    }
  });
}

// At the lower edge of the window, wherever one is on the page.
function explain(error) {
  byId("problem").textContent = error ? error.message : "";
}

byId("understood").addEventListener("click", () => {
  explain(null);
  byId("main").focus({ preventScroll: true }); // the button is gone
});

