// Copyright (c) 2026, pgops contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// A cut-over: both servers, whether it may be switched, and what is behind, missing or different, by how much.

const COMPARED = [
  ["behind", "behind the source", "critical"], ["missing", "only on the source", "critical"], ["differs", "defined otherwise", "warning"],
  ["unreadable", "not readable", "unknown"], ["extra", "only on the target", ""], ["ahead", "ahead of the source", ""], ["equal", "equal", "healthy"],
];

function server(title, place) {
  const where_ = place.file ? `file ${place.file}` : `${place.address || "local socket"}, port ${place.port ?? "–"}`;
  const version = place.version ? `PostgreSQL ${place.version}` : "";
  return make("div", { class: "server" }, make("strong", null, title), make("span", null, sentence(where_)), make("span", { class: "soft" }, visible(version)));
}

function comparedRow(kind, entry, numbers, statement) {
  const [, word, tone] = COMPARED.find(([key]) => key === kind) || [kind, kind, "healthy"];
  const number = (value, title) => make("td", { class: "number", "data-title": title }, value);
  return make("tr", null,
    make("td", { class: tone || null }, make("strong", { class: "tone" }, word)), make("td", { "data-title": "Database" }, name(entry.database)),
    make("th", { scope: "row", "data-title": "Sequence", class: isShort(entry.schema, entry.name) && "whole" }, ...full(entry.schema, entry.name)),
    number(numbers[0], "On the source"), number(numbers[1], "On the target"), number(numbers[2], "By"),
    make("td", null, statement ? code(statement, `the statement for ${visible(entry.name)}`) : ""));
}

function comparison(host) {
  const rows = [];
  for (const row of data.rows) {
    const there = row[at.reference];
    if (row[at.host] !== host.name || !there) continue;
    const entry = { database: row[at.database], schema: row[at.schema], name: row[at.name] };
    if (row[at.reasons].includes("behind_reference")) {
      rows.push(comparedRow("behind", entry, [grouped(there.next_value), grouped(row[at.next_value]), grouped(-(distance(row) ?? 0n))], null));
    }
    if ((there.differences || []).length) {
      const differences = there.differences.map((one) => [`${one.what.replaceAll("_", " ")} ${one.there}`, one.here]);
      rows.push(comparedRow("differs", entry, [visible(differences.map(([word]) => word).join(", ")), visible(differences.map(([, here]) => here).join(", ")), "–"], there.statement));
    }
  }
  const { only_on_source: missing = [], only_on_target: extra = [] } = host.cutover;
  rows.push(...missing.map((entry) => comparedRow("missing", entry, ["there", "–", "–"], entry.statement)));
  rows.push(...extra.map((entry) => comparedRow("extra", entry, ["–", "there", "–"], null)));
  const word = data.run.check_mode ? "would be moved" : "moved";
  rows.push(...data.changes.filter((each) => each.host === host.name).map((each) => {
    const by = BigInt(each.after.next_value) - BigInt(each.before.next_value);
    return comparedRow(word, each, ["–", `${grouped(each.before.next_value)} → ${grouped(each.after.next_value)}`, grouped(by)], null);
  }));
  if (!rows.length) return [];
  const heads = ["", "Database", "Sequence", "On the source", "On the target", "By", "Statement"].map((title) => make("th", { scope: "col" }, title || make("span", { class: "hidden" }, "What")));
  const table = make("table", { class: "compared" }, make("thead", null, make("tr", null, ...heads)), make("tbody", null, ...rows.slice(0, MOST_LISTED)));
  const more = rows.length > MOST_LISTED ? [make("p", null, `and ${(rows.length - MOST_LISTED).toLocaleString("en")} more in report.json`)] : [];
  return [make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `Comparison for ${visible(host.name)}` }, table), ...more];
}

function cutover() {
  const told = data.hosts.filter((host) => host.cutover && (host.cutover.lines || []).length);
  for (const host of told) {
    const seen = host.cutover;
    const counts = { ...(seen.comparison || {}), missing: (seen.only_on_source || []).length, extra: (seen.only_on_target || []).length };
    const tone = seen.verdict === null || seen.verdict === undefined ? "unknown" : seen.switchable ? "healthy" : "critical";
    byId("cutover").append(
      ...(told.length > 1 ? [make("h3", null, name(host.name))] : []),
      ...(seen.source && seen.target ? [make("div", { class: "servers" }, server("Source", seen.source), make("span", { "aria-hidden": "true" }, "→"), server("Target", seen.target))] : []),
      ...(seen.verdict && data.hosts.length > 1 ? [make("p", { class: `verdict ${tone}` }, sentence(seen.verdict))] : []),
      ...(seen.comparison ? [make("ul", { class: "chips" }, ...COMPARED.filter(([key]) => key in counts).map(([key, word, tone_]) =>
        make("li", { class: counts[key] && tone_ ? tone_ : "none" }, make("b", null, (counts[key] || 0).toLocaleString("en")), ` ${word}`)))] : []),
      ...comparison(host),
      make("details", null, make("summary", null, "Everything that was said"), make("ul", null, ...seen.lines.map((line) => make("li", null, sentence(line)))))
    );
    byId("cutover").hidden = false;
  }
}
