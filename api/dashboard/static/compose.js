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
  showTabs();
  try {
    const body = read();
    body.set("strip", week().dataset.key);
    const answer = await fetch("/dashboard/posts/check", { method: "POST", body, headers: { Accept: "application/json" } });
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
    if (told.strip) replaceStrip(told.strip);
    markHour();
  } catch (error) {
    if (number === asked) saved.textContent = `Not counted: ${error.message}`;
  }
}

// One tab for all accounts, and one for each chosen platform with its own words and options.

const texts = document.getElementById("texts");
const bar = document.createElement("div");
bar.className = "tabs";
bar.setAttribute("role", "tablist");
bar.setAttribute("aria-label", "Text for");
let shownTab = "text-all";

function showTabs() {
  const platforms = new Set([...form.querySelectorAll("[name=account]:checked")].map((one) => one.dataset.platform));
  const panels = [...texts.querySelectorAll(".variants")].filter((one) => platforms.has(one.dataset.for));
  if (!panels.some((one) => one.id === shownTab)) shownTab = "text-all";
  const focused = bar.contains(document.activeElement) && document.activeElement.getAttribute("aria-controls");
  bar.replaceChildren(...["text-all", ...panels.map((one) => one.id)].map((id) => {
    const panel = document.getElementById(id);
    const tab = Object.assign(document.createElement("button"), { type: "button", textContent: panel.dataset.label ?? "All" });
    tab.setAttribute("role", "tab");
    tab.setAttribute("aria-controls", id);
    tab.setAttribute("aria-selected", String(id === shownTab));
    tab.tabIndex = id === shownTab ? 0 : -1;
    if (panel.querySelector(".differs")?.value.trim()) tab.append(Object.assign(document.createElement("span"), { className: "dotted", title: "differs" }));
    return tab;
  }));
  bar.hidden = !panels.length;
  for (const one of [document.getElementById("text-all"), ...texts.querySelectorAll(".variants")]) one.hidden = one.id !== shownTab;
  if (focused) bar.querySelector('[aria-selected="true"]').focus();
}
texts.prepend(bar);
texts.classList.add("tabbed");
for (const one of texts.querySelectorAll(".variants")) one.open = true;
for (const one of [document.getElementById("text-all"), ...texts.querySelectorAll(".variants")]) {
  one.setAttribute("role", "tabpanel");
  one.setAttribute("aria-label", `Text: ${one.dataset.label ?? "all accounts"}`);
}
bar.addEventListener("click", (event) => {
  const tab = event.target.closest("[role=tab]");
  if (tab) { shownTab = tab.getAttribute("aria-controls"); showTabs(); bar.querySelector('[aria-selected="true"]').focus(); }
});
bar.addEventListener("keydown", (event) => {
  const all = [...bar.children];
  const here = all.findIndex((one) => one.getAttribute("aria-selected") === "true");
  const to = { ArrowRight: here + 1, ArrowLeft: here - 1, Home: 0, End: all.length - 1 }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  all[(to + all.length) % all.length].click();
});

// The week strip: a click or Enter takes an hour; arrow keys move.

const stripBox = document.getElementById("strip");
const week = () => stripBox.querySelector(".strip");
const hours = () => [...stripBox.querySelectorAll("button")];

function replaceStrip(html) {
  const held = stripBox.contains(document.activeElement) ? document.activeElement.value : null;
  week().outerHTML = html;
  settleStrip();
  if (held) hours().find((one) => one.value === held)?.focus();
}

function settleStrip() {
  const all = hours();
  const first = all.find((one) => one.getAttribute("aria-pressed") === "true") ?? all[0];
  for (const one of all) one.tabIndex = one === first ? 0 : -1;
}

function markHour() {
  const at = form.elements.at.value.slice(0, 13);
  for (const one of hours()) {
    if (at && one.value.slice(0, 13) === at) one.setAttribute("aria-pressed", "true"); else one.removeAttribute("aria-pressed");
  }
  settleStrip();
}

stripBox.addEventListener("click", (event) => {
  const hour = event.target.closest("button");
  if (!hour) return;
  event.preventDefault();
  form.elements.at.value = hour.value;
  form.elements.at.dispatchEvent(new Event("input", { bubbles: true }));
  markHour();
  hour.focus();
});
stripBox.addEventListener("keydown", (event) => {
  const step = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] }[event.key];
  if (!step || !event.target.closest("button")) return;
  event.preventDefault();
  const cells = [...week().children];
  let place = cells.indexOf(event.target.closest("button"));
  do place += step[0] + step[1] * 25; while (cells[place] && cells[place].tagName !== "BUTTON");
  cells[place]?.focus();
});

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
stripBox.open = true;
settleStrip();
check();
