// One calm line chart of shares, drawn as SVG: a line a state, gaps where nothing is shown, a cursor for mouse and arrow keys.
"use strict";

const STATES = ["strained", "away", "turned", "positive", "surprised", "steady", "present", "no_data"];
const AT_FIRST = ["strained", "away", "steady", "present"]; // the others are one press away
const EDGE = { left: 46, right: 14, top: 16, bottom: 28 };
const TICKS_S = [30, 60, 120, 300, 600, 900, 1800, 3600];
const BREAK_S = 12; // windows end every five seconds; after a longer silence a line begins anew

class Chart {
  constructor(host, label) {
    this.points = [];
    this.moments = [];
    this.shown = new Set(AT_FIRST);
    this.cursor = null; // the newest
    this.host = host;
    this.legend = make("div", "", { class: "legend" });
    this.plot = svg("svg", { class: "plot", tabindex: 0, role: "slider", "aria-label": `${label}. ${WORDS.chart_hint}` });
    this.reading = make("p", "", { class: "reading" });
    host.append(this.legend, this.plot, this.reading);
    this.plot.addEventListener("keydown", (event) => this.key(event));
    this.plot.addEventListener("pointermove", (event) => this.point(event));
    this.plot.addEventListener("pointerleave", () => this.move(null));
    new ResizeObserver(() => this.draw()).observe(host);
  }

  states() {
    const known = this.points.findLast((one) => one.percent)?.percent || {};
    return STATES.filter((state) => state in known);
  }

  draw() {
    this.width = Math.max(280, this.host.clientWidth);
    this.height = this.width < 520 ? 210 : 290;
    this.plot.setAttribute("viewBox", `0 0 ${this.width} ${this.height}`);
    const points = this.points, first = points.length ? points[0].time_s : 0;
    this.from = first;
    this.until = Math.max(first + 120, points.length ? points[points.length - 1].time_s : 0);
    this.plot.replaceChildren(...this.grid(), ...this.bands(), ...this.lines(), ...this.marks());
    if (!points.length) this.plot.append(this.text(WORDS.chart_empty, this.width / 2, this.height / 2, "middle"));
    this.drawLegend();
    this.move(this.cursor);
  }

  x(time) {
    return EDGE.left + (time - this.from) / (this.until - this.from) * (this.width - EDGE.left - EDGE.right);
  }

  y(percent) {
    return EDGE.top + (1 - percent / 100) * (this.height - EDGE.top - EDGE.bottom);
  }

  text(words, x, y, anchor) {
    const made = svg("text", { x, y, "text-anchor": anchor });
    made.textContent = words;
    return made;
  }

  grid() {
    const parts = [], room = Math.floor(this.width / 70);
    for (const percent of [0, 50, 100]) {
      parts.push(svg("line", { class: "rule", x1: EDGE.left, x2: this.width - EDGE.right, y1: this.y(percent), y2: this.y(percent) }),
        this.text(`${percent} %`, EDGE.left - 7, this.y(percent) + 4, "end"));
    }
    const step = TICKS_S.find((one) => (this.until - this.from) / one <= room) || 7200;
    for (let time = Math.ceil(this.from / step) * step; time <= this.until; time += step) {
      const anchor = this.x(time) > this.width - 40 ? "end" : "middle";
      parts.push(this.text(clock(time), this.x(time), this.height - 8, anchor));
    }
    return parts;
  }

  // Times at which nothing is shown.
  bands() {
    const bands = [];
    this.points.forEach((one, place) => {
      if (one.percent) return;
      const from = place ? this.points[place - 1].time_s : one.time_s, open = bands[bands.length - 1];
      if (open && open.to === from) open.to = one.time_s;
      else bands.push({ from, to: one.time_s });
    });
    return bands.flatMap(({ from, to }) => {
      const width = this.x(to) - this.x(from), height = this.y(0) - this.y(100);
      const band = svg("rect", { class: "hidden-time", x: this.x(from), y: this.y(100), width, height });
      return width < 80 ? [band] : [band, this.text(WORDS.not_shown, this.x(from) + width / 2, this.y(88), "middle")];
    });
  }

  lines() {
    const states = this.states();
    return states.flatMap((state, place) => {
      if (!this.shown.has(state)) return [];
      const shift = (place - states.length / 2) * 1.4; // equal shares would hide one another
      const pieces = [];
      let last = null;
      for (const one of this.points) {
        if (!one.percent) { last = null; continue; }
        const at = `${this.x(one.time_s).toFixed(1)},${(this.y(Math.min(100, one.percent[state] ?? 0)) + shift).toFixed(1)}`;
        if (last === null || one.time_s - last > BREAK_S) pieces.push([]);
        pieces[pieces.length - 1].push(at);
        last = one.time_s;
      }
      return pieces.map((piece) => svg("polyline", { class: `share ${state}`, points: (piece.length > 1 ? piece : [piece[0], piece[0]]).join(" ") }));
    });
  }

  marks() {
    return this.moments.map((one) => {
      const x = this.x(Math.min(this.until, Math.max(this.from, one.start_s)));
      return svg("path", { class: "mark", d: `M${x - 6} 3h12l-6 9z` });
    });
  }

  // Buttons are kept, so that the focus stays and a screen reader does not lose its place.
  drawLegend() {
    const newest = this.points[this.points.length - 1], states = this.states();
    if ([...this.legend.children].map((one) => one.dataset.state).join() !== states.join()) {
      this.legend.replaceChildren(...states.map((state) => this.legendButton(state)));
    }
    for (const one of this.legend.children) {
      one.setAttribute("aria-pressed", this.shown.has(one.dataset.state));
      one.querySelector("b").textContent = newest?.percent ? `${newest.percent[one.dataset.state] ?? 0} %` : "–";
    }
  }

  legendButton(state) {
    const sample = svg("svg", { viewBox: "0 0 30 10", "aria-hidden": "true" });
    sample.append(svg("line", { class: `share ${state}`, x1: 1, x2: 29, y1: 5, y2: 5 }));
    const flip = () => {
      if (!this.shown.delete(state)) this.shown.add(state);
      this.draw();
    };
    return button([sample, WORDS[state], make("b", "")], flip, { "data-state": state });
  }

  key(event) {
    const last = this.points.length - 1, now = this.cursor ?? last;
    const to = { ArrowLeft: now - 1, ArrowRight: now + 1, Home: 0, End: last, PageUp: now - 12, PageDown: now + 12 }[event.key];
    if (to === undefined || last < 0) return;
    event.preventDefault();
    this.move(Math.min(last, Math.max(0, to)));
  }

  point(event) {
    if (!this.points.length) return;
    const box = this.plot.getBoundingClientRect();
    const time = this.from + ((event.clientX - box.left) / box.width * this.width - EDGE.left) / (this.width - EDGE.left - EDGE.right) * (this.until - this.from);
    const far = this.points.map((one) => Math.abs(one.time_s - time));
    this.move(far.indexOf(Math.min(...far)));
  }

  move(place) {
    this.cursor = place === this.points.length - 1 ? null : place;
    this.plot.querySelector(".cursor")?.remove();
    const one = this.points[this.cursor ?? this.points.length - 1];
    const told = one ? tellAggregate(one) : "";
    this.reading.textContent = this.cursor !== null || !one?.percent ? told : tellCounts(one); // the newest shares stand in the legend
    const range = { min: Math.round(this.from), max: Math.round(this.until), now: Math.round(one?.time_s ?? 0), text: told || WORDS.chart_empty };
    for (const [name, value] of Object.entries(range)) this.plot.setAttribute(`aria-value${name}`, value);
    if (this.cursor === null || !one) return;
    this.plot.append(svg("line", { class: "cursor", x1: this.x(one.time_s), x2: this.x(one.time_s), y1: EDGE.top, y2: this.y(0) }));
  }
}

function tellAggregate(one) {
  const shares = STATES.filter((state) => one.percent && state in one.percent).map((state) => `${WORDS[state]} ${one.percent[state]} %`);
  const told = one.percent ? `${tellCounts(one)}: ${shares.join(" · ")}` : `${clock(one.time_s)} · ${WORDS.withheld}`;
  return told;
}

function tellCounts(one) {
  return `${clock(one.time_s)} · ${WORDS.valid_counted_present} ${counts(one)}`;
}

function counts(one) {
  return `${one.num_valid ?? "–"} / ${one.num_present} / ${one.num_present + one.num_waiting}`;
}

function svg(tag, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}
