// The camera of a student's page: one small picture at a time. What is shown is what is sent, and what is looked at.
"use strict";

const LONG_SIDE = 320, SHORT_SIDE = 240, MAX_JPEG = 64 * 1024, LOST_ANSWER_MS = 10000;

class Camera {
  // `send` takes a JPEG and says whether it could be sent; `told` hears whether the light is "on", "off" or "paused"; `ended`
  // is called when the camera is gone: unplugged, or its permission taken back.
  constructor(send, told, ended) {
    this.send = send;
    this.told = told;
    this.ended = ended;
    this.stream = null;
    this.starting = null;
    this.pace = 500;
    this.sentAt = -Infinity;
    this.inFlight = false;
    this.isCut = false; // from those to whom it sends
    this.timer = null;
    this.preview = byId("preview").getContext("2d");
    this.crop = byId("crop").getContext("2d");
    this.sent = make("canvas", "").getContext("2d");
  }

  async start() {
    if (this.stream || this.starting) return;
    this.starting = navigator.mediaDevices.getUserMedia({ audio: false, video: { width: LONG_SIDE, height: SHORT_SIDE } });
    const asked = this.starting;
    let stream;
    try {
      stream = await asked;
      if (this.starting !== asked) return halt(stream); // stopped while the browser asked for leave
      this.stream = stream;
      this.watch(stream);
      byId("video").srcObject = stream;
      await byId("video").play();
    } finally {
      if (this.starting === asked) this.starting = null;
    }
    if (this.stream !== stream) return; // it ended while it started
    show("pictures", true);
    this.sentAt = performance.now() - Math.random() * this.pace; // or a class that is let in at once stays in step
    this.go();
  }

  // A camera that has ended, or gives nothing for a while, leaves a video of black pictures: somebody who is there would be away.
  watch(stream) {
    const [track] = stream.getVideoTracks();
    track.addEventListener("ended", () => this.stream === stream && this.ended());
    for (const type of ["mute", "unmute"]) track.addEventListener(type, () => this.stream === stream && this.go());
  }

  isPaused() {
    const [track] = this.stream.getVideoTracks();
    return this.isCut || track.muted || track.readyState === "ended";
  }

  go() {
    this.told(this.isPaused() ? "paused" : "on");
    this.plan();
  }

  stop() {
    clearTimeout(this.timer);
    this.starting = null;
    this.inFlight = false; // the answer to the last picture may never come
    if (this.stream) halt(this.stream);
    this.stream = null;
    byId("video").srcObject = null;
    this.preview.clearRect(0, 0, this.preview.canvas.width, this.preview.canvas.height);
    this.clearCrop(WORDS.crop_empty);
    show("pictures", false);
    this.told("off");
  }

  // The connection broke: nothing is in flight any more.
  pause() {
    this.inFlight = false;
    this.isCut = true;
    if (this.stream) this.go();
  }

  connected() {
    this.isCut = false;
    if (this.stream) this.go();
  }

  answered(message) {
    this.pace = message.pace_ms;
    this.inFlight = false;
    if (this.stream) {
      resize(this.preview.canvas, this.sent.canvas);
      this.preview.drawImage(this.sent.canvas, 0, 0); // with its answer, so that the frame does not flicker
      if (message.outcome === "seen") this.showCrop(message.crop);
    }
    this.plan();
  }

  plan() {
    clearTimeout(this.timer);
    if (!this.stream || this.isPaused()) return;
    const due = this.inFlight ? this.sentAt + LOST_ANSWER_MS : this.sentAt + this.pace;
    this.timer = setTimeout(() => this.shoot(), Math.max(0, due - performance.now()));
  }

  shoot() {
    const stream = this.stream;
    this.inFlight = true;
    this.sentAt = performance.now();
    const size = fitted(byId("video").videoWidth, byId("video").videoHeight);
    resize(this.sent.canvas, size);
    this.sent.drawImage(byId("video"), 0, 0, size.width, size.height);
    this.sent.canvas.toBlob(async (blob) => {
      const jpeg = blob && new Uint8Array(await blob.arrayBuffer()); // none of a video that has no size yet
      if (this.stream !== stream) return; // stopped in the meantime
      if (!jpeg || jpeg.length > MAX_JPEG || !this.send(jpeg)) this.inFlight = false;
      this.plan();
    }, "image/jpeg", 0.8);
  }

  // Cut the square that was looked at out of the picture that was sent; it may lean, and reach over the border.
  showCrop(corners) {
    if (!corners) return this.clearCrop(WORDS.crop_none);
    const [[x, y], [right, rightY]] = corners;
    const side = Math.hypot(right - x, rightY - y), size = this.crop.canvas.width;
    this.crop.setTransform(1, 0, 0, 1, 0, 0);
    this.crop.clearRect(0, 0, size, size);
    this.crop.scale(size / side, size / side);
    this.crop.rotate(-Math.atan2(rightY - y, right - x));
    this.crop.translate(-x, -y);
    this.crop.drawImage(this.sent.canvas, 0, 0);
    byId("crop-note").textContent = "";
    this.preview.strokeStyle = "#f4efe4";
    this.preview.lineWidth = 3;
    this.preview.beginPath();
    for (const corner of corners) this.preview.lineTo(...corner);
    this.preview.closePath();
    this.preview.stroke();
  }

  clearCrop(why) {
    this.crop.setTransform(1, 0, 0, 1, 0, 0);
    this.crop.clearRect(0, 0, this.crop.canvas.width, this.crop.canvas.height);
    byId("crop-note").textContent = why;
  }
}

// All of the camera's picture, upright or not, as large as may be sent: squashed faces are read wrongly, cut ones not at all.
function fitted(width, height) {
  const scale = Math.min(LONG_SIDE / Math.max(width, height), SHORT_SIDE / Math.min(width, height));
  return { width: Math.round(width * scale), height: Math.round(height * scale) };
}

function resize(canvas, { width, height }) {
  if (canvas.width !== width) canvas.width = width; // a phone may be turned at any time; setting it clears the picture
  if (canvas.height !== height) canvas.height = height;
}

function halt(stream) {
  stream.getTracks().forEach((track) => track.stop());
}
