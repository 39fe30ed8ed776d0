// Shared by every page: the read-out of charts, toasts, menus that close, copying. Pages work without it.

export function toast(words, { bad = false, undo = null, seconds = 10 } = {}) {
  document.querySelector(".toast")?.remove();
  const box = document.createElement("div");
  box.className = bad ? "toast bad" : "toast";
  box.setAttribute("role", bad ? "alert" : "status");
  box.append(words);
  if (undo) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "Undo";
    button.addEventListener("click", () => { box.remove(); undo(); });
    box.append(button);
  }
  document.body.append(box);
  setTimeout(() => box.remove(), seconds * 1000);
}

export function formToken() {
  return document.querySelector('[name="form_token"]')?.value ?? "";
}

/** Send a form as one of ours; resolves with the answer's JSON, or rejects with its sentence. */
export async function send(address, fields) {
  const body = new URLSearchParams({ form_token: formToken(), ...fields });
  const answer = await fetch(address, { method: "POST", body, headers: { Accept: "application/json" } });
  const told = await answer.json().catch(() => ({ detail: "The server did not answer as expected: reload the page." }));
  if (!answer.ok) throw new Error(told.detail);
  return told;
}

for (const plot of document.querySelectorAll(".plot")) {
  const line = plot.querySelector(".read-out");
  const hits = () => [...plot.querySelectorAll("svg")].find((one) => one.getClientRects().length)?.querySelectorAll(".hit") ?? [];
  let place = -1;
  const read = (hit) => { line.textContent = hit.dataset.read ?? hit.closest("a").getAttribute("aria-label"); };
  plot.addEventListener("pointermove", (event) => {
    const hit = event.target.closest(".hit");
    if (hit) { read(hit); place = [...hits()].indexOf(hit); }
  });
  plot.addEventListener("pointerdown", (event) => { const hit = event.target.closest(".hit"); if (hit) read(hit); });
  plot.addEventListener("keydown", (event) => {
    const all = [...hits()];
    const week = all.length === 168;
    const across = week && plot.querySelector("svg.wide").getClientRects().length;
    const steps = { ArrowRight: week && !across ? 24 : 1, ArrowLeft: week && !across ? -24 : -1, ArrowDown: across ? 24 : 1, ArrowUp: across ? -24 : -1 };
    if (event.key === "Enter" && place >= 0) { const link = all[place].closest("a"); if (link) location.href = link.getAttribute("href"); }
    if (!(event.key in steps) || !all.length) return;
    event.preventDefault();
    place = place < 0 ? 0 : Math.min(Math.max(place + steps[event.key], 0), all.length - 1);
    read(all[place]);
  });
}

document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.menu[open]")) if (!menu.contains(event.target)) menu.open = false;
  const copy = event.target.closest("[data-copy]");
  if (copy) navigator.clipboard?.writeText(document.getElementById(copy.dataset.copy).textContent).then(() => toast("Copied."));
  const opener = event.target.closest("[data-asks]");
  if (opener && !window.confirm(opener.dataset.asks)) event.preventDefault();
});

for (const select of document.querySelectorAll("select[data-submits]")) {
  select.addEventListener("change", () => select.form.requestSubmit());
}

// The browser's zone is offered where a zone is asked for.
for (const field of document.querySelectorAll("input[data-own-zone]")) {
  const own = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (own && !field.value) field.value = own;
}

// The slider of the SQL page: each step is a state that the lake keeps; the last one is now.
for (const slider of document.querySelectorAll("input[data-as-of]")) {
  const times = slider.dataset.asOf.split(" ");
  const field = slider.form.elements.as_of;
  const settle = () => slider.setAttribute("aria-valuetext", field.value.replace("T", ", ") || "now");
  slider.addEventListener("input", () => { field.value = times[slider.value] ?? ""; settle(); });
  field.addEventListener("input", () => {
    const later = field.value ? times.findIndex((one) => one > field.value) : -1;
    slider.value = later < 0 ? (field.value ? times.length - 1 : times.length) : Math.max(later - 1, 0);
    settle();
  });
  if (field.value) field.dispatchEvent(new Event("input"));
  slider.closest("label").hidden = false;
}
