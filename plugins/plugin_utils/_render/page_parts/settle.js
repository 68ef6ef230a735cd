// Copyright (c) 2026, pgops contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// What settles the findings of a selection: one command for all that can be repaired, each remedy once, what to confirm.

const quoted = (text) => "'" + text.replaceAll("'", "'\\''") + "'";
const byName = new Map(data.hosts.map((host) => [host.name, host]));
const escapedPattern = (row) => `${row[at.schema]}.${row[at.name]}`.replace(/[*?[]/g, "[$&]");

// Ansible would take the former for templates, and a terminal the latter for keys.
const isPlain = (text) => !/[{][{%#]/.test(text) && visible(text) === text;
/** Whether a database can be named on a command line: a pattern of databases has no escape. Nor has --limit for hosts. */
const isNameable = (host, database) =>
  isPlain(database) && !/^!|[*?[]/.test(database) && /^([\p{L}\p{N}_][\p{L}\p{N}_.-]*|[0-9a-f:]+)$/iu.test(host);

/** Whether the playbook fix repairs it; what only a reference shows to be behind is the cut-over's. */
const isRepairable = (row) => Boolean(row[at.fix]) && !(row[at.reasons].includes("behind_reference") && !row[at.reasons].includes("behind"));

function playbook(hostNames, variables) {
  // A shell takes plain names without quotes, but not every shell every letter.
  return `ansible-playbook pgops.sequences.fix --limit ${quoted(hostNames.join(","))} -e ${quoted(JSON.stringify(variables))}`;
}

/** The playbook that repairs a sequence; null where its name cannot be given on a command line. */
function command(row) {
  if (!isRepairable(row) || !isNameable(row[at.host], row[at.database])) return null;
  if (![row[at.schema], row[at.name]].every(isPlain) || /^!/.test(row[at.schema])) return null;
  return playbook([row[at.host]], { pg_sequences_database: row[at.database], pg_sequences_sequences: [escapedPattern(row)] });
}

/** Rows by host and database, as JSON of both. */
function byPlace(numbers) {
  const places = new Map();
  for (const number of numbers) {
    const row = data.rows[number];
    const place = JSON.stringify([row[at.host], row[at.database]]);
    if (!places.has(place)) places.set(place, []);
    places.get(place).push(number);
  }
  return places;
}

/** The databases to name so that all that can be repaired on a host is: as the report named them, where it could look at all. */
function databasesOf(host, found_) {
  const { selection, databases: seen } = byName.get(host) || {};
  const given = (selection || {}).databases || [];
  return given.length && given.every(isPlain) && !seen.some((database) => database.error) ? [...given].sort() : found_.sort();
}

const allRepairable = byPlace([...data.rows.keys()].filter((number) => isRepairable(data.rows[number])));

/** The fewest commands that repair some rows: one for all hosts whose databases are named alike, where all of a database is
 * meant; one for each database otherwise. */
function commandsOf(numbers) {
  const whole = new Map();
  const commands = [];
  let left = 0;
  for (const [place, rows] of byPlace(numbers)) {
    const [host, database] = JSON.parse(place);
    if (!isNameable(host, database)) {
      left += rows.length;
      continue;
    }
    const selection = (byName.get(host) || {}).selection || {};
    const everything = !["schemas", "tables", "sequences"].some((part) => (selection[part] || []).length);
    if (everything && allRepairable.get(place).length === rows.length) {
      if (!whole.has(host)) whole.set(host, []);
      whole.get(host).push(database);
      continue;
    }
    const named = rows.filter((number) => command(data.rows[number]));
    left += rows.length - named.length;
    if (named.length) {
      const patterns = named.map((number) => escapedPattern(data.rows[number]));
      commands.push(playbook([host], { pg_sequences_database: database, pg_sequences_sequences: patterns }));
    }
  }
  const alike = new Map();
  for (const [host, databases_] of whole) {
    const isAll = databases_.length === [...allRepairable.keys()].filter((place) => JSON.parse(place)[0] === host).length;
    const key = JSON.stringify(isAll ? databasesOf(host, databases_) : databases_.sort());
    if (!alike.has(key)) alike.set(key, []);
    alike.get(key).push(host);
  }
  for (const [key, hostNames] of [...alike].reverse()) {
    commands.unshift(playbook(hostNames.sort(), { pg_sequences_databases: JSON.parse(key) }));
  }
  return [commands, left];
}

/** The statements of a remedy; null where it is no SQL alone. */
function statements(remedy) {
  if (!/^(GRANT|ALTER|CREATE|SELECT|DROP|REFRESH)\b/.test(remedy) || !remedy.endsWith(";")) return null;
  // A semicolon may stand in a name or a text.
  const found = remedy.match(/(?:"(?:[^"]|"")*"|'(?:[^']|'')*'|[^;"'])+;/g) || [];
  return found.length && found.every((each) => /^\s*(GRANT|ALTER|CREATE|SELECT|DROP|REFRESH)\b/.test(each)) ? found.map((each) => each.trim()) : null;
}

/** Remedies, each once: SQL by the databases to run it in, the rest by itself.
 * @param entries host, database, place and remedy of each */
function remedies(entries) {
  const sql = new Map();
  const words = new Map();
  for (const entry of entries) {
    const found = statements(entry.remedy);
    for (const each of found || [entry.remedy]) {
      const kind = found ? sql : words;
      if (!kind.has(each)) kind.set(each, { places: new Set(), names: new Set() });
      kind.get(each).places.add(JSON.stringify([entry.host, entry.database]));
      kind.get(each).names.add(`${entry.schema}.${entry.name}`);
    }
  }
  const blocks = new Map();
  for (const [statement, { places }] of sql) {
    const key = JSON.stringify([...places].sort());
    if (!blocks.has(key)) blocks.set(key, []);
    blocks.get(key).push(statement);
  }
  return [
    ...[...blocks].flatMap(([key, lines]) => [make("p", null, "In ", ...where(JSON.parse(key))), code(lines, "the statements")]),
    ...[...words].flatMap(([remedy, { places, names }]) => [
      make("p", null, `${plural(names.size, "sequence")} in `, ...where([...places]), ": ", sentence([...names].slice(0, 3).join(", ") + (names.size > 3 ? ", ..." : ""))),
      code(remedy, "the remedy"),
    ]),
  ];
}

/** Databases and their hosts, in words. */
function where(places) {
  const hostNames = new Map();
  for (const [host, database] of places.map((place) => JSON.parse(place))) {
    if (!hostNames.has(database)) hostNames.set(database, []);
    hostNames.get(database).push(host);
  }
  return [...hostNames].slice(0, 3).flatMap(([database, all], number) => [
    number ? "; " : "", "database ", make("strong", null, name(database)),
    ...(data.hosts.length > 1 ? [" on ", ...all.slice(0, 3).flatMap((host, place) => [place ? ", " : "", name(host)]), all.length > 3 ? ` and ${all.length - 3} more` : ""] : []),
  ]).concat(hostNames.size > 3 ? [` and ${hostNames.size - 3} more databases`] : []);
}

/** A part that unfolds; what is in it is made when it is opened. */
function fold(id, title, work) {
  const box = byId(id);
  box.hidden = !title;
  if (!title) return;
  box.querySelector("summary").textContent = title;
  if (box.open) box.querySelector("div").replaceChildren(...work());
}

/** What settles what is listed. */
function settle() {
  const repairable = found.filter((number) => isRepairable(data.rows[number]));
  fold("repairs", repairable.length ? `Repair what is listed: ${plural(repairable.length, "sequence")}` : "", () => {
    const [commands, left] = commandsOf(repairable);
    const lines = commands.slice(0, MOST_COMMANDS).map((line, place) => code(line, `command ${place + 1}`));
    if (commands.length > MOST_COMMANDS) lines.push(make("p", null, `and ${(commands.length - MOST_COMMANDS).toLocaleString("en")} more commands`));
    if (left) lines.push(make("p", null, `${plural(left, "sequence")} cannot be named on a command line: use the statement that stands with each.`));
    return [make("p", { class: "soft" }, "On the controller, with the inventory and the connection of this report:"), ...lines];
  });
  const others = found.map((number) => data.rows[number]).filter((row) => row[at.remedy] && !row[at.fix] && !row[at.reasons].includes("suspected"))
    .map((row) => ({ host: row[at.host], database: row[at.database], schema: row[at.schema], name: row[at.name], remedy: row[at.remedy] }));
  fold("remedies", others.length ? `Remedies for the rest: ${plural(others.length, "sequence")}` : "", () => some(remedies(others), MOST_LISTED));
  const suspected = data.hosts.filter((host) => !state.host || host.name === state.host).flatMap((host) =>
    host.databases.filter((database) => (database.suspected || []).length && (!state.database || database.name === state.database))
      .map((database) => [host.name, database]));
  const many = suspected.reduce((sum, [, database]) => sum + database.suspected.length, 0);
  fold("suspected", many ? `Confirm what sequences without a column are suspected to feed: ${many.toLocaleString("en")}` : "", () =>
    suspected.slice(0, MOST_COMMANDS).flatMap(([host, database]) => [
      make("p", null, "As a variable of the playbooks, for ", ...where([JSON.stringify([host, database.name])]), ":"),
      code(`pg_sequences_columns: ${JSON.stringify(database.suspected)}`, "the variable"),
    ]));
}
