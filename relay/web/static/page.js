// The status page: asks relay how it stands while somebody looks, and shows it. All words come from relay.

import { figure } from "./chart.js";

const EVERY = 2000; // milliseconds between two questions while the page is seen
const MOST = 15000; // between two while relay does not answer
const PATIENCE = 5000; // for one answer
const MARKS = { good: "✓", warn: "!", bad: "✕" };
const COLOURS = { good: "#1b6e3c", warn: "#b36b00", bad: "#b3261e", lost: "#5a6572" };
const TIMES = /\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:\.\d+)?Z/;
const COMMANDS = /`([^`]+)`|\brelay (?:auth|check|dead|explain|queue|status|trace|webhooks)\b(?: [^\s(),;`]+)*/;
const RICH = new RegExp(`(${TIMES.source})|(${COMMANDS.source})`, "g");

const byId = (id) => document.getElementById(id);
const shown = {}; // what each part shows, so that only what has changed is drawn anew
const asked = { timer: 0, wait: EVERY, busy: false };
let answered = null; // when relay last answered, by this browser's clock
let lostSince = null;
let today = new Date().toDateString(); // of relay's own time, once that is known
let version = ""; // of the relay that this page came from

export function h(tag, attributes, ...children) { return made(document.createElement(tag), attributes, children); }
export function s(tag, attributes, ...children) {
  return made(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}
function made(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children.filter((child) => child !== ""));
  return element;
}

export const clock = (time) => new Date(time).toLocaleTimeString([], { hour: "numeric", minute: "2-digit" });

// A time as this place has it; the time itself is under the pointer, and in `datetime`.
function moment(text) {
  const time = text.replace(" ", "T");
  const at = new Date(time);
  const far = at.toDateString() !== today;
  const day = far ? { day: "numeric", month: "short", ...(at.getFullYear() === new Date(today).getFullYear() ? {} : { year: "numeric" }) } : {};
  const words = at.toLocaleString([], { ...day, hour: "numeric", minute: "2-digit", second: "2-digit" });
  return h("time", { datetime: time, title: text }, words);
}

// Words with their times and commands marked as such.
function rich(text) {
  const parts = [];
  let from = 0;
  for (const found of text.matchAll(RICH)) {
    parts.push(text.slice(from, found.index), found[1] ? moment(found[1]) : h("code", {}, found[3] ?? found[2]));
    from = found.index + found[0].length;
  }
  return [...parts, text.slice(from)].filter((part) => part !== "");
}

function put(id, value, draw) {
  const written = JSON.stringify(value);
  if (shown[id] === written) return;
  shown[id] = written;
  const kept = remembered(byId(id));
  byId(id).replaceChildren(...draw(value));
  kept(byId(id));
}

// What somebody has opened, scrolled to or is at, by its name: gives what brings it back after a part is drawn anew.
function remembered(part) {
  const name = (one) => `[data-name="${one.closest("[data-name]")?.dataset.name}"]`;
  const open = [...part.querySelectorAll("details[open]")].map((one) => `${name(one)} details`);
  const scrolled = [...part.querySelectorAll(".numbers")].map((one) => [`${name(one)} .numbers`, one.scrollTop]);
  const focus = part.contains(document.activeElement) ? document.activeElement : null;
  const focused = focus && `${name(focus)} ${focus.tagName}${focus.className && `.${focus.className}`}`;
  return (drawn) => {
    for (const place of open) drawn.querySelector(place)?.setAttribute("open", "");
    for (const [place, top] of scrolled) drawn.querySelector(place)?.scrollTo(0, top);
    if (focused) drawn.querySelector(focused)?.focus({ preventScroll: true });
  };
}

function render(body) {
  today = new Date(body.now).toDateString();
  put("node", body.node, rich);
  put("headline", [body.headline, today], ([text]) => rich(text));
  if (shown.state !== body.tone + body.summary) {
    shown.state = body.tone + body.summary;
    byId("state").className = `banner ${body.tone}`;
    byId("state").querySelector(".mark").textContent = MARKS[body.tone];
    byId("summary").textContent = body.summary;
  }
  put("troubles", [body.troubles, today], ([all]) => all.map(trouble));
  put("since", [body.since, today], ([time]) => ["Counted since ", moment(time), "."]);
  put("figures", [body.charts, body.times], ([all, times]) => all.map((one) => figure(one, times)));
  put("tables", [body.tables, today], ([all]) => all.map(table));
  put("numbers", body.counts, (all) => all.map(number));
  byId("charts").hidden = byId("counts").hidden = false;
}

function trouble(one) {
  const help = one.command ? [h("p", {}, h("code", {}, one.command))] : [];
  const mark = h("span", { class: `mark ${one.tone}` }, MARKS[one.tone]);
  mark.setAttribute("aria-hidden", "true");
  return h("li", { class: one.tone }, mark, h("div", {}, h("p", {}, ...rich(one.sentence)), ...help));
}

// The roles are named because a table that is shown as a list, on a phone, would be one to a screen reader, too.
function table(one) {
  const id = `table-${one.name}`;
  const cell = (row, text, at) => {
    const mark = at === 1 && row.tone ? [h("span", { class: `mark ${row.tone}`, "aria-hidden": "true" }, `${MARKS[row.tone]} `)] : [];
    const inside = h("span", {}, ...mark, ...rich(text));
    const role = at ? { role: "cell" } : { role: "rowheader", scope: "row" };
    return h(at ? "td" : "th", { ...role, "data-label": one.head[at] }, inside);
  };
  return h("section", { "aria-labelledby": id, "data-name": one.name }, h("h2", { id }, one.title),
    h("div", { class: "scroll" }, h("table", { role: "table", "aria-labelledby": id },
      h("thead", { role: "rowgroup" }, h("tr", { role: "row" },
        ...one.head.map((text) => h("th", { role: "columnheader", scope: "col" }, text)))),
      h("tbody", { role: "rowgroup" }, ...one.rows.map((row) => h("tr", { role: "row" },
        ...row.cells.map((text, at) => cell(row, text, at))))))));
}

function number(one) {
  const kinds = one.kinds ? [`: ${one.kinds} `, h("code", {}, one.command)] : [];
  return h("li", {}, h("b", {}, String(one.number)), h("span", {}, one.words, ...kinds));
}

// The window's title and icon, for whoever has it among others.
function badge(tone, words) {
  document.title = words;
  const shape = { good: "M4 8.5l3 3 5-7", warn: "M8 3.5v5.5M8 12v.5", bad: "M4.5 4.5l7 7m0-7l-7 7", lost: "M4 8h8" }[tone];
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><circle cx="8" cy="8" r="8" fill="${COLOURS[tone]}"/>`
    + `<path d="${shape}" fill="none" stroke="#fff" stroke-width="2" stroke-linecap="round"/></svg>`;
  const address = `data:image/svg+xml,${encodeURIComponent(svg)}`;
  const link = document.querySelector("link[rel=icon]");
  if (link.href !== address) link.href = address;
}

function freshness() {
  const local = (at) => new Date(at).toLocaleTimeString();
  if (lostSince === null) {
    byId("freshness").textContent = answered ? `as of ${local(answered)}` : "";
    return;
  }
  const { why, more, at } = lostSince;
  const old = answered ? ` What is shown is as it stood at ${local(answered)}.` : "";
  const words = `${why} since ${local(at)}${more ? `: ${more}` : ""}.${old} This page goes on trying.`;
  if (byId("lost").textContent !== words) byId("lost").textContent = words;
  byId("lost").hidden = false;
  byId("freshness").textContent = answered ? `${Math.round((Date.now() - answered) / 1000)} s old` : "";
}

function lost(why, more) {
  if (lostSince?.why !== why) lostSince = { why, more, at: answered ?? Date.now() };
  asked.wait = Math.min(asked.wait * 1.5, MOST);
  document.body.dataset.connection = "lost";
  badge("lost", `No answer - ${byId("node").textContent || "relay"}`);
  byId("state").className = "banner";
  if (!answered) byId("summary").textContent = "Nothing is known yet";
  else if (shown.state) byId("summary").textContent = `Last seen: ${byId("summary").textContent}`;
  shown.state = "";
  freshness();
}

function found(body) {
  // Another relay than the one that this page came from may tell other things.
  if (version && version !== body.version) { location.reload(); return; }
  version = body.version;
  answered = Date.now();
  document.body.dataset.connection = "live";
  render(body);
  badge(body.tone, `${MARKS[body.tone]} ${body.summary} - ${body.node}`);
  if (lostSince !== null) { byId("lost").hidden = true; byId("lost").textContent = ""; }
  lostSince = null;
  freshness();
}

async function ask(address) {
  const response = await fetch(address, { signal: AbortSignal.timeout(PATIENCE), cache: "no-store", credentials: "same-origin" });
  const body = await response.json();
  if (!response.ok) throw new Error(body.error ?? `it answered ${response.status}`);
  return body;
}

async function poll() {
  clearTimeout(asked.timer);
  if (asked.busy || document.hidden) return;
  asked.busy = true;
  let body = null;
  try {
    body = await ask("page/status.json");
  } catch (error) {
    if (error.constructor === Error) lost("relay answers, but does not know how it stands", error.message);
    else lost("No connection to relay");
  }
  asked.busy = false;
  if (body) asked.wait = EVERY;
  if (!document.hidden) asked.timer = setTimeout(poll, asked.wait);
  if (body) found(body);
}

async function trace() {
  const about = location.hash.startsWith("#trace=") ? decoded(location.hash.slice(7)) : "";
  if (!about) return;
  byId("about").value = about;
  byId("trace").setAttribute("aria-busy", "true");
  let told;
  try {
    told = steps(about, (await ask(`page/trace.json?id=${encodeURIComponent(about)}`)).steps);
  } catch (error) {
    told = [h("h3", { tabindex: "-1" }, "This cannot be told now"), h("p", {}, "relay does not answer. Try again in a moment.")];
  }
  byId("trace").replaceChildren(...told);
  byId("trace").removeAttribute("aria-busy");
  byId("trace").querySelector("h3").focus();
}

function steps(about, all) {
  if (!all.length) {
    const why = "Nothing is known of this id: it was never accepted here, or its time in the journal is over.";
    return [h("h3", { tabindex: "-1" }, "Unknown id"), h("p", {}, why)];
  }
  const title = h("h3", { tabindex: "-1" }, `${all.length === 1 ? "One step" : `${all.length} steps`} of `, h("code", {}, about));
  return [title, h("ol", { id: "steps" }, ...all.map((step) => h("li", {},
    h("span", { class: "when" }, ...(step.at ? [moment(step.at)] : []), ` ${step.what}`), h("span", {}, ...rich(step.sentence)))))];
}

function decoded(text) {
  try { return decodeURIComponent(text); } catch { return text; }
}

byId("search").addEventListener("submit", (event) => {
  event.preventDefault();
  const about = byId("about").value.trim();
  if (!about) return;
  const hash = `#trace=${encodeURIComponent(about)}`;
  if (location.hash === hash) trace(); else location.hash = hash;
});
addEventListener("hashchange", trace);
document.addEventListener("visibilitychange", poll);
setInterval(() => { if (lostSince !== null && !document.hidden) freshness(); }, 1000);
poll().then(trace);
