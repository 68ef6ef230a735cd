// Copyright (c) 2026, pgops contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// The list: what is in it, in which order, its rows, and what each unfolds to.

const haystacks = data.rows.map((row) =>
  [
    row[at.host], row[at.database], `${row[at.schema]}.${row[at.name]}`, row[at.status], row[at.reasons].join(" "), row[at.message],
    ...row[at.columns].map((column) => `${column[0]}.${column[1]}.${column[2]}`),
  ].join("\n").toLowerCase()
);
const distinct = (place) => [...new Set(data.rows.map((row) => row[place]))].sort();
const hosts = distinct(at.host);
const databases = distinct(at.database);
const quiet = data.rows.filter((row) => QUIET.has(row[at.status])).length;

const farBehind = (row) => {
  const far = distance(row);
  return far === null ? Infinity : Number(far);
};
const SORTS = {
  status: { title: "Status", descends: true, key: (row) => STATUSES.indexOf(row[at.status]) },
  host: { title: "Host", key: (row) => row[at.host].toLowerCase() },
  database: { title: "Database", key: (row) => row[at.database].toLowerCase() },
  sequence: { title: "Sequence", key: (row) => `${row[at.schema]}.${row[at.name]}`.toLowerCase() },
  used: { title: "Range used", descends: true, key: (row) => -(row[at.percent_used] ?? -1) },
  stands: { title: "Beside the rows", key: farBehind },
  message: { title: "Message", key: (row) => row[at.message] },
};
// One that is the same in every row says nothing.
const COLUMNS = Object.keys(SORTS).filter((key) => (key !== "host" || data.hosts.length > 1) && (key !== "database" || databases.length > 1 || !databases.length));

const state = { search: "", statuses: new Set(), host: "", database: "", sort: "status", down: true, page: 0, all: false };
const unfolded = new Set();
let found = [];
let printing = false;

function readHash() {
  const given = new URLSearchParams(location.hash.slice(1));
  const wanted = (values, value) => (values.includes(value) ? value : "");
  state.search = given.get("q") || "";
  state.statuses = new Set((given.get("status") || "").split(",").filter((status) => STATUSES.includes(status)));
  state.host = wanted(hosts, given.get("host"));
  state.database = wanted(databases, given.get("database"));
  state.all = given.get("all") === "1";
  state.sort = Object.hasOwn(SORTS, given.get("sort") || "") ? given.get("sort") : "status";
  state.down = given.get("order") !== "up";
  state.page = Math.max(0, (parseInt(given.get("page"), 10) || 1) - 1);
}

function writeHash() {
  const kept = new URLSearchParams();
  if (state.search) kept.set("q", state.search);
  if (state.statuses.size) kept.set("status", [...state.statuses].join(","));
  if (state.host) kept.set("host", state.host);
  if (state.database) kept.set("database", state.database);
  if (state.all) kept.set("all", "1");
  if (state.sort !== "status") kept.set("sort", state.sort);
  if (!state.down) kept.set("order", "up");
  if (state.page) kept.set("page", state.page + 1);
  try {
    history.replaceState(null, "", "#" + kept.toString());
  } catch (_refused) {
    // Safari allows 100 in ten seconds, which fast typing may exceed; the list matters more than the address.
  }
}

function filter() {
  const words = state.search.toLowerCase().split(/\s+/).filter(Boolean);
  found = [];
  for (let number = 0; number < data.rows.length; number++) {
    const row = data.rows[number];
    if (state.statuses.size ? !state.statuses.has(row[at.status]) : !state.all && QUIET.has(row[at.status])) continue;
    if (state.host && row[at.host] !== state.host) continue;
    if (state.database && row[at.database] !== state.database) continue;
    if (!words.every((word) => haystacks[number].includes(word))) continue;
    found.push(number);
  }
  // The rows come as the document has them, the worst first.
  if (state.sort !== "status") {
    const keys = new Map(found.map((number) => [number, SORTS[state.sort].key(data.rows[number])]));
    found.sort((one, other) => {
      const [a, b] = [keys.get(one), keys.get(other)];
      return a < b ? -1 : a > b ? 1 : one - other;
    });
  }
  if (!state.down) found.reverse();
}

function columnsOf(row) {
  const head = ["Column", "Type", "How it is fed", "Index", "Furthest value", "Problem"].map((title) => make("th", { scope: "col" }, title));
  const lines = row[at.columns].map(([schema, table, column, type, via, indexed, furthest, error]) =>
    make("tr", null,
      make("th", { scope: "row" }, name(schema), ".", name(table), ".", name(column)), make("td", null, shown(type)), make("td", null, shown(via)),
      make("td", null, indexed ? "yes" : "no"), make("td", null, shown(furthest)), make("td", null, error === null ? "" : sentence(error))));
  const label = `Columns of ${visible(`${row[at.schema]}.${row[at.name]}`)}`;
  return make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": label },
    make("table", null, make("thead", null, make("tr", null, ...head)), make("tbody", null, ...lines)));
}

function trendOf(row) {
  const trend = row[at.trend];
  const speed = trend.values_per_day;
  const said = `${trend.points.length} reports${speed === null ? "" : `, ${speed.toLocaleString("en")} values a day`}.`;
  const end = trend.exhausted_at ? [make("p", null, make("strong", null, `At this speed the ids run out on ${trend.exhausted_at}.`))] : [];
  const lines = [{ title: "next value", tone: "healthy", values: trend.points.map((point) => point[1]) },
    { title: "furthest value", tone: "warning", values: trend.points.map((point) => point[2]) }];
  const drawn = chart(lines, trend.points.map((point) => point[0]), `Next and furthest value over ${trend.points.length} reports`);
  return [make("h3", null, "Over time"), make("p", null, said), ...end, drawn];
}

function details(row) {
  const body = make("td", { colspan: COLUMNS.length });
  if (row[at.reasons].length) body.append(make("p", { class: "soft" }, `Reasons: ${visible(row[at.reasons].join(", "))}`));
  const fix = row[at.fix];
  if (fix) {
    body.append(make("h3", null, "What repairs it"));
    const line = command(row);
    if (line) body.append(make("p", { class: "soft" }, "On the controller, under the sequence's lock, with the inventory and the connection of this report:"), code(line, "the command"));
    body.append(make("p", { class: "soft" }, `${line ? "Or in" : "In"} the database, with nobody writing:`), code(fix.statement, "the statement"));
  }
  const remedy = row[at.remedy];
  if (remedy && (!fix || remedy !== fix.statement)) {
    body.append(make("h3", null, "Remedy"), code(statements(remedy) || remedy, "the remedy"));
  }
  body.append(make("h3", null, "Numbers"), make("dl", null,
    term("Next value", row[at.next_value]), term("Furthest value in the columns", row[at.furthest_value]),
    term("Gap", row[at.gap]), term("Limit", row[at.limit]), term("Range used", row[at.percent_used] === null ? null : `${row[at.percent_used]} %`),
    term("Type", row[at.data_type]), term("Start", row[at.start_value]), term("Increment", row[at.increment]),
    term("Minimum", row[at.min_value]), term("Maximum", row[at.max_value]), term("Cache", row[at.cache_size]),
    term("Cycle", row[at.cycle] ? "yes" : "no"), term("Last value", row[at.last_value]), term("Is called", row[at.is_called])));
  if (row[at.columns].length) body.append(make("h3", null, "Columns"), columnsOf(row));
  if (row[at.trend]) body.append(...trendOf(row));
  return make("tr", { class: "details" }, body);
}

function tableRow(number) {
  const row = data.rows[number];
  const open = unfolded.has(number);
  const button = make("button", { type: "button", class: `badge ${row[at.status]}`, "aria-expanded": String(open), "data-row": number }, row[at.status],
    make("span", { class: "hidden" }, " ", visible(`${row[at.schema]}.${row[at.name]}`)));
  button.addEventListener("click", () => {
    if (unfolded.delete(number)) line.nextElementSibling.remove();
    else {
      unfolded.add(number);
      line.after(details(row));
    }
    button.setAttribute("aria-expanded", String(unfolded.has(number)));
  });
  const cells = {
    status: () => make("td", { class: "status" }, button),
    host: () => make("td", { class: isShort(row[at.host]) && "whole", "data-title": "Host" }, name(row[at.host])),
    database: () => make("td", { class: isShort(row[at.database]) && "whole", "data-title": "Database" }, name(row[at.database])),
    sequence: () => make("th", { scope: "row", class: isShort(row[at.schema], row[at.name]) && "whole", "data-title": "Sequence" }, ...full(row[at.schema], row[at.name])),
    used: () => used(row),
    stands: () => stands(row),
    message: () => make("td", { class: "message" }, sentence(row[at.message])),
  };
  const line = make("tr", { class: row[at.status] }, ...COLUMNS.map((key) => cells[key]()));
  return open ? [line, details(row)] : [line];
}

/** How many are listed, and why not all. */
function counted(pages) {
  const total = data.rows.length - (state.all || [...state.statuses].some((status) => QUIET.has(status)) ? 0 : quiet);
  const of = found.length === total ? "" : ` of ${total.toLocaleString("en")}`;
  let said = `${plural(found.length, "sequence")}${of} listed`;
  if (printing && found.length > MOST_PRINTED) said += `; the first ${MOST_PRINTED.toLocaleString("en")} are printed`;
  else if (pages > 1 && !printing) said += `, page ${state.page + 1} of ${pages}`;
  if (data.rows.length === quiet) said = found.length ? said : "No findings among the sequences that were audited.";
  const audited = data.summary.total.toLocaleString("en");
  if (data.rows.length !== data.summary.total) said += ` (${audited} were audited; healthy and skipped ones are counted, not listed)`;
  return said;
}

function render() {
  const pages = Math.max(1, Math.ceil(found.length / ROWS_PER_PAGE));
  state.page = Math.min(state.page, pages - 1);
  const [from, to] = printing ? [0, MOST_PRINTED] : [state.page * ROWS_PER_PAGE, (state.page + 1) * ROWS_PER_PAGE];
  const rows = found.slice(from, to);
  byId("sequences").tBodies[0].replaceChildren(...rows.flatMap(tableRow));
  byId("sequences").hidden = !rows.length;
  byId("key").hidden = !rows.length;
  byId("count").textContent = counted(pages);
  const go = (title, page, off) => make("button", { type: "button", disabled: off, on: { click: () => turn(page) } }, title);
  byId("pages").replaceChildren(...(pages > 1
    ? [go("First", 0, !state.page), go("Previous", state.page - 1, !state.page), `Page ${state.page + 1} of ${pages}`,
      go("Next", state.page + 1, state.page >= pages - 1), go("Last", pages - 1, state.page >= pages - 1)]
    : []));
  for (const head of byId("sequences").tHead.rows[0].cells) {
    const sorted = head.dataset.sort === state.sort;
    const descends = state.down === Boolean(SORTS[head.dataset.sort].descends);
    head.setAttribute("aria-sort", sorted ? (descends ? "descending" : "ascending") : "none");
    head.firstChild.textContent = SORTS[head.dataset.sort].title + (sorted ? (descends ? " ▾" : " ▴") : "");
  }
  for (const tile of document.querySelectorAll("button.tile")) {
    tile.setAttribute("aria-pressed", String(state.statuses.has(tile.dataset.status)));
  }
  for (const button of document.querySelectorAll("#places tbody button")) {
    const here = button.dataset.place === state[button.dataset.kind];
    const { status } = button.dataset;
    button.setAttribute("aria-pressed", String(here && (status ? state.statuses.has(status) : !state.statuses.size)));
  }
  byId("search").value = state.search;
  byId("host").value = state.host;
  byId("database").value = state.database;
  byId("all").checked = state.all;
}

function turn(page) {
  state.page = page;
  writeHash();
  render();
  toList();
}

function toList() {
  byId("list").focus();
  byId("list").scrollIntoView();
}

function change(changes) {
  Object.assign(state, { page: 0 }, changes);
  filter();
  settle();
  writeHash();
  render();
}
