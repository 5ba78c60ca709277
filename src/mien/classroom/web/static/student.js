// A student's page: join, wait, send one frame at a time, see one's own state, tap, stop, withdraw.
"use strict";

const page = { token: sessionStorage.getItem("token"), socket: null, sequence: 0, admitted: false, camera: "none", over: false, wait: 500 };
const consent = byId("joining").dataset.consent;
const camera = new Camera(sendFrame, light, () => turnOff(new Error(WORDS.camera_ended)));

for (const choice of document.querySelectorAll("input[name=camera]")) {
  choice.addEventListener("change", arrangeTerms);
}

function arrangeTerms() {
  const form = byId("join").elements, withCamera = form.camera.value !== "none";
  show("terms", withCamera);
  form.agreed.required = withCamera;
}

onSubmit("join", async (form) => {
  explain(null);
  const chosen = form.camera.value;
  const body = { code: form.code.value, camera: chosen, consent: chosen === "none" ? null : consent,
    research: Boolean(chosen !== "none" && form.research?.checked) };
  try {
    const joined = await (await ask("POST", "/api/join", null, body)).json();
    keepToken(joined.token);
    sessionStorage.setItem("receipt", joined.receipt);
    sessionStorage.removeItem("stopped");
    page.camera = chosen;
    byId("tag").textContent = joined.tag;
    arrange(); // before the socket is open: the form must be gone, or it could be sent again
    byId("lobby-title").focus();
    connect();
  } catch (error) {
    explain(error);
  }
});

function keepToken(token) {
  page.token = token;
  sessionStorage.setItem("token", token); // of this tab only, so that a reload comes back
}

function connect() {
  const socket = page.socket = openSocket("/ws/student");
  socket.onopen = () => socket.send(encodeText(KIND.hello, 0, page.token));
  // An older one may still have something to say, and be told that the newer one is "elsewhere".
  socket.onmessage = (event) => socket === page.socket && receive(JSON.parse(event.data));
  socket.onclose = (event) => socket === page.socket && closed(event.code);
}

const ENDINGS = { 1000: "ended", 4001: "elsewhere", 4004: "ended" };

function closed(code) {
  camera.pause();
  if (page.over) return;
  if (code === 4002) return finish(page.admitted ? "withdrawn" : "sent_away");
  if (ENDINGS[code]) return finish(ENDINGS[code]);
  if (code === 4003) return comeBack();
  later(connect);
}

// Wait longer each time, and not as long as everybody else.
function later(action) {
  show("link", true);
  page.wait = Math.min(10000, page.wait * 2);
  clearTimeout(page.again); // one at a time, or the second would close the first as opened elsewhere
  page.again = setTimeout(() => page.over || action(), page.wait * (0.5 + Math.random()));
}

// The token is over: a lid was closed for half an hour. The receipt lives longer, and gives a new one for the same seat.
async function comeBack() {
  const receipt = sessionStorage.getItem("receipt");
  if (!receipt) return finish("expired");
  try {
    keepToken(await tokenFor(receipt));
    later(connect);
  } catch (error) {
    if (error.status === 404) finish("expired"); // nothing is kept any more
    else later(comeBack);
  }
}

function receive(message) {
  if (page.over) return;
  if (message.type === "welcome") {
    page.wait = 500;
    page.sequence = message.sequence;
    camera.pace = message.pace_ms;
    page.admitted = message.admitted;
    page.camera = message.camera;
    page.mode = message.mode;
    byId("tag").textContent = message.tag || "";
    show("link", false);
    // Stopped while the server could not write it down, which has been started again since: it stays stopped.
    if (page.camera !== "none" && sessionStorage.getItem("stopped")) turnOff();
    arrange();
    who();
  } else if (message.type === "admitted") {
    page.admitted = true;
    arrange();
    byId("lesson-title").focus();
  } else if (message.type === "ack") {
    camera.answered(message);
  } else if (message.type === "reading") {
    if (page.camera !== "none") tellState(message.state, message.reason);
  } else if (message.type === "tapped") {
    press(message.answer);
  } else if (message.type === "camera") {
    if (message.camera !== "none" && sessionStorage.getItem("stopped")) return; // turned off since, or told that it failed
    page.camera = message.camera;
    arrange();
  }
}

// The lesson's title; asking also keeps the token alive, without which nobody could withdraw.
async function who() {
  try {
    const me = await (await ask("GET", "/api/me", page.token)).json();
    byId("lesson-title").textContent = me.title;
    showResearch(me);
  } catch {
    // the socket tells what has ended
  }
}
setInterval(() => page.token && !page.over && who(), STAY_SIGNED_IN_MS);

function arrange() {
  const on = page.camera === "frames";
  show("joining", false);
  show("lobby", !page.admitted);
  show("inside", page.admitted);
  showLeaving();
  byId("camera").textContent = on ? byId("camera").dataset.stop : byId("camera").dataset.start;
  byId("camera").classList.toggle("main", !on);
  if (page.admitted && on) return startCamera();
  camera.stop();
  tellState(null);
}

function showLeaving() {
  const receipt = sessionStorage.getItem("receipt");
  show("receipt-line", Boolean(receipt));
  byId("receipt").textContent = (receipt || "").replace(/(.{4})(?=.)/g, "$1 ");
  show("leaving", true);
}

async function startCamera() {
  if (!camera.stream) tellState("no_data", page.mode === "presence" ? null : "baseline");
  try {
    await camera.start();
    camera.connected();
  } catch {
    if (page.camera === "frames") turnOff(new Error(WORDS.camera_refused)); // else it was stopped while it started
  }
}

function tellState(state, reason) {
  const told = { state: state ? WORDS[state] : "–", meaning: !state ? WORDS.means_no_camera : WORDS[`why_${reason}`] || WORDS[`means_${state}`] };
  for (const [id, words] of Object.entries(told)) { // a screen reader would say the same again every five seconds
    if (byId(id).textContent !== words) byId(id).textContent = words;
  }
}

function light(how) {
  byId("air").textContent = byId("air").dataset[how];
  byId("air").classList.toggle("on", how === "on");
}

function sendFrame(jpeg) {
  if (page.socket.readyState !== WebSocket.OPEN || !page.admitted || page.camera !== "frames") return false;
  page.socket.send(encode(KIND.frame, ++page.sequence, jpeg));
  return true;
}

async function turnOn() {
  page.camera = "frames";
  sessionStorage.removeItem("stopped");
  try {
    await choose("frames", consent);
    who();
  } catch (error) {
    if (!page.over) await turnOff(error); // the server may have noted it all the same
  }
}

// At once, whatever the server says. It stays off in this tab, also if the server did not hear of it, until somebody turns it on.
async function turnOff(why = null) {
  page.camera = "none";
  sessionStorage.setItem("stopped", "yes");
  arrange();
  if (why) explain(why);
  try {
    await choose("none", null);
  } catch (error) {
    explain(why || error);
  }
  who(); // stopping takes the consent to research back as well
}

function choose(chosen, agreed) {
  return ask("PUT", "/api/me/camera", page.token, { camera: chosen, consent: agreed });
}

byId("camera").addEventListener("click", async () => {
  explain(null);
  if (page.camera !== "none") return turnOff();
  if (await confirmed("start-dialog")) turnOn();
});

let unpress = null;

function press(answer) {
  for (const one of byId("taps").children) one.setAttribute("aria-pressed", String(one.dataset.answer === answer));
  byId("tapped").textContent = answer ? WORDS.tapped : "";
  clearTimeout(unpress);
  if (answer) unpress = setTimeout(press, 60000); // it was counted for its minute
}

for (const one of byId("taps").children) {
  one.addEventListener("click", () => {
    if (page.socket.readyState === WebSocket.OPEN) {
      page.socket.send(encodeText(KIND.tap, ++page.sequence, one.dataset.answer));
    }
  });
}

onPress(byId("take"), async () => {
  explain(null);
  try {
    await save(await ask("GET", "/api/me/data", page.token), "mien-my-data.json");
  } catch (error) {
    explain(error);
  }
});

onPress(byId("withdraw"), async () => {
  if (!(await confirmed("withdraw-dialog"))) return;
  explain(null);
  const wasOver = page.over;
  page.over = true;
  camera.stop();
  try {
    const { token } = page, { deleted } = await (await ask("DELETE", "/api/me", token)).json();
    if (!deleted) untilDeleted(token, () => { byId("over-text").textContent = WORDS.withdrawn; });
    finish(!deleted ? "withdrawn_later" : wasOver ? "deleted" : "withdrawn");
  } catch (error) {
    if (wasOver) return explain(error);
    page.over = false;
    if (page.socket.readyState > WebSocket.OPEN) later(connect); // it broke meanwhile, when nobody wanted another
    turnOff(error);
  }
});

function finish(how) {
  page.over = true;
  explain(null);
  camera.stop();
  page.socket.close();
  for (const id of ["joining", "lobby", "inside", "leaving", "link"]) show(id, false);
  show("over", true);
  byId("over-text").textContent = WORDS[how];
  byId("over-text").focus();
  if (how === "ended") return stayToDelete();
  if (how !== "elsewhere") forget();
}

function forget() {
  for (const name of ["token", "receipt", "stopped"]) sessionStorage.removeItem(name);
}

// The lesson is over; what is kept can still be taken and deleted, until it goes by itself.
async function stayToDelete() {
  try {
    const me = await (await ask("GET", "/api/me", page.token)).json();
    byId("until").textContent = fill(byId("until").dataset.words, { time: when(me.kept_until) });
    showResearch(me);
    byId("withdraw").textContent = byId("withdraw").dataset.over;
    show("until", true);
    showLeaving();
    explain(null);
  } catch (error) {
    if (error.status === 401) return comeBackToDelete();
    explain(error);
    setTimeout(stayToDelete, 5000);
  }
}

// The token is over: the store has learned late of the lesson's end.
async function comeBackToDelete() {
  const receipt = sessionStorage.getItem("receipt");
  if (!receipt) return forget();
  try {
    keepToken(await tokenFor(receipt));
  } catch (error) {
    if (error.status === 404) return forget(); // nothing is kept any more
    explain(error);
  }
  setTimeout(stayToDelete, 5000);
}

byId("again").addEventListener("click", forget);
listenToResearch(() => page.token);

arrangeTerms();
if (page.token) connect();
