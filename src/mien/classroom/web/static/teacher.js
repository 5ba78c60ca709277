// A teacher's page: sign in, open a lesson, let students in, see the class as a whole.
"use strict";

const COLOURS = { strained: "#c0392b", away: "#7f8c8d", turned: "#b08d57", positive: "#2e86c1",
  surprised: "#8e44ad", steady: "#229954", present: "#229954", no_data: "#bbbbbb" };
const page = { token: sessionStorage.getItem("teacher"), lesson: null, socket: null, aggregates: [], wait: 500 };
const byId = (id) => document.getElementById(id);

async function tell(action) {
  byId("problem").textContent = "";
  try {
    return await action();
  } catch (error) {
    byId("problem").textContent = error.message;
    return null;
  }
}

byId("sign-in").addEventListener("submit", (event) => {
  event.preventDefault();
  tell(async () => {
    const answer = await ask("POST", "/api/sign-in", null, { key: event.target.elements.key.value });
    page.token = (await answer.json()).token;
    sessionStorage.setItem("teacher", page.token);
    await listLessons();
  });
});

async function listLessons() {
  const { lessons } = await (await ask("GET", "/api/lessons", page.token)).json();
  show("signing", false);
  show("lessons", true);
  byId("list").replaceChildren(...lessons.map(entry));
}

function entry(lesson) {
  const item = document.createElement("li");
  item.append(`${lesson.title} · ${lesson.started_at.slice(0, 16)} `);
  if (!lesson.ended_at) item.append(button(WORDS.open, () => enter(lesson)));
  for (const format of ["html", "csv", "json"]) {
    item.append(button(`${WORDS.report} ${format}`, () => download(lesson.id, format)));
  }
  return item;
}

function button(text, action) {
  const made = document.createElement("button");
  made.textContent = text;
  made.addEventListener("click", action);
  return made;
}

function download(id, format) {
  return tell(async () => {
    const lang = document.documentElement.lang;
    const answer = await ask("GET", `/api/lessons/${id}/report?format=${format}&lang=${lang}`, page.token);
    const link = document.createElement("a");
    link.href = URL.createObjectURL(await answer.blob());
    link.download = `lesson-${id}.${format}`;
    link.click();
    URL.revokeObjectURL(link.href);
  });
}

byId("open").addEventListener("submit", (event) => {
  event.preventDefault();
  tell(async () => {
    const body = { title: event.target.elements.title.value };
    enter(await (await ask("POST", "/api/lessons", page.token, body)).json());
  });
});

function enter(lesson) {
  page.lesson = lesson;
  show("lessons", false);
  show("lesson", true);
  byId("title").textContent = lesson.title;
  byId("code").textContent = lesson.code;
  connect();
}

function connect() {
  const socket = page.socket = openSocket("/ws/teacher");
  socket.onopen = () => socket.send(encodeText(KIND.hello, 0, `${page.token} ${page.lesson.id}`));
  socket.onmessage = (event) => receive(JSON.parse(event.data));
  socket.onclose = (event) => {
    if ([1000, 4003, 4004].includes(event.code)) return leave();
    page.wait = Math.min(10000, page.wait * 2);
    setTimeout(connect, page.wait * (0.5 + Math.random()));
  };
}

function receive(message) {
  page.wait = 500;
  if (message.type === "history") {
    page.aggregates = [];
    byId("moments").replaceChildren();
    message.messages.forEach(receive);
  } else if (message.type === "room") {
    byId("count").textContent = `${message.connected} / ${message.admitted}`;
    byId("waiting").replaceChildren(...message.waiting.map(waiting));
    byId("admit-all").onclick = () => decide("admit", message.waiting.map((one) => one.id));
  } else if (message.type === "aggregate") {
    page.aggregates.push(message);
    byId("now").textContent = sentence(message);
    draw();
  } else if (message.type === "answers") {
    const counts = message.counts;
    byId("answers").textContent = counts
      ? Object.entries(counts).map(([answer, count]) => `${WORDS[answer]}: ${count}`).join(" · ")
      : WORDS.withheld;
  } else if (message.type === "moment") {
    const item = document.createElement("li");
    item.textContent = `${WORDS[message.state]}: ${message.start_s} s, ${message.before_percent} % → ${message.peak_percent} %`;
    byId("moments").append(item);
  }
}

function waiting(student) {
  const item = document.createElement("li");
  item.append(`${student.tag} `, button(WORDS.admit, () => decide("admit", [student.id])),
    button(WORDS.refuse, () => decide("refuse", [student.id])));
  return item;
}

function decide(verb, participants) {
  if (participants.length) tell(() => ask("POST", `/api/lessons/${page.lesson.id}/${verb}`, page.token, { participants }));
}

function sentence(aggregate) {
  if (!aggregate.percent) return WORDS.withheld;
  const shares = Object.entries(aggregate.percent).map(([state, share]) => `${WORDS[state]} ${share} %`);
  return `${shares.join(" · ")} (${aggregate.num_valid} / ${aggregate.num_present})`;
}

function draw() {
  const canvas = byId("chart"), line = canvas.getContext("2d");
  line.clearRect(0, 0, canvas.width, canvas.height);
  const shown = page.aggregates.filter((one) => one.percent);
  if (shown.length < 2) return;
  const first = shown[0].time_s, span = shown[shown.length - 1].time_s - first;
  for (const state of Object.keys(shown[0].percent)) {
    line.strokeStyle = COLOURS[state];
    line.lineWidth = 2;
    line.beginPath();
    for (const one of shown) {
      line.lineTo(((one.time_s - first) / span) * canvas.width, canvas.height * (1 - one.percent[state] / 100));
    }
    line.stroke();
  }
}

byId("end").addEventListener("click", () => tell(() => ask("POST", `/api/lessons/${page.lesson.id}/end`, page.token)));

function leave() {
  show("lesson", false);
  tell(listLessons);
}

if (page.token) {
  listLessons().catch(() => sessionStorage.removeItem("teacher"));
}
