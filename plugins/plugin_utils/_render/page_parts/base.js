// Copyright (c) 2026, pgops contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// The parts of the page's script run as one, in the order of _page.py; this one is what all others use.

const data = JSON.parse(document.getElementById("data").textContent);
const at = Object.fromEntries(data.fields.map((name, place) => [name, place]));
const STATUSES = ["critical", "unknown", "warning", "healthy", "skipped"];
const QUIET = new Set(["healthy", "skipped"]);
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

const LONGEST_WORD = 28;
const LONGEST_NAME = 44;
/** Whether names together are short enough for one line. */
const isShort = (...names) => names.join(".").length <= LONGEST_NAME;
/** A name from a database, whose direction of writing touches nothing beside it. A long one may go on in the next line after
 * a part of it; only a part that is itself too long is broken. */
function name(text, whole = isShort(text)) {
  if (whole) return make("bdi", null, visible(text));
  const parts = visible(text).match(/[^_.\-]*[_.\-]+|[^_.\-]+/g) || [""];
  const element = make("bdi", parts.some((part) => part.length > LONGEST_WORD) ? { class: "breakable" } : null, parts[0]);
  for (const part of parts.slice(1)) element.append(make("wbr"), part);
  return element;
}
const full = (schema, name_) => [name(schema, isShort(schema, name_)), ".", name(name_, isShort(schema, name_))];
/** A sentence of ours, which goes from left to right even if it begins with a name that does not. */
const sentence = (text) => make("bdi", { dir: "ltr" }, visible(text));
/** An integer with its thousands apart, exactly; text where JavaScript's numbers would round it. */
const grouped = (value) => (value === null ? "–" : BigInt(value).toLocaleString("en"));
const plural = (count, one, many) => `${count.toLocaleString("en")} ${count === 1 ? one : many || one + "s"}`;

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

/** A text, or several lines, to be copied as they are. */
function code(given, what) {
  const lines = [].concat(given);
  const text = lines.join("\n");
  const box = make("div", { class: "code" }, make("code", { dir: "ltr" }, lines.map(visible).join("\n")));
  if (lines.some((line) => visible(line) !== line)) {
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

function term(title, value) {
  return make("div", null, make("dt", null, title), make("dd", null, shown(value)));
}

/** Some of a list's items, and how many more there are. */
function some(items, most = MOST_LISTED) {
  const rest = items.length - most;
  return rest > 0 ? [...items.slice(0, most), make("li", null, `and ${rest.toLocaleString("en")} more`)] : items;
}
