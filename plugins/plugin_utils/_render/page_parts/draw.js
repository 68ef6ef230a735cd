// Copyright (c) 2026, pgops contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Pictures: how full a range is, where a sequence stands beside its rows, lines over time.

function svgOf(tag, attributes, text) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text) element.textContent = text;
  return element;
}

/** Where a value lies on the way from one to another, 0 to 1. */
function share(value, from, to) {
  const whole = Number(BigInt(to) - BigInt(from));
  return whole ? Math.min(1, Math.max(0, Number(BigInt(value) - BigInt(from)) / whole)) : 0;
}

const isDescending = (row) => BigInt(row[at.increment]) < 0n;

/** How much of the range is gone: a bar up to the next value, a mark at the furthest value. */
function used(row) {
  const cell = make("td", { class: "used", "data-title": "Range used" });
  const percent = row[at.percent_used];
  if (percent === null) {
    cell.append("–");
    return cell;
  }
  const start = isDescending(row) ? row[at.max_value] : row[at.min_value];
  const near = row[at.reasons].some((reason) => ["near_limit", "exhausted", "no_room", "wrapped"].includes(reason));
  const bar = make("span", { class: near ? "bar near" : "bar", "aria-hidden": "true" });
  const fill = make("i");
  fill.style.width = `${row[at.next_value] === null ? percent : 100 * share(row[at.next_value], start, row[at.limit])}%`;
  bar.append(fill);
  if (row[at.furthest_value] !== null) {
    const mark = make("b");
    mark.style.insetInlineStart = `calc(${100 * share(row[at.furthest_value], start, row[at.limit])}% - 1px)`;
    bar.append(mark);
  }
  cell.append(make("span", { class: "line" }, bar, `${percent} %`));
  return cell;
}

/** How far the next value is from the rows, in values; negative where it is behind, null where that is not known. */
function distance(row) {
  const [next, furthest] = [row[at.next_value], row[at.furthest_value]];
  if (next === null) return null;
  const step = BigInt(row[at.increment]);
  const there = ((row[at.reference] || {}).next_value) ?? null;
  if (row[at.reasons].includes("behind_reference") && there !== null) return (BigInt(next) - BigInt(there)) / step;
  if (row[at.reasons].includes("behind") && row[at.fix]) return (BigInt(next) - BigInt(row[at.fix].next_value)) / step;
  if (furthest === null) return null;
  const beyond = (BigInt(next) - BigInt(furthest)) * (step < 0n ? -1n : 1n);
  const size = step < 0n ? -step : step;
  return beyond > 0n ? (beyond - 1n) / size : (beyond - size) / size;
}

/** Where the sequence stands and where the rows end. */
function stands(row) {
  const cell = make("td", { class: "stands", "data-title": "Beside the rows" });
  const far = distance(row);
  if (far === null) {
    cell.append("–");
    return cell;
  }
  const reference = row[at.reasons].includes("behind_reference") ? (row[at.reference] || {}).next_value : null;
  const rows = reference ?? row[at.furthest_value];
  // The exact numbers stand in the message.
  const short = (value) => (value < 1000000n ? grouped(value) : value.toLocaleString("en", { notation: "compact", maximumSignificantDigits: 3 }));
  const word = far < 0n ? `${short(-far)} behind` : far > 0n ? `${short(far)} ahead` : "in step";
  cell.append(make("span", { class: "line" }, rows === null ? "" : picture(row, rows, far), word));
  return cell;
}

function picture(row, rows, far) {
  const [width, height, edge] = [76, 16, 5];
  const sign = isDescending(row) ? -1n : 1n;
  const values = [row[at.start_value], row[at.next_value], rows].map((value) => BigInt(value) * sign);
  const least = values.reduce((a, b) => (a < b ? a : b));
  const most = values.reduce((a, b) => (a > b ? a : b));
  const [begin, stand, end] = values.map((value) => edge + share(value, least, most) * (width - 2 * edge));
  let next = stand;
  // Beside millions of rows a handful would not be seen.
  if (far < 0n) next = Math.max(edge, Math.min(next, end - 8));
  else if (far > 0n && next - end < 8) next = Math.min(width - edge, end + 8);
  const drawing = svgOf("svg", { class: "picture", viewBox: `0 0 ${width} ${height}`, width, height, "aria-hidden": "true" });
  drawing.append(svgOf("rect", { class: "way", x: 0, y: 5, width, height: 1 }));
  drawing.append(svgOf("rect", { class: "rows", x: Math.min(begin, end), y: 2, width: Math.max(2, Math.abs(end - begin)), height: 6 }));
  if (far < 0n) drawing.append(svgOf("rect", { class: "clash", x: next, y: 2, width: Math.max(2, end - next), height: 6 }));
  drawing.append(svgOf("path", { class: "next", d: `M${next} 8 l-4.5 7 h9 z` }));
  return drawing;
}

/** Round steps for an axis of counts or values. */
function steps(least, most) {
  const wide = (most - least) / 4;
  const power = 10 ** Math.floor(Math.log10(Math.max(wide, 1)));
  const step = [1, 2, 5, 10].map((times) => times * power).find((each) => each >= wide) || power;
  const found = [];
  for (let value = Math.ceil(least / step) * step; value <= most; value += step) found.push(value);
  return found;
}

/** Lines over time, as SVG. Their values are integers, text where JavaScript's numbers would round them, or null. */
function chart(lines, times, title) {
  const [width, height, left, top, bottom] = [700, 172, 62, 12, 26];
  const moments = times.map((time) => Date.parse(time));
  const first = moments[0];
  const span = Math.max(1, moments[moments.length - 1] - first);
  const all = lines.flatMap((line) => line.values).filter((value) => value !== null).map(Number);
  const most = Math.max(1, ...all);
  const least = Math.min(0, ...all);
  const x = (moment) => left + ((moment - first) / span) * (width - left - 10);
  const y = (value) => top + (1 - (value - least) / (most - least)) * (height - bottom - top);
  const drawing = svgOf("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": title });
  const last = lines.map((line) => `${line.title}: ${grouped(line.values.at(-1))}`);
  drawing.append(svgOf("title", {}, title), svgOf("desc", {}, `In the last, ${last.join(", ")}.`));
  const short = (value) => value.toLocaleString("en", { notation: "compact" });
  for (const value of steps(least, most)) {
    drawing.append(svgOf("line", { x1: left, x2: width - 10, y1: y(value), y2: y(value) }));
    drawing.append(svgOf("text", { x: left - 8, y: y(value) + 4, "text-anchor": "end" }, short(value)));
  }
  // Within a day the hours matter.
  const oneDay = times[0].slice(0, 10) === times[times.length - 1].slice(0, 10);
  const when = (moment) => new Date(moment).toISOString().slice(0, oneDay ? 16 : 10).replace("T", " ");
  const marks = moments.length > 2 ? [0, 1 / 3, 2 / 3, 1] : [0, 1];
  const said = new Set();
  for (const part of marks) {
    const moment = first + part * span;
    if (said.has(when(moment))) continue;
    said.add(when(moment));
    drawing.append(svgOf("line", { class: "tick", x1: x(moment), x2: x(moment), y1: height - bottom, y2: height - bottom + 5 }));
    const anchor = part === 0 ? "start" : part === 1 ? "end" : "middle";
    drawing.append(svgOf("text", { class: anchor === "middle" ? "time middle" : "time", x: x(moment), y: height - 6, "text-anchor": anchor }, when(moment)));
  }
  for (const line of lines) {
    const points = line.values.map((value, place) => [moments[place], value]).filter(([, value]) => value !== null);
    drawing.append(svgOf("polyline", { class: line.tone, points: points.map(([moment, value]) => `${x(moment)},${y(Number(value))}`).join(" ") }));
  }
  const legend = make("div", { class: "legend" }, ...lines.map((line, place) => make("span", { class: line.tone }, last[place])));
  return make("div", { class: "chart" }, drawing, legend);
}
