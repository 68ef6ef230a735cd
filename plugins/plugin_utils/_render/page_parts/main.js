// Copyright (c) 2026, pgops contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// What the page does when it is opened.

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
  for (const key of COLUMNS) {
    const button = make("button", { type: "button", on: { click: () => change({ sort: key, down: state.sort === key ? !state.down : true }) } }, SORTS[key].title);
    byId("sequences").tHead.rows[0].append(make("th", { scope: "col", "data-sort": key }, button));
  }
  for (const [id, values] of [["host", hosts], ["database", databases]]) {
    byId(id).append(...values.map((value) => make("option", { value }, visible(value))));
    byId(id).addEventListener("change", (event) => change({ [id]: event.target.value }));
    byId(id).parentElement.hidden = values.length < 2;
  }
  byId("all").parentElement.hidden = !quiet;
  byId("all").nextElementSibling.textContent = `show ${quiet.toLocaleString("en")} healthy and skipped as well`;
  byId("all").addEventListener("change", (event) => change({ all: event.target.checked }));
  for (const id of ["repairs", "remedies", "suspected"]) byId(id).addEventListener("toggle", settle);
  byId("search").addEventListener("input", (event) => change({ search: event.target.value }));
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  byId("reset").addEventListener("click", () => change({ search: "", statuses: new Set(), host: "", database: "", sort: "status", down: true, all: false }));
  document.querySelector(".skip").addEventListener("click", (event) => {
    // The address is the filters'.
    event.preventDefault();
    toList();
  });
  addEventListener("hashchange", () => {
    readHash();
    filter();
    settle();
    render();
  });
}

function paper() {
  const folds = [byId("moved").querySelector("details"), byId("repairs"), byId("remedies"), byId("suspected")];
  let before = [];
  addEventListener("beforeprint", () => {
    printing = true;
    before = folds.map((each) => each.open);
    for (const each of folds) each.open = true;
    settle();
    render();
  });
  addEventListener("afterprint", () => {
    printing = false;
    folds.forEach((each, place) => (each.open = before[place]));
    settle();
    render();
  });
}

themes();
header();
tiles();
places();
cutover();
sections();
controls();
paper();
readHash();
filter();
settle();
render();
