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

// What has not answered after so long is given up.
function ask(place) {
  return fetch(place, { headers: { Accept: "text/html, application/json" }, signal: AbortSignal.timeout(30_000) });
}

async function refresh() {
  if (!live.checked || document.hidden) return;
  const answer = await ask(location.href);
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

// The graph of the overview: what was processed and failed a second, over the last five minutes. It
// is remembered while the tab is open, whatever pages are looked at in between.
const graph = document.getElementById("graph");
const most = document.getElementById("graph-most");
const SPAN = 300_000;
const GAP = 10_000;
const memory = `jobkit:${base}:rates`;
const points = remembered();
let before = null;

function remembered() {
  try {
    const kept = JSON.parse(sessionStorage.getItem(memory)) ?? [];
    return kept.filter(({ at }) => at > Date.now() - SPAN && at <= Date.now());
  } catch {
    return []; // a browser that keeps nothing
  }
}

function remember() {
  try {
    sessionStorage.setItem(memory, JSON.stringify(points));
  } catch {
    // as above
  }
}

// The points in pieces: between two that are far apart nobody looked.
function pieces() {
  const found = [];
  for (const point of points) {
    const last = found.at(-1)?.at(-1);
    if (last && point.at - last.at < GAP) found.at(-1).push(point);
    else found.push([point]);
  }
  return found;
}

function drawn(value, highest, close) {
  const now = points.at(-1).at;
  return pieces().map((piece) => {
    const x = ({ at }) => (600 - ((now - at) / SPAN) * 600).toFixed(1);
    const line = piece.map((point) => `${x(point)},${(118 - (point[value] / highest) * 114).toFixed(1)}`).join(" L");
    return close ? `M${x(piece[0])},120 L${line} L${x(piece.at(-1))},120 Z` : `M${line}`;
  }).join(" ");
}

function draw() {
  if (!points.length) return;
  const highest = Math.max(1, ...points.map(({ rate }) => rate));
  const [area, line, bad] = graph.querySelectorAll("path");
  area.setAttribute("d", drawn("rate", highest, true));
  line.setAttribute("d", drawn("rate", highest, false));
  bad.setAttribute("d", drawn("failed", highest, false));
  most.textContent = Math.round(highest).toLocaleString();
  document.getElementById("rate").textContent = Math.round(points.at(-1).rate).toLocaleString();
  document.getElementById("failure-rate").textContent = Math.round(points.at(-1).failed).toLocaleString();
}

async function sample() {
  if (!live.checked || document.hidden) { before = null; return; }
  const answer = await ask(`${base}/stats.json`);
  if (!answer.ok) return;
  const now = { at: Date.now(), ...(await answer.json()) };
  if (before && now.at > before.at) {
    const rate = (of) => (Math.max(0, now[of] - before[of]) * 1000) / (now.at - before.at);
    points.push({ at: now.at, rate: rate("processed"), failed: rate("failed") });
    while (points[0].at < now.at - SPAN) points.shift();
    draw();
    remember();
  }
  before = now;
}

// A store that does not answer now may answer next time. A slow one is not asked again before it has
// answered: answers that overtake each other would make the graph jump.
function every(seconds, act) {
  let waiting = false;
  const tick = async () => {
    if (waiting) return;
    waiting = true;
    await act().catch(() => {});
    waiting = false;
  };
  setInterval(tick, seconds * 1000);
  return tick;
}

localize(document);
document.querySelector("header [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
every(3, refresh);
if (graph) {
  for (const shown of [graph, most, document.getElementById("graph-axis")]) shown.removeAttribute("hidden");
  document.getElementById("graph-legend").hidden = false;
  draw();
  every(2, sample)();
}
