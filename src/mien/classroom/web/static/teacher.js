// A teacher's page: sign in, open a lesson, let students in, see the class as a whole, read the report.
"use strict";

const page = { token: sessionStorage.getItem("teacher"), lesson: null, socket: null, moments: new Map(), wait: 500, movedAt: -Infinity, drawn: null };
const DOUBLE_CLICK_MS = 500;
const ROWS_AT_ONCE = 720; // of the table: an hour
const chart = byId("chart") && new Chart(byId("chart"), WORDS.class_now);

async function tell(action) {
  explain(null);
  try {
    return await action();
  } catch (error) {
    if (error.status === 401 && page.token) signOut();
    if (error.status === 404) return lessonIsGone();
    explain(error);
    return null;
  }
}

// A teacher asks for nothing but lessons of their own: this one was deleted elsewhere, or is too old.
async function lessonIsGone() {
  await tell(goToLessons);
  explain(new Error(WORDS.lesson_gone));
  return null;
}

function signOut() {
  page.token = null;
  sessionStorage.removeItem("teacher");
  leave();
  only("signing");
  byId("teach-title").focus();
}

// The lesson goes on without this page.
function leave() {
  page.lesson = null;
  hangUp();
  sessionStorage.removeItem("lesson");
}

function hangUp() {
  const socket = page.socket;
  page.socket = null; // so that its end is nobody's business any more
  socket?.close();
}

function only(id) {
  for (const one of ["signing", "lessons", "lesson"]) show(one, one === id);
  show("session", id !== "signing");
  show("back", id === "lesson");
  show("link", false); // of a lesson that was left
}

onSubmit("sign-in", ({ key }) => tell(async () => {
  const answer = await ask("POST", "/api/sign-in", null, { key: key.value });
  key.value = "";
  page.token = (await answer.json()).token;
  sessionStorage.setItem("teacher", page.token); // of this tab only
  await goToLessons();
}));

onPress(byId("sign-out"), () => tell(async () => {
  await ask("POST", "/api/sign-out", page.token);
  signOut();
}));

async function listLessons() {
  const { lessons } = await (await ask("GET", "/api/lessons", page.token)).json();
  leave();
  only("lessons");
  byId("list").replaceChildren(...lessons.map(entry));
  show("list-empty", !lessons.length);
  return lessons;
}

async function goToLessons() {
  await listLessons();
  byId("new-title").focus();
}

function entry(lesson) {
  const about = make("span", [make("strong", make("bdi", lesson.title)), ` · ${when(lesson.started_at)}${lesson.ended_at ? "" : ` · ${WORDS.running}`}`]);
  const open = lesson.ended_at ? button(WORDS.report, () => tell(() => showReport(lesson))) : button(WORDS.go_on, () => enter(lesson), { class: "main" });
  return make("li", [about, open]);
}

onSubmit("open", ({ title }) => tell(async () => {
  enter(await (await ask("POST", "/api/lessons", page.token, { title: title.value })).json());
  title.value = "";
}));

// A lesson that runs

function arrange(lesson, isRunning) {
  page.lesson = lesson;
  only("lesson");
  byId("title").replaceChildren(...(isRunning ? [] : [`${WORDS.report}: `]), make("bdi", lesson.title)); // it may be written to the left
  byId("now-title").textContent = isRunning ? byId("now-title").dataset.running : WORDS.report;
  for (const id of ["door", "counts", "running-tools"]) show(id, isRunning);
  for (const id of ["report-tools", "looked"]) show(id, !isRunning);
  for (const id of ["store", "load"]) show(id, false);
  forget();
  byId("title").focus();
}

function forget() {
  page.moments.clear();
  drawMoments();
  byId("answers").replaceChildren(make("p", WORDS.answers_none, { class: "note" }));
  byId("agreement").textContent = "";
  if (chart) {
    chart.points = [];
    drawClass();
  }
}

function enter(lesson) {
  arrange(lesson, true);
  sessionStorage.setItem("lesson", lesson.id); // a reload comes back
  byId("code").textContent = lesson.code.replace(/(.{4})(?=.)/, "$1 ");
  byId("code").setAttribute("aria-label", lesson.code.split("").join(" "));
  byId("address").textContent = fill(WORDS.join_at, { address: location.host });
  connect();
}

function connect() {
  const lesson = page.lesson;
  const socket = page.socket = openSocket("/ws/teacher");
  socket.onopen = () => socket.send(encodeText(KIND.hello, 0, `${page.token} ${lesson.id}`));
  socket.onmessage = (event) => socket === page.socket && page.lesson === lesson && receive(JSON.parse(event.data));
  socket.onclose = (event) => {
    if (socket !== page.socket || page.lesson !== lesson) return;
    if (event.code === 4003) return tell(() => ask("GET", "/api/lessons", page.token)); // signs out if the token is over
    if ([1000, 4004].includes(event.code)) return tell(() => awaitReport(lesson));
    show("link", true);
    page.wait = Math.min(10000, page.wait * 2);
    setTimeout(() => socket === page.socket && connect(), page.wait * (0.5 + Math.random()));
  };
}

function receive(message) {
  if (message.type === "history") {
    page.wait = 500;
    for (const id of ["store", "load", "link"]) show(id, false); // what stands there now follows
    forget();
    message.messages.forEach(take);
    drawClass();
    drawMoments();
  } else if (message.type === "room") {
    drawRoom(message);
  } else if (message.type === "store") {
    show("store", message.away_since !== null);
    const time = message.away_since && hour(message.away_since);
    byId("store").textContent = time ? fill(message.reason === "full" ? WORDS.store_full : WORDS.store_away, { time }) : "";
  } else if (message.type === "load") {
    show("load", message.is_too_high);
  } else {
    // The list is drawn anew each time, and after a broken connection: only what is new is said.
    if (message.type === "moment" && !page.moments.has(momentKey(message))) byId("news").textContent = tellMoment(message);
    take(message);
    if (message.type === "aggregate") drawClass();
    if (message.type === "moment") drawMoments();
  }
}

// What history, socket and report tell alike.
function take(message) {
  if (message.type === "aggregate") chart?.points.push(message);
  else if (message.type === "answers") drawAnswers(message);
  else if (message.type === "agreement") drawAgreement(message);
  else if (message.type === "moment") page.moments.set(momentKey(message), message);
}

function momentKey(moment) {
  return `${moment.state} ${moment.start_s}`;
}

function tellMoment(moment) {
  return fill(WORDS.moment_line, { state: WORDS[moment.state], before: moment.before_percent, peak: moment.peak_percent });
}

function drawRoom(room) {
  byId("connected").textContent = room.connected;
  byId("admitted").textContent = fill(WORDS.count_in_of, { n: room.admitted });
  const list = byId("waiting"), ids = new Set(room.waiting.map((one) => one.id)), focused = document.activeElement;
  const here = focused.closest("#waiting li");
  let next = here; // whoever is let in would take the focus along
  while (next && !ids.has(next.dataset.id)) next = next.nextElementSibling;
  for (const item of [...list.children]) {
    if (ids.delete(item.dataset.id)) continue;
    item.remove();
    page.movedAt = performance.now();
  }
  list.append(...room.waiting.filter((one) => ids.has(one.id)).map(waiting)); // the others are not touched
  show("admit-all", room.waiting.length > 1);
  const told = room.waiting.length ? fill(WORDS.how_many_wait, { n: room.waiting.length }) : WORDS.nobody_waits;
  if (byId("how-many").textContent !== told) byId("how-many").textContent = told;
  if (here && here !== next) (next || byId("room-title")).focus(); // not a button, or Enter pressed twice would let in two
  if (focused === byId("admit-all") && focused.hidden) byId("room-title").focus();
}

function waiting(student) {
  return make("li", [make("strong", student.tag), button(WORDS.admit, () => decideOnce("admit", student), { "aria-label": `${WORDS.admit}: ${student.tag}` }),
    button(WORDS.refuse, () => decideOnce("refuse", student), { "aria-label": `${WORDS.refuse}: ${student.tag}` })], { "data-id": student.id, tabindex: -1 });
}

// The second press of a double click must not meet whoever has just moved up to that place.
function decideOnce(verb, student) {
  if (performance.now() - page.movedAt > DOUBLE_CLICK_MS) return decide(verb, [student.id]);
}

onPress(byId("admit-all"), () => decide("admit", [...byId("waiting").children].map((item) => item.dataset.id)));

function decide(verb, participants) {
  return tell(() => ask("POST", `/api/lessons/${page.lesson.id}/${verb}`, page.token, { participants }));
}

function drawClass() {
  if (!chart) return;
  const newest = chart.points[chart.points.length - 1];
  byId("valid").textContent = newest?.num_valid ?? "–";
  byId("present").textContent = newest ? tellPresent(newest) : "";
  const isOver = !byId("report-tools").hidden; // a report says it only of a lesson that never showed anything
  show("withheld", isOver ? !chart.points.some((one) => one.percent) : !newest?.percent);
  chart.moments = [...page.moments.values()];
  chart.draw();
  drawTable();
}

// Who is there with a camera: counted together, or not.
function tellPresent({ num_present, num_waiting }) {
  const parts = [];
  if (num_present) parts.push(fill(WORDS.count_valid_of, { n: num_present }));
  if (num_waiting) parts.push(fill(WORDS.count_waiting, { n: num_waiting }));
  return parts.join("; ") || WORDS.count_nobody;
}

// Rows that stand there stay: drawing the thousands of a long lesson anew would take seconds, every five of them.
function drawTable() {
  const table = byId("table"), states = chart.states(), columns = states.join();
  if (!table.closest("details").open) return;
  let { drawn } = page;
  if (drawn?.points !== chart.points || drawn.columns !== columns) {
    const head = [WORDS.time, WORDS.valid_counted_present, ...states.map((state) => WORDS[state])];
    const cells = head.map((name) => make("th", name, { scope: "col" }));
    table.replaceChildren(make("thead", make("tr", cells)), make("tbody", []));
    const until = chart.points.length;
    drawn = page.drawn = { points: chart.points, columns, from: until, until, limit: ROWS_AT_ONCE };
  }
  const [body] = table.tBodies, oldest = Math.max(0, chart.points.length - drawn.limit);
  while (drawn.until < chart.points.length) body.prepend(row(chart.points[drawn.until++], states)); // the newest first
  while (drawn.from > oldest) body.append(row(chart.points[--drawn.from], states));
  for (; drawn.from < oldest; drawn.from++) body.lastChild.remove();
  show("earlier", drawn.from > 0);
}

function row(one, states) {
  const shares = one.percent ? states.map((state) => make("td", `${one.percent[state] ?? 0} %`))
    : [make("td", WORDS.withheld, { colspan: states.length || 1 })];
  return make("tr", [make("th", clock(one.time_s), { scope: "row" }), make("td", counts(one)), ...shares]);
}

if (byId("earlier")) {
  onPress(byId("earlier"), () => {
    page.drawn.limit += ROWS_AT_ONCE;
    drawTable();
    if (byId("earlier").hidden) byId("table").parentElement.focus();
  });
}

function drawMoments() {
  const moments = [...page.moments.values()].sort((one, other) => one.start_s - other.start_s); // a restart tells them as they ended
  show("moments-none", !moments.length);
  byId("moments").replaceChildren(...moments.map((one) => {
    const until = one.end_s === null ? WORDS.going_on : clock(one.end_s);
    return make("li", [make("span", tellMoment(one)), make("span", `${clock(one.start_s)} – ${until}`, { class: "note" })]);
  }));
  if (chart && page.lesson) {
    chart.moments = moments;
    chart.draw();
  }
}

function drawAnswers(message) {
  const { counts } = message, of = { from: Math.round(message.start_s / 60), to: Math.round(message.end_s / 60), n: message.num_present };
  byId("trouble").textContent = counts ? counts.lost + counts.too_fast : "–";
  const bars = Object.entries(counts || {}).flatMap(([answer, count]) => [make("dt", WORDS[answer]),
    make("dd", make("progress", "", { max: Math.max(message.num_present, ...Object.values(counts)), value: count, "aria-label": WORDS[answer] })), make("dd", `${count}`)]);
  const told = counts ? [make("dl", bars, { class: "bars" })] : [make("p", WORDS.withheld, { class: "why" })];
  byId("answers").replaceChildren(...told, make("p", fill(WORDS.answers_of, of), { class: "note" }));
}

function drawAgreement(message) {
  const kappa = message.kappa === null ? "" : `, κ = ${message.kappa}`;
  byId("agreement").textContent = `${WORDS.agreement}: ${message.percent_agreeing} % (n = ${message.num_taps}${kappa})`;
}

onPress(byId("end"), async () => {
  if (!(await confirmed("end-dialog"))) return;
  const { lesson } = page;
  await tell(async () => {
    await ask("POST", `/api/lessons/${lesson.id}/end`, page.token);
    if (page.lesson === lesson && page.socket) await awaitReport(lesson); // else the socket has told it
  });
});

// The report

// The end is stored after all else of a lesson. While the store is away both wait, and so does this page.
async function awaitReport(lesson) {
  hangUp();
  for (const id of ["store", "load", "link", "door", "running-tools"]) show(id, false);
  byId("title").focus(); // the button is gone
  for (let tries = 0; ; tries++) {
    await new Promise((done) => setTimeout(done, tries ? 2000 : 500));
    if (page.lesson !== lesson) return; // left meanwhile
    try {
      const { ended_at } = await (await ask("GET", `/api/lessons/${lesson.id}`, page.token)).json();
      if (ended_at) return await showReport(lesson);
    } catch (error) {
      if ([401, 404].includes(error.status)) throw error; // all else goes by: a proxy says 502 while the server starts anew
    }
    if (tries && page.lesson === lesson) explain(new Error(WORDS.report_waits));
  }
}

async function showReport(lesson) {
  const report = await (await ask("GET", `/api/lessons/${lesson.id}/report?format=json`, page.token)).json();
  hangUp();
  sessionStorage.removeItem("lesson");
  explain(null);
  arrange(lesson, false);
  for (const type of ["aggregate", "moment"]) report[`${type}s`].forEach((one) => take({ type, ...one }));
  const sums = { lost: 0, ok: 0, too_fast: 0 }, shown = report.answers.filter((one) => one.counts);
  for (const one of shown) for (const answer in sums) sums[answer] += one.counts[answer];
  if (shown.length) {
    const { start_s } = shown[0], { end_s } = shown[shown.length - 1];
    drawAnswers({ start_s, end_s, counts: sums, num_present: Math.max(...shown.map((one) => one.num_present)) }); // more taps than students
  } else if (report.answers.length) {
    drawAnswers(report.answers[report.answers.length - 1]);
  }
  if (report.agreement) drawAgreement(report.agreement);
  const gaps = report.gaps.map((one) => `${hour(one.start_at)} – ${hour(one.end_at)}: ${WORDS[`gap_${one.reason}`]}, ${WORDS.gap_rows}: ${one.lost_rows}`);
  byId("store").textContent = `${WORDS.gaps}: ${gaps.join("; ")}`;
  show("store", gaps.length > 0);
  drawMoments();
  drawClass();
  const { views } = await (await ask("GET", `/api/lessons/${lesson.id}/views`, page.token)).json();
  byId("views").replaceChildren(...views.map((one) => {
    const [did, ...how] = one.action.split(" ");
    return make("li", [make("span", [make("bdi", one.teacher), `: ${WORDS[`did_${did}`]} ${how.join(" ").toUpperCase()}`]), make("span", when(one.at), { class: "note" })]);
  }));
}

if (byId("export")) {
  onPress(byId("export"), () => tell(async () => {
    await save(await ask("GET", `/api/lessons/${page.lesson.id}/export`, page.token), `windows-${page.lesson.id}.csv`);
  }));
}

onPress(byId("delete"), async () => {
  if (!(await confirmed("delete-dialog"))) return;
  await tell(async () => {
    await ask("DELETE", `/api/lessons/${page.lesson.id}`, page.token);
    await goToLessons();
  });
});

for (const one of byId("report-tools").querySelectorAll("[data-format]")) {
  const format = one.dataset.format;
  onPress(one, () => tell(async () => {
    const here = `lang=${document.documentElement.lang}&utc_offset_min=${-new Date(page.lesson.started_at).getTimezoneOffset()}`;
    const path = `/api/lessons/${page.lesson.id}/report?format=${format}&${here}`;
    await save(await ask("GET", path, page.token), `lesson-${page.lesson.id}.${format}`);
  }));
}

onPress(byId("back"), () => tell(goToLessons));
byId("table")?.closest("details").addEventListener("toggle", drawTable);

// A lesson that runs is known while the store is away. Else this waits for it, as long as nobody signs in anew.
async function comeBack() {
  const id = sessionStorage.getItem("lesson");
  try {
    const lesson = id && await (await ask("GET", `/api/lessons/${id}`, page.token)).json();
    if (lesson && !lesson.ended_at) enter(lesson);
    else await listLessons();
  } catch (error) {
    if (error.status === 401) throw error;
    if (error.status === 404) leave(); // and what is there is listed
    else explain(error);
    setTimeout(() => page.token && !byId("signing").hidden && tell(comeBack), error.status === 404 ? 0 : 5000);
  }
}

if (page.token) tell(comeBack);
// A socket does not keep the token alive.
setInterval(() => page.token && page.lesson && tell(() => ask("GET", `/api/lessons/${page.lesson.id}`, page.token)), STAY_SIGNED_IN_MS);
