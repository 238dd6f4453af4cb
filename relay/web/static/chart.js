// The numbers of a chart -> a small SVG with its legend, its summary and the same numbers as a table.

import { clock, h, s } from "./page.js";

const WIDTH = 600;
const HEIGHT = 100;

export function figure(chart, times) {
  const most = highest(chart);
  const name = `chart-${chart.name}`;
  return h("figure", { "data-name": chart.name, "aria-labelledby": `${name}-title` },
    h("h3", { id: `${name}-title` }, chart.title),
    legend(chart),
    h("div", { class: "plot" },
      h("span", { class: "most", "aria-hidden": "true" }, chart.most ?? String(most)),
      plot(chart, times, most, name)),
    h("div", { class: "ends", "aria-hidden": "true" }, h("span", {}, clock(times[0])), h("span", {}, "now")),
    h("figcaption", { id: `${name}-summary` }, chart.summary),
    h("details", {}, h("summary", {}, "As a table"), table(chart, times)));
}

function highest(chart) {
  const columns = chart.series[0].values.map((_, at) => chart.series.map((one) => one.values[at] ?? 0));
  const sizes = columns.map((column) => (chart.kind === "stack" ? column.reduce((a, b) => a + b, 0) : Math.max(...column)));
  return Math.max(0, ...sizes);
}

function legend(chart) {
  if (chart.series.length < 2) return "";
  return h("ul", { class: "legend" }, ...chart.series.map((one, place) => {
    const arrow = chart.kind === "mirror" ? ["↑ ", "↓ "][place] : "";
    return h("li", {}, s("svg", { viewBox: "0 0 14 14", "aria-hidden": "true" }, bar(one.look, 1, 1, 12, 12)), arrow + one.label);
  }));
}

function plot(chart, times, most, name) {
  const wide = WIDTH / times.length;
  const drawn = { mirror, area, stack }[chart.kind](chart, most || 1, wide);
  const known = chart.series[0].values.findIndex((value) => value !== null);
  const unknown = s("rect", { class: "unknown", x: 0, y: 0, width: (known < 0 ? times.length : known) * wide, height: HEIGHT });
  const touch = times.map((time, at) => s("rect", { class: "touch", x: at * wide, y: 0, width: wide, height: HEIGHT },
    s("title", {}, `${clock(time)}: ${chart.series.map((_, one) => told(chart, one, at)).join(", ")}`)));
  return s("svg", {
    viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img",
    "aria-labelledby": `${name}-title`, "aria-describedby": `${name}-summary`,
  }, unknown, ...drawn, ...touch);
}

function told(chart, one, at) {
  const value = chart.shown ? chart.shown[one][at] : chart.series[one].values[at];
  return `${value ?? "not known"} ${chart.series[one].label}`;
}

function mirror(chart, most, wide) {
  const middle = HEIGHT / 2;
  const bars = chart.series.flatMap((one, place) => one.values.map((value, at) => {
    const high = (middle - 2) * (value ?? 0) / most;
    return value ? bar(one.look, at * wide + 1, place ? middle + 1 : middle - high - 1, wide - 2, high) : "";
  }));
  return [s("line", { class: "grid", x1: 0, x2: WIDTH, y1: middle, y2: middle }), ...bars];
}

function stack(chart, most, wide) {
  const heights = new Array(chart.series[0].values.length).fill(0);
  return chart.series.flatMap((one) => one.values.map((value, at) => {
    const high = (HEIGHT - 2) * (value ?? 0) / most;
    heights[at] += high;
    return value ? bar(one.look, at * wide + 1, HEIGHT - heights[at], wide - 2, high) : "";
  }));
}

function area(chart, most, wide) {
  const parts = [];
  let path = [];
  chart.series[0].values.forEach((value, at) => {
    if (value === null) { parts.push(path); path = []; return; }
    const y = HEIGHT - 1 - (HEIGHT - 3) * value / most;
    path.push([at * wide, y], [(at + 1) * wide, y]);
  });
  parts.push(path);
  return parts.filter((points) => points.length).flatMap((points) => [
    s("polygon", { class: "under", points: joined([[points[0][0], HEIGHT], ...points, [points.at(-1)[0], HEIGHT]]) }),
    s("polyline", { class: "line", points: joined(points) }),
  ]);
}

const joined = (points) => points.map((point) => point.map((number) => number.toFixed(1)).join(",")).join(" ");

// A bar that is known by its look, not by its colour alone: full, hatched, or hollow.
function bar(look, x, y, width, height) {
  if (look === "solid") return s("rect", { class: "solid", x, y, width, height });
  if (look === "open") return s("rect", { class: "open", x, y, width, height, "vector-effect": "non-scaling-stroke" });
  const lines = [];
  for (let at = 1; at < height; at += 4) lines.push(`M${x} ${(y + at).toFixed(1)}h${width}`);
  if (!lines.length) lines.push(`M${x} ${y}h${width}`);
  return s("path", { class: "hatched", d: lines.join(""), "stroke-width": 2, fill: "none" });
}

function table(chart, times) {
  const rows = times.map((time, at) => [at, time]).filter(([at]) => chart.series.some((one) => one.values[at])).reverse();
  if (!rows.length) return h("p", {}, "Nothing but zeros.");
  return h("div", { class: "numbers", tabindex: "0", role: "region", "aria-label": chart.title }, h("table", {},
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "minute"), ...chart.series.map((one) => h("th", { scope: "col" }, one.label)))),
    h("tbody", {}, ...rows.map(([at, time]) => h("tr", {}, h("th", { scope: "row" }, clock(time)),
      ...chart.series.map((one, place) => h("td", {}, String((chart.shown ? chart.shown[place][at] : one.values[at]) ?? "-"))))))));
}
