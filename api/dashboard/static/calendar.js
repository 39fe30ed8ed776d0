// Moving posts on the calendar by pointer and by keyboard. The server decides; a refused move bounces back.
import { send, toast } from "./app.js";

const root = document.getElementById("calendar");
const view = root.dataset.view;
const zone = root.dataset.zone;
const FAR = 6; // pixels before a press becomes a drag

document.querySelector(".week .now")?.scrollIntoView({ block: "center" });
window.scrollTo(0, 0);
if (!document.querySelector(".week .now")) {
  const hours = document.querySelector(".week");
  if (hours) hours.scrollTop = 7 * 48;
}

async function move(post, at, words) {
  try {
    const told = await send(`/dashboard/posts/${post}/move`, { at, zone });
    const undo = told.undo && (() => move(post, told.undo, "Back where it was."));
    sessionStorage.setItem("toast", JSON.stringify({ words: words ?? told.words, undo: words ? null : told.undo, post }));
    location.reload();
    return undo;
  } catch (error) {
    toast(error.message, { bad: true });
    for (const chip of root.querySelectorAll(".lifted")) chip.classList.remove("lifted");
    return null;
  }
}

const kept = sessionStorage.getItem("toast");
if (kept) {
  sessionStorage.removeItem("toast");
  const { words, undo, post } = JSON.parse(kept);
  toast(words, { undo: undo && (() => move(post, undo, "Back where it was.")) });
}

/** The wall-clock time under the pointer: a day keeps the clock time, an hour snaps to quarters. */
function placeAt(x, y, from) {
  const under = document.elementsFromPoint(x, y);
  const hour = under.find((one) => one.dataset?.hour);
  if (hour) {
    const box = hour.getBoundingClientRect();
    const quarter = Math.min(3, Math.max(0, Math.floor(((y - box.top) / box.height) * 4)));
    return { spot: hour, at: hour.dataset.hour.slice(0, 14) + String(quarter * 15).padStart(2, "0") };
  }
  const day = under.find((one) => one.dataset?.day && view === "month");
  return day ? { spot: day, at: `${day.dataset.day}T${from.slice(11)}` } : null;
}

if (root.dataset.writes) {
  let drag = null;
  const clear = () => {
    drag?.ghost?.remove();
    for (const one of root.querySelectorAll(".drop")) one.classList.remove("drop");
  };
  root.addEventListener("pointerdown", (event) => {
    const chip = event.target.closest("[data-movable]");
    if (chip && event.button === 0 && event.pointerType !== "touch") drag = { chip, x: event.clientX, y: event.clientY, ghost: null };
  });
  document.addEventListener("pointermove", (event) => {
    if (!drag) return;
    if (!drag.ghost) {
      if (Math.hypot(event.clientX - drag.x, event.clientY - drag.y) < FAR) return;
      drag.ghost = drag.chip.cloneNode(true);
      drag.ghost.classList.add("ghost");
      drag.chip.classList.add("lifted");
      document.body.append(drag.ghost);
    }
    event.preventDefault();
    drag.ghost.style.left = `${event.clientX + 8}px`;
    drag.ghost.style.top = `${event.clientY + 8}px`;
    for (const one of root.querySelectorAll(".drop")) one.classList.remove("drop");
    const place = placeAt(event.clientX, event.clientY, drag.chip.dataset.at);
    place?.spot.classList.add("drop");
    if (place) drag.ghost.querySelector("time").textContent = place.at.slice(11);
  });
  document.addEventListener("pointerup", (event) => {
    if (!drag) return;
    const { chip, ghost } = drag;
    clear();
    drag = null;
    if (!ghost) return;
    document.addEventListener("click", (click) => { click.preventDefault(); click.stopPropagation(); }, { capture: true, once: true });
    setTimeout(() => chip.classList.remove("lifted"), 0);
    const place = placeAt(event.clientX, event.clientY, chip.dataset.at);
    if (place && place.at !== chip.dataset.at) { chip.classList.add("lifted"); move(chip.dataset.post, place.at); }
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && drag) { drag.chip.classList.remove("lifted"); clear(); drag = null; }
  });
  root.addEventListener("dragstart", (event) => event.preventDefault());
}

function askForTime(chip) {
  const dialog = document.createElement("dialog");
  const form = document.createElement("form");
  form.method = "dialog";
  form.className = "fields";
  const label = document.createElement("label");
  label.textContent = `New time (${zone}) `;
  const field = document.createElement("input");
  field.type = "datetime-local";
  field.required = true;
  field.value = chip.dataset.at;
  label.append(field);
  const row = document.createElement("div");
  row.className = "row end";
  for (const [words, kind, value] of [["Cancel", "", "cancel"], ["Move", "main", "move"]]) {
    const button = document.createElement("button");
    button.textContent = words;
    button.className = kind;
    button.value = value;
    if (value === "cancel") button.formNoValidate = true;
    row.append(button);
  }
  form.append(label, row);
  dialog.append(form);
  dialog.setAttribute("aria-label", "Move this post");
  dialog.addEventListener("close", () => {
    dialog.remove();
    chip.focus();
    if (dialog.returnValue === "move" && field.value && field.value !== chip.dataset.at) move(chip.dataset.post, field.value);
  });
  document.body.append(dialog);
  dialog.showModal();
  field.focus();
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea, dialog")) return;
  const chip = event.target.closest?.("[data-post]");
  const chips = [...root.querySelectorAll(".chip")];
  const key = event.key.toLowerCase();
  if (key === "m" && chip?.hasAttribute("data-movable")) { event.preventDefault(); askForTime(chip); }
  else if (key === "n" && root.dataset.writes) location.href = "/dashboard/posts/new";
  else if (key === "t") document.querySelector('[data-key="t"]').click();
  else if (event.key === "PageUp" || event.key === "PageDown") {
    if (!event.target.closest(".week")) document.querySelector(`[data-key="${event.key}"]`).click();
  } else if (event.key.startsWith("Arrow") && chip) {
    const step = event.key === "ArrowDown" || event.key === "ArrowRight" ? 1 : -1;
    event.preventDefault();
    chips[chips.indexOf(chip) + step]?.focus();
  }
});

