// Copyright (c) 2026, pgops contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Above the list: what the run was, its verdict, counts, hosts, what could not be audited or repaired, how it went over time.

const MOST_PLACES = 300;

/** How many hosts could not be audited; a restore that is only foretold has nothing to audit yet. */
const missing = () => data.hosts.filter((host) => !host.summary && host.error).length;

function header() {
  const summary = data.summary;
  const mode = data.run.check_mode ? " in check mode" : "";
  const when = data.generated_at.replace("T", " ").replace("Z", " UTC");
  byId("made").textContent =
    `${data.run.name}${mode}, ${when}, ${plural(summary.hosts, "host")}, ${plural(summary.databases, "database")}, ${plural(summary.total, "sequence")};` +
    ` pgops.sequences ${data.collection_version}, ansible-core ${data.ansible_version}`;
  document.title = `${summary.critical} critical – PostgreSQL sequences, ${when}`;
  const away = missing();
  const unseen = away + summary.databases_not_audited + data.hosts.filter((host) => host.error && host.summary).length;
  const bad = away || summary.critical || summary.not_fixed;
  // A cut-over has a verdict of its own.
  const own = data.hosts.length === 1 && (data.hosts[0].cutover || {}).verdict ? data.hosts[0].cutover : null;
  byId("verdict").classList.add(own ? (own.switchable ? "healthy" : "critical") : bad ? "critical" : unseen || summary.unknown ? "unknown" : summary.warning ? "warning" : summary.hosts ? "healthy" : "unknown");
  byId("verdict").textContent = visible(own ? own.verdict : data.verdict);
  let caution = "";
  if (summary.hosts && away === summary.hosts) caution = "No host could be audited, so nothing is known of any sequence.";
  else if (data.hosts.some((host) => !host.summary && !host.error)) caution = "In check mode no database is made, so there is none to audit yet.";
  else if (unseen) caution = "Not everything could be audited: what is not known is not healthy.";
  byId("caution").textContent = caution;
}

function tiles() {
  const summary = data.summary;
  const listed = Object.fromEntries(STATUSES.map((status) => [status, 0]));
  for (const row of data.rows) listed[row[at.status]]++;
  for (const status of STATUSES) {
    const inside = [make("b", null, summary[status].toLocaleString("en")), status];
    const toggle = () => {
      if (!state.statuses.delete(status)) state.statuses.add(status);
      change({});
    };
    byId("tiles").append(listed[status]
      ? make("button", { type: "button", class: `tile ${status}`, "data-status": status, "aria-pressed": "false", on: { click: toggle } }, ...inside)
      : make("div", { class: summary[status] ? `tile ${status}` : "tile none" }, ...inside));
  }
  const away = missing();
  byId("tiles").append(make("div", { class: away ? "tile trouble" : "tile none" }, make("b", null, away.toLocaleString("en")), away === 1 ? "host not audited" : "hosts not audited"));
}

/** Hosts, or the databases of the only one, by status; a click filters the list. */
function places() {
  const single = data.hosts.length === 1;
  const all = single ? data.hosts[0].databases : data.hosts;
  if (!all.length || (single && all.length === 1 && !all[0].error)) return;
  const kind = single ? "database" : "host";
  const known = new Set(single ? databases : hosts);
  const isGood = (place) => !place.error && place.summary && !STATUSES.slice(0, 3).some((status) => place.summary[status])
    && !(place.databases || []).some((database) => database.error);
  const bad = all.filter((place) => !isGood(place));
  const button = (place, status, text) =>
    make("button", { type: "button", "data-kind": kind, "data-place": place.name, "data-status": status || "", "aria-pressed": "false",
      "aria-label": status ? `${visible(place.name)}: ${text} ${status}` : null,
      on: { click: () => {
        const same = state[kind] === place.name && (status ? state.statuses.has(status) && state.statuses.size === 1 : !state.statuses.size);
        change({ [kind]: same ? "" : place.name, statuses: new Set(same || !status ? [] : [status]) });
      } } }, text);
  const line = (place) => {
    const title = make("th", { scope: "row", }, known.has(place.name) ? button(place, "", name(place.name, false)) : name(place.name, false));
    if (!place.summary || (place.error && single)) return make("tr", null, title, make("td", { class: "trouble", colspan: STATUSES.length }, single ? "not entered" : place.error ? "not audited" : "not there yet"));
    return make("tr", null, title, ...STATUSES.map((status) => {
      const count = place.summary[status];
      const text = count.toLocaleString("en");
      const clicks = count && known.has(place.name) && (STATUSES.indexOf(status) < 3 || data.rows.some((row) => row[at[kind]] === place.name && row[at.status] === status));
      return make("td", { class: count ? status : "none" }, clicks ? button(place, status, text) : text);
    }));
  };
  const body = byId("places").querySelector("tbody");
  byId("places").querySelector("thead tr").append(make("th", { scope: "col" }, single ? "Database" : "Host"), ...STATUSES.map((status) => make("th", { scope: "col" }, status)));
  body.append(...bad.slice(0, MOST_PLACES).map(line));
  const rest = all.filter(isGood).concat(bad.slice(MOST_PLACES));
  if (rest.length && bad.length) {
    const words = bad.length > MOST_PLACES ? `${plural(rest.length, kind)} more` : `${plural(rest.length, kind)} in order`;
    const more = make("button", { type: "button", class: "quiet", on: { click: () => {
      body.append(...rest.slice(0, MOST_LISTED * 10).map(line));
      more.remove();
    } } }, `Show ${words}`);
    byId("places").append(more);
  } else body.append(...rest.slice(0, MOST_PLACES).map(line));
  byId("places").hidden = false;
}

function section(id, items) {
  if (!items.length) return;
  byId(id).querySelector("ul").append(...some(items));
  byId(id).hidden = false;
}

/** What is not known of a database's sequences; null without any. What they are suspected to feed stands beside the list. */
function undrawn(host, database) {
  const { suspected = 0, no_column: unknown = 0 } = database.skipped || {};
  const counters = database.not_covered || [];
  if (!suspected && !unknown && !counters.length) return null;
  const told = [suspected && `${suspected.toLocaleString("en")} suspected`, unknown && `${unknown.toLocaleString("en")} unknown use`].filter(Boolean);
  const item = make("li", null, make("strong", null, name(host.name), ", database ", name(database.name)), ": ",
    told.length ? `${plural(suspected + unknown, "sequence")} drawn by no column: ${told.join(", ")}` : "more is counted than is known");
  if (counters.length) item.append(make("p", null, "Not covered, as it counts without a sequence: ", sentence(counters.join(", "))));
  return item;
}

function sections() {
  section("unreached", data.hosts.flatMap((host) => [
    ...(host.error ? [make("li", null, make("strong", null, name(host.name)), ": ", sentence(host.error))] : []),
    ...host.databases.filter((database) => database.error).map((database) =>
      make("li", null, make("strong", null, name(host.name), ", database ", name(database.name)), ": ", sentence(database.error))),
  ]));
  section("left", data.not_fixed.map((left) =>
    make("li", null, make("strong", null, name(left.host), " ", name(left.database), " ", ...full(left.schema, left.name)), ": ", sentence(left.message))));
  byId("left").append(...remedies(data.not_fixed.filter((left) => left.remedy).slice(0, MOST_LISTED)));
  section("undrawn", data.hosts.flatMap((host) => host.databases.map((database) => undrawn(host, database)).filter(Boolean)));
  moved();
  if (data.history.length > 1) {
    const lines = STATUSES.slice(0, 3).map((status) => ({ title: status, tone: status, values: data.history.map((run) => run[status]) }));
    byId("history").querySelector(".chart").replaceWith(chart(lines, data.history.map((run) => run.generated_at), `Findings over ${data.history.length} reports`));
    byId("history").hidden = false;
  }
  byId("overview").classList.toggle("beside", !byId("places").hidden || !byId("history").hidden);
  byId("overview").classList.toggle("three", !byId("places").hidden && !byId("history").hidden);
}

function moved() {
  if (!data.changes.length) return;
  const word = data.run.check_mode ? "would be repaired" : "repaired";
  byId("moved-title").textContent = `${plural(data.changes.length, "sequence")} ${word}`;
  byId("moved").querySelector("tbody").append(...data.changes.slice(0, MOST_PRINTED).map((change_) =>
    make("tr", null, make("td", null, name(change_.host)), make("td", null, name(change_.database)), make("th", { scope: "row" }, ...full(change_.schema, change_.name)),
      make("td", null, shown(change_.before.next_value)), make("td", null, shown(change_.after.next_value)))));
  if (data.changes.length > MOST_PRINTED) byId("moved").querySelector("div").append(make("p", null, `and ${(data.changes.length - MOST_PRINTED).toLocaleString("en")} more`));
  byId("moved").hidden = false;
}
