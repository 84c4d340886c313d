// Sends a large file in pieces. The server knows how far an unfinished upload came and recognises the file by its name,
// size and first bytes: so it goes on after a lost connection, a reload or another day, wherever it stopped.
const HEAD_BYTES = 2 ** 20;
const PATIENCE_MS = [1000, 2000, 4000, 8000, 15000, 30000];

class Refused extends Error {}

// What distinguishes two files of one name and size. Browsers hash only on pages that came over HTTPS or from this
// machine; elsewhere an upload goes on after a lost connection, but not after a reload.
async function digest(bytes) {
  if (globalThis.crypto?.subtle === undefined) return "";
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function size(bytes) {
  const [scale, unit] = [[2 ** 30, "GiB"], [2 ** 20, "MiB"], [2 ** 10, "KiB"]].find(([least]) => bytes >= least) ?? [1, "bytes"];
  return `${Number((bytes / scale).toPrecision(3))} ${unit}`;
}

function duration(seconds) {
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

class Upload {
  constructor(form, file) {
    this.form = form;
    this.file = file;
    this.token = form.elements.csrf_token.value;
    this.bar = form.querySelector("progress");
    this.told = form.querySelector("[data-told]");
    this.pause = form.querySelector("[data-pause]");
    this.isPaused = false;
    this.wake = () => {};
  }

  async send() {
    const head = await digest(await this.read(0, HEAD_BYTES));
    const fields = new URLSearchParams({ filename: this.file.name, bytes: this.file.size, head_sha256: head });
    const begun = await this.ask(this.form.dataset.begin, fields);
    let received = begun.received;
    const from = { bytes: received, at: performance.now() };
    while (received < this.file.size) {
      this.show(received, from);
      await this.whilePaused();
      const piece = await this.read(received, received + begun.piece_bytes);
      ({ received } = await this.ask(`${begun.location}?offset=${received}`, piece));
    }
    this.show(received, from);
    this.told.textContent = "Sent. The server continues from here …";
    const finished = await this.ask(`${begun.location}/finish`, new URLSearchParams());
    location.assign(finished.location);
  }

  async read(from, to) {
    try {
      return await this.file.slice(from, to).arrayBuffer();
    } catch {
      throw new Refused("The file can no longer be read: it was changed or moved. Choose it again.");
    }
  }

  // Returns the server's answer as data; repeats the request while the server cannot be reached.
  async ask(url, body) {
    const headers = { "X-CSRFToken": this.token, Accept: "application/json" };
    if (body instanceof ArrayBuffer) headers["Content-Type"] = "application/octet-stream";
    for (let tries = 0; ; tries++) {
      let answer;
      try {
        answer = await fetch(url, { method: "POST", body, headers, redirect: "manual" });
        if (answer.ok || answer.status === 409) return await answer.json();
      } catch {
        answer = undefined;
      }
      if (answer?.type === "opaqueredirect") {
        throw new Refused("You are logged out. Log in again and choose the same file: the upload continues where it stopped.");
      }
      if (answer !== undefined && answer.status < 500 && answer.status !== 429) {
        const told = await answer.json().catch(() => ({}));
        throw new Refused(told.error ?? `The server refused the file (${answer.status}). Load the page again.`);
      }
      this.told.textContent = "The connection is lost. The upload continues as soon as the server answers again …";
      await this.sleep(PATIENCE_MS[Math.min(tries, PATIENCE_MS.length - 1)]);
    }
  }

  sleep(ms) {
    return new Promise((resolve) => {
      this.wake = resolve;
      setTimeout(resolve, ms);
    });
  }

  async whilePaused() {
    while (this.isPaused) await new Promise((resolve) => { this.wake = resolve; });
  }

  show(received, from) {
    this.bar.value = received / this.file.size;
    const passed = (performance.now() - from.at) / 1000;
    const rate = (received - from.bytes) / passed;
    const left = rate > 0 && passed > 1 ? `, ${size(rate)} a second, about ${duration((this.file.size - received) / rate)} left` : "";
    this.told.textContent = `${size(received)} of ${size(this.file.size)}${this.isPaused ? ", paused" : left}`;
    this.last = [received, from];
  }

  toggle() {
    this.isPaused = !this.isPaused;
    this.pause.textContent = this.isPaused ? "Go on" : "Pause";
    this.wake();
    if (this.last) this.show(...this.last);
  }
}

for (const form of document.querySelectorAll("form[data-begin]")) {
  const input = form.querySelector("input[type=file]");
  const error = form.querySelector("[role=alert]");
  const sending = form.querySelector("[data-sending]");
  let upload;

  const fail = (text) => {
    error.textContent = text;
    error.hidden = text === "";
    if (text !== "") sending.hidden = true;
    input.disabled = false;
  };

  const begin = async (file) => {
    if (!file || input.disabled) return;
    if (file.size > Number(form.dataset.limitBytes)) return fail(form.dataset.limitText);
    if (file.size === 0) return fail("This file is empty.");
    fail("");
    input.disabled = true;
    sending.hidden = false;
    form.querySelector("[data-name]").textContent = file.name;
    upload = new Upload(form, file);
    try {
      await upload.send();
    } catch (reason) {
      if (!(reason instanceof Refused)) throw reason;
      fail(reason.message);
    }
  };

  input.addEventListener("change", () => begin(input.files[0]));
  form.querySelector("[data-pause]").addEventListener("click", () => upload.toggle());
  for (const kind of ["dragenter", "dragover"]) {
    form.addEventListener(kind, (event) => {
      event.preventDefault();
      form.classList.add("over");
    });
  }
  for (const kind of ["dragleave", "drop"]) form.addEventListener(kind, () => form.classList.remove("over"));
  form.addEventListener("drop", (event) => {
    event.preventDefault();
    begin(event.dataTransfer.files[0]);
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  addEventListener("online", () => upload?.wake());
  begin(input.files[0]);  // the file may have been chosen before this script was loaded
}
