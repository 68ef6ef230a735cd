// Copyright (c) 2026, pgops contributors
// SPDX-License-Identifier: GPL-3.0-or-later
"use strict";

(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const at = Object.fromEntries(data.fields.map((name, place) => [name, place]));
  const STATUSES = ["critical", "unknown", "warning", "healthy", "skipped"];
  const ROWS_PER_PAGE = 100;
  const MOST_PRINTED = 1000;
  const MOST_LISTED = 200;
  const MOST_COMMANDS = 50;
  const byId = (id) => document.getElementById(id);

  // What has no shape of its own, or turns the direction of what follows, would make a name look like another. The two
  // joiners belong to the spelling of Persian and Hindi.
  const HIDDEN = /(?![\u200c\u200d])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;
  const escaped = (letter) => {
    const code = letter.codePointAt(0).toString(16);
    return code.length > 4 ? `\\u{${code}}` : `\\u${code.padStart(4, "0")}`;
  };
  const visible = (text) => String(text).replace(HIDDEN, escaped);
  const shown = (value) => (value === null || value === undefined ? "–" : visible(value));

  /** An element; children are elements or text, never markup. */
  function make(tag, attributes, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) {
      if (name === "on") {
        for (const [event, work] of Object.entries(value)) element.addEventListener(event, work);
      } else if (value === true) element.setAttribute(name, "");
      else if (value !== false && value !== null) element.setAttribute(name, value);
    }
    element.append(...children);
    return element;
  }
  /** A name from a database, whose direction of writing touches nothing beside it. */
  const name = (text) => make("bdi", null, visible(text));
  /** A sentence of ours, which goes from left to right even if it begins with a name that does not. */
  const sentence = (text) => make("bdi", { dir: "ltr" }, visible(text));
  /** An integer with its thousands apart, exactly; text where JavaScript's numbers would round it. */
  const grouped = (value) => (value === null ? "–" : BigInt(value).toLocaleString("en"));
  const plural = (count, one, many) => `${count.toLocaleString("en")} ${count === 1 ? one : many || one + "s"}`;

  const haystacks = data.rows.map((row) =>
    [
      row[at.host], row[at.database], `${row[at.schema]}.${row[at.name]}`, row[at.status], row[at.reasons].join(" "), row[at.message],
      ...row[at.columns].map((column) => `${column[0]}.${column[1]}.${column[2]}`),
    ].join("\n").toLowerCase()
  );

  const SORTS = {
    status: { title: "Status", descends: true, key: (row) => STATUSES.indexOf(row[at.status]) },
    host: { title: "Host", key: (row) => row[at.host].toLowerCase() },
    database: { title: "Database", key: (row) => row[at.database].toLowerCase() },
    sequence: { title: "Sequence", key: (row) => `${row[at.schema]}.${row[at.name]}`.toLowerCase() },
    used: { title: "Range used", descends: true, key: (row) => -(row[at.percent_used] ?? -1) },
    message: { title: "Message", key: (row) => row[at.message] },
  };

  const state = { search: "", statuses: new Set(), host: "", database: "", sort: "status", down: true, page: 0 };
  const unfolded = new Set();
  let found = [];
  let printing = false;

  function readHash() {
    const given = new URLSearchParams(location.hash.slice(1));
    state.search = given.get("q") || "";
    state.statuses = new Set((given.get("status") || "").split(",").filter((status) => STATUSES.includes(status)));
    state.host = hosts.includes(given.get("host")) ? given.get("host") : "";
    state.database = databases.includes(given.get("database")) ? given.get("database") : "";
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
    if (state.sort !== "status") kept.set("sort", state.sort);
    if (!state.down) kept.set("order", "up");
    if (state.page) kept.set("page", state.page + 1);
    try {
      history.replaceState(null, "", "#" + kept.toString());
    } catch (_refused) {
      // Safari allows 100 in ten seconds, which fast typing may exceed; the list matters more than the address.
    }
  }

  const distinct = (place) => [...new Set(data.rows.map((row) => row[place]))].sort();
  const hosts = distinct(at.host);
  const databases = distinct(at.database);

  function filter() {
    const words = state.search.toLowerCase().split(/\s+/).filter(Boolean);
    found = [];
    for (let number = 0; number < data.rows.length; number++) {
      const row = data.rows[number];
      if (state.statuses.size && !state.statuses.has(row[at.status])) continue;
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

  function say(text) {
    byId("said").textContent = text;
  }

  async function copy(text) {
    try {
      await navigator.clipboard.writeText(text);
    } catch (_unavailable) {
      // A page from a disk may have no clipboard of that kind.
      const area = make("textarea", { class: "hidden", "aria-hidden": "true" });
      area.value = text;
      document.body.append(area);
      area.select();
      const copied = document.execCommand("copy");
      area.remove();
      if (!copied) {
        say("It could not be copied; select the text and copy it.");
        return;
      }
    }
    say("Copied.");
  }

  function code(text, what) {
    const box = make("div", { class: "code" }, make("code", { dir: "ltr" }, visible(text)));
    if (visible(text) !== text) {
      // Pasted, a name's control characters would be keys to a terminal.
      box.append(make("p", { class: "soft" }, "Not to be copied: a name in it holds characters that cannot be seen."));
      return box;
    }
    const button = make("button", { type: "button", "aria-label": `Copy ${what}` }, "Copy");
    button.addEventListener("click", async () => {
      const before = document.activeElement;
      await copy(text);
      before.focus();
      button.textContent = "Copied";
      setTimeout(() => (button.textContent = "Copy"), 1500);
    });
    box.append(button);
    return box;
  }

  const quoted = (text) => "'" + text.replaceAll("'", "'\\''") + "'";

  /** The playbook that repairs a sequence; null where its name cannot be given on a command line. */
  function command(row) {
    const given = [row[at.host], row[at.database], row[at.schema], row[at.name]];
    // Ansible would take the former for templates, and a terminal the latter for keys.
    if (given.some((text) => /[{][{%#]/.test(text) || visible(text) !== text)) return null;
    // Neither a leading ! nor a pattern of databases can be escaped, nor what --limit takes for several hosts.
    if (/^!/.test(row[at.schema]) || /^!|[*?[]/.test(row[at.database])) return null;
    if (!/^([\p{L}\p{N}_][\p{L}\p{N}_.-]*|[0-9a-f:]+)$/iu.test(row[at.host])) return null;
    const pattern = `${row[at.schema]}.${row[at.name]}`.replace(/[*?[]/g, "[$&]");
    const variables = { pg_sequences_database: row[at.database], pg_sequences_sequences: [pattern] };
    return `ansible-playbook pgops.sequences.fix --limit ${quoted(row[at.host])} -e ${quoted(JSON.stringify(variables))}`;
  }

  /** The commands that repair what is listed and can be repaired, one for each host and database. */
  function repairs() {
    const box = byId("repairs");
    const many = found.filter((number) => data.rows[number][at.fix]).length;
    box.hidden = many < 2;
    box.querySelector("summary").textContent = `Commands for all that is listed and can be repaired: ${plural(many, "sequence")}`;
    if (box.hidden || !box.open) return;
    const places = new Map();
    for (const number of found) {
      const row = data.rows[number];
      if (!row[at.fix] || !command(row)) continue;
      const place = JSON.stringify([row[at.host], row[at.database]]);
      if (!places.has(place)) places.set(place, []);
      places.get(place).push(`${row[at.schema]}.${row[at.name]}`.replace(/[*?[]/g, "[$&]"));
    }
    const lines = [...places].slice(0, MOST_COMMANDS).map(([place, sequences]) => {
      const [host, database] = JSON.parse(place);
      const variables = { pg_sequences_database: database, pg_sequences_sequences: sequences };
      return code(`ansible-playbook pgops.sequences.fix --limit ${quoted(host)} -e ${quoted(JSON.stringify(variables))}`,
        `the command for ${visible(database)} on ${visible(host)}`);
    });
    if (places.size > MOST_COMMANDS) lines.push(make("p", null, `and ${(places.size - MOST_COMMANDS).toLocaleString("en")} more databases`));
    box.querySelector("div").replaceChildren(...lines);
  }

  function term(title, value) {
    return make("div", null, make("dt", null, title), make("dd", null, shown(value)));
  }

  function details(row) {
    const body = make("td", { colspan: Object.keys(SORTS).length });
    body.append(make("p", null, sentence(row[at.message])));
    if (row[at.reasons].length) body.append(make("p", { class: "soft" }, `Reasons: ${visible(row[at.reasons].join(", "))}`));
    const fix = row[at.fix];
    if (fix) {
      body.append(make("h3", null, "What repairs it"));
      const playbook = command(row);
      if (playbook) body.append(make("p", { class: "soft" }, "On the controller, under the sequence's lock, with the inventory and the connection of this report:"), code(playbook, "the command"));
      body.append(make("p", { class: "soft" }, `${playbook ? "Or in" : "In"} the database, with nobody writing:`), code(fix.statement, "the statement"));
    }
    const remedy = row[at.remedy];
    if (remedy && !(fix && fix.statement === remedy)) body.append(make("h3", null, "What settles it"), code(remedy, "the remedy"));
    body.append(
      make("h3", null, "Numbers"),
      make("dl", null,
        term("Next value", row[at.next_value]), term("Furthest value", row[at.furthest_value]), term("Gap", row[at.gap]),
        term("Limit", row[at.limit]), term("Per cent used", row[at.percent_used]), term("Last value", row[at.last_value]),
        term("Is called", row[at.is_called]), term("Type", row[at.data_type]), term("Start", row[at.start_value]),
        term("Increment", row[at.increment]), term("Range", `${row[at.min_value]} to ${row[at.max_value]}`), term("Cache", row[at.cache_size]),
        term("Cycle", row[at.cycle] ? "yes" : "no"))
    );
    const columns = row[at.columns];
    if (columns.length) {
      const head = ["Column", "Type", "Via", "Indexed", "Furthest value", "Error"].map((title) => make("th", { scope: "col" }, title));
      const lines = columns.map(([schema, table, column, type, via, indexed, furthest, error]) =>
        make("tr", null,
          make("th", { scope: "row" }, name(schema), ".", name(table), ".", name(column)), make("td", null, name(type)),
          make("td", null, visible(via)), make("td", null, indexed ? "yes" : "no"), make("td", null, shown(furthest)), make("td", null, shown(error)))
      );
      body.append(
        make("h3", null, "Columns"),
        make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `Columns of ${visible(`${row[at.schema]}.${row[at.name]}`)}` },
          make("table", null, make("thead", null, make("tr", null, ...head)), make("tbody", null, ...lines)))
      );
    }
    const trend = row[at.trend];
    if (trend) {
      body.append(make("h3", null, "Over time"));
      const speed = trend.values_per_day;
      let said = `${trend.points.length} reports`;
      if (speed !== null) said += `, ${speed.toLocaleString("en")} values a day`;
      body.append(make("p", null, said + "."));
      if (trend.exhausted_at) body.append(make("p", null, make("strong", null, `At this speed the ids run out on ${trend.exhausted_at}.`)));
      const lines = [{ title: "next value", tone: "healthy", values: trend.points.map((point) => point[1]) },
        { title: "furthest value", tone: "warning", values: trend.points.map((point) => point[2]) }];
      body.append(chart(lines, trend.points.map((point) => point[0]), `Next and furthest value over ${trend.points.length} reports`));
    }
    return make("tr", { class: "details" }, body);
  }

  /** Lines over time, as SVG. Their values are integers, text where JavaScript's numbers would round them, or null. */
  function chart(lines, times, title) {
    const [width, height, left, top, bottom] = [700, 172, 70, 16, 28];
    const svgOf = (tag, attributes, text) => {
      const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
      for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
      if (text) element.textContent = text;
      return element;
    };
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
    drawing.append(svgOf("line", { x1: left, x2: width - 10, y1: y(least), y2: y(least) }));
    // Within a day the hours matter.
    const oneDay = times[0].slice(0, 10) === times[times.length - 1].slice(0, 10);
    const when = (time) => time.slice(0, oneDay ? 16 : 10).replace("T", " ");
    const short = (value) => value.toLocaleString("en", { notation: "compact" });
    drawing.append(svgOf("text", { x: left - 8, y: y(most) + 5, "text-anchor": "end" }, short(most)));
    drawing.append(svgOf("text", { x: left - 8, y: y(least) + 5, "text-anchor": "end" }, short(least)));
    drawing.append(svgOf("text", { x: left, y: height - 4 }, when(times[0])));
    drawing.append(svgOf("text", { x: width - 10, y: height - 4, "text-anchor": "end" }, when(times[times.length - 1])));
    for (const line of lines) {
      const points = line.values.map((value, place) => [moments[place], value]).filter(([, value]) => value !== null);
      drawing.append(svgOf("polyline", { class: line.tone, points: points.map(([moment, value]) => `${x(moment)},${y(Number(value))}`).join(" ") }));
    }
    const legend = make("div", { class: "legend" }, ...lines.map((line, place) => make("span", { class: line.tone }, last[place])));
    return make("div", { class: "chart" }, drawing, legend);
  }

  function used(row) {
    const cell = make("td", { class: "used", "data-title": "Range used" });
    if (row[at.percent_used] === null) {
      cell.append("–");
      return cell;
    }
    const fill = make("i");
    fill.style.width = `${Math.min(100, Math.max(0, row[at.percent_used]))}%`;
    const near = row[at.reasons].includes("near_limit") || row[at.reasons].includes("exhausted");
    cell.append(`${row[at.percent_used]} %`, make("span", { class: near ? "bar near" : "bar", "aria-hidden": "true" }, fill));
    return cell;
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
    const line = make("tr", null,
      make("td", null, button), make("td", { "data-title": "Host" }, name(row[at.host])), make("td", { "data-title": "Database" }, name(row[at.database])),
      make("th", { scope: "row", "data-title": "Sequence" }, name(row[at.schema]), ".", name(row[at.name])), used(row),
      make("td", null, sentence(row[at.message])));
    return open ? [line, details(row)] : [line];
  }

  function render() {
    const pages = Math.max(1, Math.ceil(found.length / ROWS_PER_PAGE));
    state.page = Math.min(state.page, pages - 1);
    const [from, to] = printing ? [0, MOST_PRINTED] : [state.page * ROWS_PER_PAGE, (state.page + 1) * ROWS_PER_PAGE];
    const rows = found.slice(from, to);
    byId("sequences").tBodies[0].replaceChildren(...rows.flatMap(tableRow));
    byId("sequences").hidden = !rows.length;
    const of = found.length === data.rows.length ? "" : ` of ${data.rows.length.toLocaleString("en")}`;
    let count = `${plural(found.length, "sequence")}${of} listed`;
    if (printing && found.length > MOST_PRINTED) count += `; the first ${MOST_PRINTED.toLocaleString("en")} are printed`;
    else if (pages > 1 && !printing) count += `, page ${state.page + 1} of ${pages}`;
    if (!data.rows.length) count = "Nothing needs a look among the sequences that were audited.";
    byId("count").textContent = count + (data.rows.length === data.summary.total ? "" : ` (${data.summary.total.toLocaleString("en")} were audited; healthy and skipped ones are counted, not listed)`);
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
    byId("search").value = state.search;
    byId("host").value = state.host;
    byId("database").value = state.database;
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
    repairs();
    writeHash();
    render();
  }

  function header() {
    const summary = data.summary;
    const mode = data.run.check_mode ? " in check mode" : "";
    const when = data.generated_at.replace("T", " ").replace("Z", " UTC");
    byId("made").textContent =
      `${data.run.name}${mode}, ${when}, ${plural(summary.hosts, "host")}, ${plural(summary.databases, "database")}, ${plural(summary.total, "sequence")};` +
      ` pgops.sequences ${data.collection_version}, ansible-core ${data.ansible_version}`;
    document.title = `${summary.critical} critical – PostgreSQL sequences, ${when}`;
    const listed = Object.fromEntries(STATUSES.map((status) => [status, 0]));
    for (const row of data.rows) listed[row[at.status]]++;
    for (const status of STATUSES) {
      const inside = [make("b", null, summary[status].toLocaleString("en")), status];
      byId("tiles").append(listed[status]
        ? make("button", { type: "button", class: `tile ${status}`, "data-status": status, "aria-pressed": "false", on: { click: () => {
            if (!state.statuses.delete(status)) state.statuses.add(status);
            change({});
          } } }, ...inside)
        : make("div", { class: `tile ${status}` }, ...inside));
    }
    const away = summary.hosts_not_audited;
    byId("tiles").append(make("div", { class: away ? "tile trouble" : "tile" }, make("b", null, away.toLocaleString("en")), away === 1 ? "host not audited" : "hosts not audited"));
    const unseen = away + summary.databases_not_audited + data.hosts.filter((host) => host.error && host.summary).length;
    const needs = summary.critical + summary.unknown + summary.warning;
    let verdict = "";
    if (!summary.hosts) verdict = "No host was audited.";
    else if (away === summary.hosts) verdict = "No host could be audited, so nothing is known of any sequence.";
    else if (unseen) verdict = "Not everything could be audited: what is not known is not healthy.";
    else if (!needs) verdict = "Everything that was audited is in order.";
    byId("verdict").textContent = verdict;
  }

  function section(id, items) {
    if (!items.length) return;
    const rest = items.length - MOST_LISTED;
    byId(id).querySelector("ul").append(...items.slice(0, MOST_LISTED), ...(rest > 0 ? [make("li", null, `and ${rest.toLocaleString("en")} more`)] : []));
    byId(id).hidden = false;
  }

  /** What is not known of a database's sequences, and all that they are suspected of, ready to be copied; null without any. */
  function undrawn(host, database) {
    const { suspected = 0, no_column: unknown = 0 } = database.skipped || {};
    const entries = database.suspected || [];
    const counters = database.not_covered || [];
    if (!suspected && !unknown && !entries.length && !counters.length) return null;
    const told = [suspected && `${suspected.toLocaleString("en")} suspected`, unknown && `${unknown.toLocaleString("en")} of unknown use`].filter(Boolean);
    const item = make("li", null, make("strong", null, name(host.name), ", database ", name(database.name)),
      ": ", told.length ? `${plural(suspected + unknown, "sequence")} drawn by no column: ${told.join(", ")}` : "more is fed or counted than is known");
    if (entries.length) {
      item.append(make("p", { class: "soft" }, "What is suspected is not moved before it is confirmed. Take out what is wrong, and run again with:"),
        code(`pg_sequences_columns: ${JSON.stringify(entries)}`, "the columns"));
    }
    if (counters.length) item.append(make("p", null, "Not covered, as it counts without a sequence: ", sentence(counters.join(", "))));
    return item;
  }

  function sections() {
    const shut = data.hosts.flatMap((host) => [
      ...(host.error ? [make("li", null, make("strong", null, name(host.name)), ": ", sentence(host.error))] : []),
      ...host.databases.filter((database) => database.error).map((database) =>
        make("li", null, make("strong", null, name(host.name), ", database ", name(database.name)), ": ", sentence(database.error))),
    ]);
    const cutover = data.hosts.flatMap((host) => ((host.cutover || {}).lines || []).map((line) =>
      make("li", null, ...(data.hosts.length > 1 ? [make("strong", null, name(host.name)), " "] : []), sentence(line))));
    section("cutover", cutover);
    section("unreached", shut);
    section("left", data.not_fixed.map((left) =>
      make("li", null, make("strong", null, name(left.host), " ", name(left.database), " ", name(left.schema), ".", name(left.name)), ": ",
        sentence(left.message), code(left.remedy, "the remedy"))));
    section("undrawn", data.hosts.flatMap((host) => host.databases.map((database) => undrawn(host, database)).filter(Boolean)));
    if (data.changes.length) {
      const word = data.run.check_mode ? "would be repaired" : "repaired";
      byId("moved-title").textContent = `${plural(data.changes.length, "sequence")} ${word}`;
      byId("moved").querySelector("tbody").append(...data.changes.slice(0, MOST_PRINTED).map((moved) =>
        make("tr", null, make("td", null, name(moved.host)), make("td", null, name(moved.database)),
          make("th", { scope: "row" }, name(moved.schema), ".", name(moved.name)), make("td", null, shown(moved.before.next_value)), make("td", null, shown(moved.after.next_value)))));
      if (data.changes.length > MOST_PRINTED) byId("moved").querySelector("div").append(make("p", null, `and ${(data.changes.length - MOST_PRINTED).toLocaleString("en")} more`));
      byId("moved").hidden = false;
    }
    if (data.history.length > 1) {
      const lines = STATUSES.slice(0, 3).map((status) => ({ title: status, tone: status, values: data.history.map((run) => run[status]) }));
      byId("history").querySelector(".chart").replaceWith(chart(lines, data.history.map((run) => run.generated_at), `Findings over ${data.history.length} reports`));
      byId("history").hidden = false;
    }
  }

  function themes() {
    const button = byId("theme");
    const use = (theme) => {
      document.documentElement.dataset.theme = theme;
      button.textContent = theme === "dark" ? "Light" : "Dark";
      button.setAttribute("aria-label", `Use ${theme === "dark" ? "light" : "dark"} colours`);
    };
    const system = matchMedia("(prefers-color-scheme: dark)");
    let chosen = false;
    system.addEventListener("change", () => chosen || use(system.matches ? "dark" : "light"));
    button.addEventListener("click", () => {
      chosen = true;
      use(document.documentElement.dataset.theme === "dark" ? "light" : "dark");
    });
    use(system.matches ? "dark" : "light");
  }

  function controls() {
    for (const [key, sort] of Object.entries(SORTS)) {
      const button = make("button", { type: "button", on: { click: () => change({ sort: key, down: state.sort === key ? !state.down : true }) } }, sort.title);
      byId("sequences").tHead.rows[0].append(make("th", { scope: "col", "data-sort": key }, button));
    }
    for (const [id, values] of [["host", hosts], ["database", databases]]) {
      byId(id).append(...values.map((value) => make("option", { value }, visible(value))));
      byId(id).addEventListener("change", (event) => change({ [id]: event.target.value }));
    }
    byId("repairs").addEventListener("toggle", repairs);
    byId("search").addEventListener("input", (event) => change({ search: event.target.value }));
    byId("filters").addEventListener("submit", (event) => event.preventDefault());
    byId("reset").addEventListener("click", () => change({ search: "", statuses: new Set(), host: "", database: "", sort: "status", down: true }));
    document.querySelector(".skip").addEventListener("click", (event) => {
      // The address is the filters'.
      event.preventDefault();
      toList();
    });
    addEventListener("hashchange", () => {
      readHash();
      filter();
      repairs();
      render();
    });
    const repaired = byId("moved").querySelector("details");
    let unfoldedBefore = false;
    addEventListener("beforeprint", () => {
      printing = true;
      unfoldedBefore = repaired.open;
      repaired.open = true;
      render();
    });
    addEventListener("afterprint", () => {
      printing = false;
      repaired.open = unfoldedBefore;
      render();
    });
  }

  themes();
  header();
  sections();
  controls();
  readHash();
  filter();
  repairs();
  render();
})();
