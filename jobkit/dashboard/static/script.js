// Everything here is comfort: without it the pages show and do the same, one request at a time.
"use strict";

const base = document.body.dataset.base;
const live = document.getElementById("live");

// Times in the reader's own zone.
function localize(root) {
  const format = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
  for (const time of root.querySelectorAll("time[datetime]")) {
    time.title = format.format(new Date(time.dateTime));
  }
  document.getElementById("zone").textContent = Intl.DateTimeFormat().resolvedOptions().timeZone;
}

// Asks before what cannot be undone.
document.addEventListener("submit", (event) => {
  const asked = event.submitter?.dataset.confirm ?? event.target.dataset.confirm;
  if (asked && !window.confirm(asked)) event.preventDefault();
});

// One box ticks all of the page.
document.addEventListener("change", (event) => {
  if (event.target.id !== "all-here") return;
  for (const box of document.querySelectorAll('#list input[name="id"]')) box.checked = event.target.checked;
});

// A moment is chosen in the reader's zone and sent as epoch seconds.
for (const form of document.querySelectorAll("form[data-moment]")) {
  const field = form.querySelector('[name="at"]');
  const chosen = Object.assign(document.createElement("input"), { type: "datetime-local", required: true });
  const label = field.parentElement;
  label.replaceChildren("Run at ", chosen);
  field.type = "hidden";
  field.required = false;
  form.append(field);
  form.addEventListener("submit", () => { field.value = new Date(chosen.value).getTime() / 1000; });
}

// Parts that live are replaced by what the same page says now, unless somebody is at work in them.
function atWork(part) {
  return part.contains(document.activeElement) || part.querySelector("input:checked") !== null;
}

async function refresh() {
  if (!live.checked || document.hidden) return;
  const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
  if (!answer.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const part of document.querySelectorAll("[data-live]")) {
    const now = fresh.getElementById(part.id);
    if (now && !atWork(part) && now.innerHTML !== part.dataset.shown) {
      part.dataset.shown = now.innerHTML;
      part.replaceChildren(...now.childNodes);
      localize(part);
    }
  }
}

// The graph of the overview: what was processed and failed a second, over the last five minutes.
const graph = document.getElementById("graph");
const most = document.getElementById("graph-most");
const points = [];
let before = null;

function drawn(values, highest, close) {
  const step = 600 / 149;
  const from = 600 - (values.length - 1) * step;
  const line = values.map((value, nth) => `${(from + nth * step).toFixed(1)},${(118 - (value / highest) * 114).toFixed(1)}`);
  return values.length ? `M${close ? `${from.toFixed(1)},120 L` : ""}${line.join(" L")}${close ? " L600,120 Z" : ""}` : "";
}

async function sample() {
  if (!live.checked || document.hidden) { before = null; return; }
  const answer = await fetch(`${base}/stats.json`);
  if (!answer.ok) return;
  const now = { at: performance.now(), ...(await answer.json()) };
  if (before && now.at > before.at) {
    const seconds = (now.at - before.at) / 1000;
    points.push([Math.max(0, now.processed - before.processed) / seconds, Math.max(0, now.failed - before.failed) / seconds]);
    points.splice(0, points.length - 150);
    const [rates, failures] = [points.map(([rate]) => rate), points.map(([, rate]) => rate)];
    const highest = Math.max(1, ...rates);
    const [area, line, bad] = graph.querySelectorAll("path");
    area.setAttribute("d", drawn(rates, highest, true));
    line.setAttribute("d", drawn(rates, highest, false));
    bad.setAttribute("d", drawn(failures, highest, false));
    most.textContent = Math.round(highest).toLocaleString();
    document.getElementById("rate").textContent = Math.round(rates.at(-1)).toLocaleString();
    document.getElementById("failure-rate").textContent = Math.round(failures.at(-1)).toLocaleString();
  }
  before = now;
}

// A store that does not answer now may answer next time.
function every(seconds, act) {
  setInterval(() => act().catch(() => {}), seconds * 1000);
}

localize(document);
document.querySelector("header [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
every(3, refresh);
if (graph) {
  for (const shown of [graph, most, document.getElementById("graph-axis")]) shown.removeAttribute("hidden");
  document.getElementById("graph-legend").hidden = false;
  sample().catch(() => {});
  every(2, sample);
}
