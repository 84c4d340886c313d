// The submit form: a file dropped anywhere on it is chosen, a .py file shows in the editor, and the server says at once
// what it thinks of the measure. What was typed is kept in this tab until it has been sent.
const CHECK_AFTER_MS = 600;

const form = document.querySelector("form[data-check]");
const editor = document.currentScript.dataset.editor.split(" ");

class Form {
  constructor(form) {
    this.form = form;
    this.file = form.elements.file;
    this.area = form.elements.code;
    this.filename = form.elements.filename;
    this.result = form.querySelector("#check");
    this.error = form.querySelector("#file-error");
    this.isLoading = false;
    this.key = `gengap-draft:${form.dataset.draft}`;
    this.fields = [...form.querySelectorAll("input:not([type=hidden], [type=file]), textarea, select"), this.filename];
    this.listen();
    this.restore();
    this.chosen();
  }

  listen() {
    const { form } = this;
    this.file.addEventListener("change", () => this.chosen());
    this.area.addEventListener("input", () => this.typed());
    form.elements.track.addEventListener("change", () => this.checkSoon(0));
    form.addEventListener("input", () => this.keep());
    form.addEventListener("submit", () => this.keep(true));
    form.querySelector("[data-remove]").addEventListener("click", () => this.remove());
    const example = document.querySelector("[data-example]");
    example.hidden = false;
    example.addEventListener("click", () => {
      this.remove();
      this.text = document.getElementById("example").textContent + "\n";
      this.area.editor?.view.focus();
    });
    for (const kind of ["dragenter", "dragover"]) {
      form.addEventListener(kind, (event) => {
        if (!event.dataTransfer.types.includes("Files")) return;
        event.preventDefault();
        form.querySelector(".drop").classList.add("over");
      });
    }
    for (const kind of ["dragleave", "drop"]) {
      form.addEventListener(kind, () => form.querySelector(".drop").classList.remove("over"));
    }
    form.addEventListener("drop", (event) => {
      if (event.dataTransfer.files.length === 0) return;
      event.preventDefault();
      this.file.files = event.dataTransfer.files;
      this.file.dispatchEvent(new Event("change"));
    });
  }

  set text(text) {
    this.area.editor?.load(text);
    if (this.area.value !== text) {
      this.area.value = text;
      this.area.dispatchEvent(new Event("input", { bubbles: true }));
    }
  }

  // A file was chosen, or none: a single source file is shown in the editor, an archive is not.
  async chosen() {
    const file = this.file.files[0];
    const isSource = file?.name.toLowerCase().endsWith(".py") ?? false;
    this.tell(file ? `${file.name} is sent unchanged.${isSource ? " If you change it below, the changed text is sent instead." : ""}` : "");
    this.form.querySelector("[data-write]").hidden = file !== undefined && !isSource;
    if (file && !this.form.elements.name.value) this.form.elements.name.value = file.name.replace(/\.[^.]*$/, "").slice(0, this.form.elements.name.maxLength);
    if (isSource && file.size <= Number(this.form.dataset.sourceBytes)) {
      const text = await readable(file);
      if (this.file.files[0] !== file) return;
      if (text !== undefined) {
        this.isLoading = true;
        this.filename.value = file.name;
        this.text = text.replaceAll("\r\n", "\n");
        this.isLoading = false;
      }
    }
    this.checkSoon(0);
  }

  typed() {
    if (this.isLoading) return;
    if (this.file.files.length > 0) {
      this.file.value = "";
      this.file.dispatchEvent(new Event("change"));
      this.tell(`${this.filename.value}, changed here: the text below is sent.`);
    }
    this.checkSoon(CHECK_AFTER_MS);
  }

  remove() {
    this.file.value = "";
    this.file.dispatchEvent(new Event("change"));
  }

  tell(text) {
    const told = this.form.querySelector("[data-chosen]");
    told.hidden = text === "";
    told.querySelector("[data-told]").textContent = text;
    told.querySelector("[data-remove]").hidden = this.file.files.length === 0;
  }

  checkSoon(ms) {
    clearTimeout(this.timer);
    this.asked?.abort();
    this.timer = setTimeout(() => this.check(), ms);
  }

  async check() {
    const file = this.file.files[0];
    if (this.area.value.trim() === "" && !file) return this.show("");
    if (!this.file.checkValidity()) return this.show("");
    const sent = new FormData();
    for (const name of ["csrf_token", "filename", "track"]) sent.set(name, this.form.elements[name].value);
    if (file) sent.set("file", file);
    else sent.set("code", this.area.value);
    this.asked = new AbortController();
    try {
      const answer = await fetch(this.form.dataset.check, { method: "POST", body: sent, redirect: "manual", signal: this.asked.signal });
      if (answer.ok) this.show(await answer.text());
      else this.show("", answer.type === "opaqueredirect" ? "You are logged out. Log in again: your text is kept in this tab." : "");
    } catch (reason) {
      if (reason.name !== "AbortError") this.show("");  // the server cannot be reached: this is reported when the form is sent
    }
  }

  show(html, text = "") {
    this.result.innerHTML = html;
    if (text) this.result.textContent = text;
    const found = this.result.querySelector("[data-line]");
    const isOwn = found && !this.file.files[0]?.name.toLowerCase().endsWith(".zip");
    this.area.editor?.mark(isOwn ? Number(found.dataset.line) : 0, found?.querySelector("strong")?.textContent ?? "");
    if (found && this.file.checkValidity()) {  // the server's answer about the previous text
      this.error.hidden = true;
      this.file.removeAttribute("aria-invalid");
    }
  }

  // In this tab alone: a session that ends while somebody writes takes nothing with it. Once it was sent the draft is
  // kept for one page more, the one with what was wrong; watch.js drops it where it went well.
  keep(isSent = false) {
    const values = Object.fromEntries(this.fields.map((field) => [field.name, field.value]));
    try {
      sessionStorage.setItem(this.key, JSON.stringify({ values, isSent }));
    } catch {
      // no storage, no draft
    }
  }

  restore() {
    const isEmpty = this.fields.every((field) => field === this.filename || field.value === "");
    if (!isEmpty) return;
    let kept;
    try {
      kept = JSON.parse(sessionStorage.getItem(this.key));
    } catch {
      return;
    }
    if (!kept) return;
    for (const field of this.fields) {
      if (field !== this.area && kept.values[field.name]) field.value = kept.values[field.name];
    }
    if (kept.values.code) this.text = kept.values.code;
  }
}

async function readable(file) {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(await file.arrayBuffer());
  } catch {
    return undefined;
  }
}

if (form) {
  const filled = new Form(form);
  // The form works without the editor, which is therefore loaded last.
  const load = () => {
    const scripts = editor.map((address) => Object.assign(document.createElement("script"), { src: address, async: false }));
    scripts.at(-1).addEventListener("load", () => filled.checkSoon(0)); // so that it marks a line that is wrong
    document.head.append(...scripts);
  };
  addEventListener("load", () => (globalThis.requestIdleCallback ?? setTimeout)(load));
}
