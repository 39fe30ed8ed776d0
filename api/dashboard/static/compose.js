// Compose: live counts and previews from the server, uploads by drop, paste and choice, autosave.
import { formToken, toast } from "./app.js";

const form = document.getElementById("compose");
const list = form.querySelector(".media-list");
const saved = document.getElementById("saved");
const submit = document.getElementById("submit");
const isNew = form.dataset.draft === "yes";
for (const one of form.querySelectorAll(".no-script")) one.hidden = true;

function read() {
  const data = new FormData(form);
  data.delete("file");
  return new URLSearchParams([...data].filter(([, value]) => typeof value === "string"));
}

let asked = 0;
async function check() {
  const number = ++asked;
  const platforms = new Set([...form.querySelectorAll("[name=account]:checked")].map((one) => one.dataset.platform));
  for (const one of form.querySelectorAll(".variants")) one.hidden = !platforms.has(one.dataset.for);
  try {
    const answer = await fetch("/dashboard/posts/check", { method: "POST", body: read(), headers: { Accept: "application/json" } });
    const told = await answer.json();
    if (number !== asked) return; // a later answer wins
    if (!answer.ok) throw new Error(told.detail);
    document.getElementById("counts").innerHTML = told.counts || (told.problem ? '<li><span class="problem"></span></li>' : "");
    if (told.problem) { document.querySelector("#counts .problem").textContent = told.problem; return; }
    document.getElementById("previews").innerHTML = told.previews;
    document.getElementById("when-queue").textContent = told.queue || "of the accounts' queues";
    document.getElementById("when-optimal").textContent = told.optimal || "by what has worked for these accounts";
    const warning = document.getElementById("warning");
    warning.textContent = told.warning;
    warning.classList.toggle("hidden", !told.warning);
    submit.textContent = told.label;
  } catch (error) {
    if (number === asked) saved.textContent = `Not counted: ${error.message}`;
  }
}

let waiting;
function soon() {
  clearTimeout(waiting);
  waiting = setTimeout(check, 300);
}

let changed = false;
form.addEventListener("input", (event) => {
  if (event.target.name === "at" && event.target.value) form.querySelector('[name=when][value="at"]').checked = true;
  changed = true;
  soon();
});

let saving = false;
async function autosave() {
  const words = form.elements.content.value.trim();
  if (!isNew || !changed || saving || !words) return;
  saving = true;
  changed = false;
  try {
    const answer = await fetch("/dashboard/posts/autosave", { method: "POST", body: read(), headers: { Accept: "application/json" } });
    const told = await answer.json();
    if (answer.ok) {
      form.elements.draft_id.value = told.id;
      form.elements.version.value = told.version;
      saved.textContent = "Saved as a draft";
    } else if (answer.status === 412) {
      saved.textContent = "Changed elsewhere: reload to see it, or save to keep yours.";
    } else {
      saved.textContent = told.detail;
    }
  } catch {
    changed = true;
    saved.textContent = "Not saved: no connection.";
  } finally {
    saving = false;
  }
}
setInterval(autosave, 3000);

// Media.

function addItem({ url, name, kind }) {
  const item = document.createElement("li");
  const hidden = Object.assign(document.createElement("input"), { type: "hidden", name: "media", value: url });
  const shown = document.createElement(kind === "video" ? "video" : "img");
  shown.src = `/dashboard/media/${url.replace("upload:", "")}`;
  if (kind === "video") shown.muted = true; else shown.alt = "";
  const label = document.createElement("label");
  label.textContent = `Alt text of ${name} `;
  label.append(Object.assign(document.createElement("input"), { name: "alt", maxLength: 1500 }));
  item.append(hidden, shown, label, makeActs(item));
  list.append(item);
  changed = true;
  soon();
}

function makeActs(item) {
  const acts = document.createElement("span");
  acts.className = "acts";
  const add = (words, name, act) => {
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: words });
    button.setAttribute("aria-label", name);
    button.addEventListener("click", () => { act(); changed = true; soon(); });
    acts.append(button);
  };
  add("\u2191", "Move up", () => item.previousElementSibling?.before(item));
  add("\u2193", "Move down", () => item.nextElementSibling?.after(item));
  add("Remove", "Remove this file", () => item.remove());
  return acts;
}
for (const item of list.children) item.querySelector(".acts").replaceWith(makeActs(item));

async function upload(files) {
  for (const file of files) {
    saved.textContent = `Uploading ${file.name} ...`;
    const body = new FormData();
    body.set("form_token", formToken());
    body.set("file", file);
    try {
      const answer = await fetch("/dashboard/media", { method: "POST", body, headers: { Accept: "application/json" } });
      const told = await answer.json();
      if (!answer.ok) throw new Error(told.detail);
      addItem(told);
      saved.textContent = "";
    } catch (error) {
      saved.textContent = "";
      toast(`${file.name}: ${error.message}`, { bad: true });
    }
  }
}

const chooser = form.elements.file;
chooser.addEventListener("change", async () => {
  const files = [...chooser.files];
  chooser.value = "";
  await upload(files);
});
form.addEventListener("paste", (event) => {
  const files = [...(event.clipboardData?.files ?? [])];
  if (files.length) { event.preventDefault(); upload(files); }
});
const drop = document.getElementById("media");
form.addEventListener("dragover", (event) => {
  if (event.dataTransfer?.types.includes("Files")) { event.preventDefault(); drop.classList.add("dropping"); }
});
form.addEventListener("dragleave", () => drop.classList.remove("dropping"));
form.addEventListener("drop", (event) => {
  drop.classList.remove("dropping");
  const files = [...(event.dataTransfer?.files ?? [])];
  if (files.length) { event.preventDefault(); upload(files); }
});

form.addEventListener("submit", () => { changed = false; saving = true; });
check();
