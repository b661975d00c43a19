// The page's script: it refreshes live regions, previews and submits studies, and calls the REST interface.
// HTML comes from the server, which escapes it; strings that are built here are inserted as text.

document.documentElement.classList.add("js");
const main = document.querySelector("main");
const one = (selector, within = document) => within.querySelector(selector);
const all = (selector, within = document) => [...within.querySelectorAll(selector)];
const say = (text) => { one("#announcer").textContent = text; };

// Refresh: fetch the page again and replace the live regions that changed.

const MARKS = "[data-live]";
let tag = "", isAsking = false, isWanted = false, took = 0;

async function refresh() {
  if (isAsking || one(".seeds:popover-open") || one("dialog[open]")) { isWanted = true; return; }
  isAsking = true; isWanted = false;
  const began = performance.now();
  try {
    const headers = { Accept: "text/html", ...(tag ? { "If-None-Match": tag } : {}) };
    const answer = await fetch(location.href, { headers, cache: "no-store" });
    if (answer.ok) { tag = answer.headers.get("ETag") || ""; exchange(await answer.text()); }
  } catch { say("The service does not respond; trying again."); }
  finally { isAsking = false; took = performance.now() - began; }
}

function exchange(text) {
  const next = new DOMParser().parseFromString(text, "text/html");
  const focused = document.activeElement?.id;
  for (const old of all(MARKS)) {
    const fresh = next.getElementById(old.id);
    const isUsed = old.contains(document.activeElement) && document.activeElement.matches("input, select, textarea");
    if (fresh && !isUsed && fresh.innerHTML !== old.innerHTML) old.replaceChildren(...fresh.childNodes);
  }
  const again = focused && document.getElementById(focused);
  if (again && again !== document.activeElement) again.focus({ preventScroll: true });
  announce();
  prepare();
}

let announced = one("[data-announcement]")?.dataset.announcement ?? "";
function announce() {
  const news = one("[data-announcement]")?.dataset.announcement ?? "";
  if (news && news !== announced) say(news);
  announced = news;
}

// A page that the server renders slowly is requested less often, so that viewers do not overload the server.
const soon = (wait) => { let timer; return () => { timer ??= setTimeout(() => { timer = undefined; refresh(); }, Math.max(wait, 4 * took)); }; };

if (main.dataset.poll) setInterval(() => { if (!document.hidden) refresh(); }, Number(main.dataset.poll));
if (main.dataset.events) {
  const stream = new EventSource(main.dataset.events);
  const changed = soon(600);
  for (const kind of ["trial", "progress", "table", "fault"]) stream.addEventListener(kind, changed);
  stream.addEventListener("done", () => { stream.close(); changed(); });
  addEventListener("pagehide", () => stream.close());
  setInterval(() => { if (isWanted) refresh(); }, 1000);
}

// A cell's seeds are visible while the pointer or the focus is on the cell; Escape closes them.

let closing;
function open(button) {
  clearTimeout(closing);
  const seeds = document.getElementById(button.getAttribute("popovertarget"));
  if (!seeds || seeds.matches(":popover-open")) return;
  seeds.classList.add("placed");
  seeds.showPopover();
  const at = button.getBoundingClientRect(), box = seeds.getBoundingClientRect();
  const below = at.bottom + 4 + box.height < innerHeight;
  seeds.style.left = `${Math.max(8, Math.min(at.left, innerWidth - box.width - 8))}px`;
  seeds.style.top = `${Math.max(8, below ? at.bottom + 4 : at.top - box.height - 4)}px`;
}
const shown = () => one(".seeds:popover-open");
function leave() { closing = setTimeout(() => { const seeds = shown(); if (seeds && !seeds.matches(":hover, :focus-within")) seeds.hidePopover(); }, 160); }
const cellOf = (event) => event.target instanceof Element ? event.target.closest("button.cell") : null;

document.addEventListener("pointerover", (event) => { const cell = cellOf(event); if (cell && event.pointerType === "mouse") open(cell); });
document.addEventListener("pointerout", (event) => { if (event.target instanceof Element && event.target.closest("button.cell, .seeds")) leave(); });
document.addEventListener("focusin", (event) => {
  const cell = cellOf(event);
  if (cell?.matches(":focus-visible")) open(cell);
  else if (shown() && !event.target.closest(".seeds")) leave();
});

// Calls of the REST interface.

async function call(address, { body, key, method = "POST" }) {
  const headers = { Accept: "application/json", ...(body ? { "Content-Type": "application/json" } : {}), ...(key ? { "Idempotency-Key": key } : {}) };
  const answer = await fetch(address, { method, headers, body });
  return { ok: answer.ok, document: answer.status === 204 ? {} : await answer.json() };
}

function complain(place, problem) {
  place.replaceChildren(problem.detail ?? "The service failed without a message; see its log.");
  if ((problem.errors ?? []).length > 1) {
    const list = document.createElement("ul");
    for (const error of problem.errors) { const item = document.createElement("li"); item.textContent = `${error.pointer} ${error.message}`; list.append(item); }
    place.append(list);
  }
}

// Each error is shown next to its field; `complain` lists all of them in one place.

function point(form, errors) {
  for (const mark of all(".wrong", form)) mark.remove();
  for (const field of form.elements) { field.removeAttribute("aria-invalid"); field.removeAttribute("aria-describedby"); }
  for (const { pointer, message } of errors) {
    const field = form.elements.namedItem(pointer.slice(1));
    if (!field) continue;
    const mark = document.createElement("span");
    mark.className = "wrong"; mark.id = `${field.id}-wrong`; mark.textContent = message;
    field.after(mark);
    field.setAttribute("aria-invalid", "true"); field.setAttribute("aria-describedby", mark.id);
  }
}

function ask(title, text, yes) {
  const dialog = one("#ask");
  one("#ask-title").textContent = title; one("#ask-text").textContent = text; one("#ask-yes").textContent = yes;
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true }));
}

async function send(button, address, body, then) {
  const place = document.getElementById(button.dataset.answer ?? "answer");
  const form = button.form?.dataset.send ? button.form : null;
  button.disabled = true;
  place?.replaceChildren();
  if (form) point(form, []);
  try {
    const { ok, document: found } = await call(address, { body, key: button.dataset.key, method: button.dataset.method });
    if (ok) then(found);
    else { complain(place, found); if (form) point(form, found.errors ?? []); }
  } catch { complain(place, { detail: "The service does not respond. Start it with: ablate serve" }); }
  finally { button.disabled = false; }
}

async function press(button) {
  const { post, confirm, yes, body, to } = button.dataset;
  if (confirm && !(await ask(button.textContent.trim(), confirm, yes))) return;
  send(button, post, body, () => { if (to) location.href = to; else location.reload(); });
}

async function submitPaper(button) {
  const body = button.dataset.body;
  await send(button, "/api/v1/paper/plan", body, async (plan) => {
    const hours = plan.gpu_hours === null ? "an unknown number of" : plan.gpu_hours < 0.1 ? "under 0.1" : plan.gpu_hours.toFixed(1);
    const text = `${plan.items.length} tables, ${plan.rows} rows, ${plan.distinct} different trials, of which ${plan.known} have results. The rest takes ${hours} GPU-hours (${plan.basis}).`;
    if (!(await ask("Submit missing tables", text, "Queue them"))) return;
    const whole = JSON.stringify({ ...JSON.parse(body), confirm: true });
    send(button, "/api/v1/paper", whole, () => location.reload());
  });
}

// The form for a new study.

const draft = one("[data-preview]");
const field = (name) => draft.elements.namedItem(name);
const numeric = (name) => field(name).value === "" ? null : Number(field(name).value);

async function showPlan() {
  const place = one("#preview");
  place.textContent = "Planning…";
  const options = { scale: field("scale").value || null, seeds: numeric("seeds"), priority: numeric("priority"), fresh: field("fresh").checked || null };
  try {
    const headers = { Accept: "text/html", "Content-Type": "application/json" };
    const answer = await fetch("/preview", { method: "POST", headers, body: JSON.stringify({ text: field("text").value, ...options }) });
    if (answer.ok) place.innerHTML = await answer.text();
    else complain(place, answer.headers.get("content-type")?.includes("json") ? await answer.json() : { detail: `The service refused this study (status ${answer.status}).` });
  } catch { complain(place, { detail: "The service does not respond. Start it with: ablate serve" }); }
  place.focus({ preventScroll: true });
  place.scrollIntoView({ block: "nearest" });
}

function goTo(line) {
  const text = field("text"), rows = text.value.split("\n");
  const from = rows.slice(0, line - 1).join("\n").length + (line > 1 ? 1 : 0);
  text.focus();
  text.setSelectionRange(from, from + rows[line - 1].length);
  text.scrollTop = (line - 3) * (text.scrollHeight / rows.length);
}

async function take(file) { if (file) { field("text").value = await file.text(); showPlan(); } }

if (draft) {
  draft.addEventListener("submit", (event) => { event.preventDefault(); showPlan(); });
  draft.addEventListener("dragover", (event) => { event.preventDefault(); draft.classList.add("over"); });
  draft.addEventListener("dragleave", () => draft.classList.remove("over"));
  draft.addEventListener("drop", (event) => { event.preventDefault(); draft.classList.remove("over"); take(event.dataTransfer.files[0]); });
  draft.addEventListener("input", (event) => { if (event.target.id !== "file") one("#preview").replaceChildren(); });
  one("#file").addEventListener("change", (event) => take(event.target.files[0]));
  if (location.hash === "#new") one("#new").open = true;
}

function queue(button) {
  const plan = button.closest(".plan"), place = one(".answer", plan);
  place.id = "queued"; button.dataset.answer = "queued";
  button.dataset.key ??= crypto.randomUUID();
  send(button, "/api/v1/studies", plan.dataset.body, (study) => { location.href = `/studies/${study.id}`; });
}

// Copy buttons, and the handler of every button.

async function copy(button) {
  const from = button.dataset.copy;
  const text = from.startsWith("#") ? one(from).textContent : await (await fetch(from)).text();
  await navigator.clipboard.writeText(text);
  const words = button.textContent;
  button.textContent = "Copied"; say("Copied.");
  setTimeout(() => { button.textContent = words; }, 1500);
}

document.addEventListener("click", (event) => {
  const cell = cellOf(event);
  if (cell) { event.preventDefault(); open(cell); return; }
  const button = event.target instanceof Element ? event.target.closest("button") : null;
  if (!button) return;
  if (button.dataset.post) press(button);
  else if (button.dataset.copy) copy(button);
  else if (button.dataset.line) goTo(Number(button.dataset.line));
  else if ("submit" in button.dataset) queue(button);
  else if ("paper" in button.dataset) submitPaper(button);
});

function typed(field) {
  if (field.type === "checkbox") return field.checked;
  if (field.type === "number") return field.value === "" ? null : Number(field.value);
  return field.value;
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.dataset.send) return;
  event.preventDefault();
  const fields = [...form.elements].filter((field) => field.name);
  const values = { ...JSON.parse(form.dataset.body ?? "{}"), ...Object.fromEntries(fields.map((field) => [field.name, typed(field)])) };
  const then = () => { if (form.dataset.to) location.href = form.dataset.to + encodeURIComponent(values.name); else location.reload(); };
  send(one("button", form), form.dataset.send, JSON.stringify(values), then);
});

// Slow parts are loaded after the page.

function prepare() {
  for (const part of all("[data-load]")) {
    const address = part.dataset.load;
    delete part.dataset.load;
    fetch(address, { headers: { Accept: "text/html" } }).then(async (answer) => {
      if (answer.ok) part.innerHTML = await answer.text();
      else part.textContent = "This part could not be loaded; see the service's log.";
    });
  }
}
prepare();
