"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const words = JSON.parse(document.getElementById("words").textContent);
let language = (navigator.language || "").startsWith("zh") ? "zh" : "en";
const say = (code) => words["catalogue_" + code][language];
const both = (pair) => (pair ? pair[language] || pair.zh : "");
const make = (tag, text, name) => {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  if (name) element.className = name;
  return element;
};
const table = (heads, rows) => {
  const element = make("table"), top = element.createTHead().insertRow();
  heads.forEach((head) => top.append(make("th", head)));
  const body = element.createTBody();
  rows.forEach((cells) => { const row = body.insertRow(); cells.forEach(([text, name]) => row.append(make("td", text, name))); });
  return element;
};
// What is searched of an entry is everything that it shows, in both languages.
const valuesOf = (entry) => (entry !== null && typeof entry === "object" ? Object.values(entry).map(valuesOf).join("\n") : String(entry ?? ""));
const textOf = (entry) => valuesOf(entry).toLowerCase();
// A column as explanations and lineage write it.
const placeOf = (entry, column) => `${entry.name}.${column.name}`.toLowerCase();
const sayCode = (list, code) => (words[`${list}_${code}`] ? both(words[`${list}_${code}`]) : code || "");
[data.marts, data.sources, data.lists].forEach((entries) => entries.forEach((entry) => { Object.defineProperty(entry, "search", { value: textOf(entry) + "\n" + entry.columns.map((column) => placeOf(entry, column)).join("\n") }); }));
const entryOf = (name, note, inside, isOpen) => {
  const details = make("details"), summary = make("summary");
  summary.append(make("code", name), make("span", note));
  details.append(summary);
  details.id = name;
  // Filled when it is opened: a catalogue of thousands of columns is then drawn at once.
  const fill = () => { if (details.open && details.children.length === 1) { const room = make("div", undefined, "inside"); inside(room); details.append(room); } };
  details.addEventListener("toggle", fill);
  details.open = isOpen;
  fill();
  return details;
};
// Of an entry that was found, the columns that hold what was asked; all of them where none does.
const narrow = (entry, asked) => {
  const holds = (column, word) => textOf(column).includes(word) || (word.includes(".") && placeOf(entry, column).includes(word));
  const meets = entry.columns.filter((column) => asked.some((word) => holds(column, word)));
  return meets.length ? meets : entry.columns;
};
const showMart = (mart, asked) => entryOf(mart.name, `${both(mart.text)} · ${mart.row_count.toLocaleString("en")} ${say("rows")}`, (room) => {
  room.append(table([say("column"), say("label"), say("meaning"), say("from"), say("origins")], narrow(mart, asked).map((c) => [
    [c.name], [both(c.label)], [both(c.text)], [c.from.join(", "), "origins"], [c.origins.join(", "), "origins"],
  ])));
}, asked.length > 0);
const showSource = (source, asked) => entryOf(source.name, `${both(source.title)} · ${say("received")} ${source.last_received}${source.is_stale ? " · " + say("stale") : ""}`, (room) => {
  room.append(make("p", both(source.purpose)));
  room.append(table([say("fact"), ""], [[[say("key")], [source.key.join(", ")]], [[say("history")], [sayCode("history", source.history)]], [[say("cadence")], [String(source.cadence_days)]]]));
  if (source.publications.length) room.append(table([say("publication"), say("publisher"), say("citation"), say("licence")], source.publications.map((p) => [[both(p.title)], [p.publisher || ""], [p.citation || ""], [p.licence || say("no_licence")]])));
  const columns = narrow(source, asked);
  room.append(table([say("column"), say("label"), say("meaning"), say("unit"), say("type"), say("required")], columns.map((c) => [
    [c.name], [both(c.label)], [both(c.text)], [c.unit || ""], [c.type], [c.required ? "✓" : ""],
  ])));
}, asked.length > 0);
const showList = (list, asked) => entryOf(list.name, `${both(list.title)} · ${list.row_count.toLocaleString("en")} ${say("rows")}`, (room) => {
  room.append(table([say("column"), say("meaning")], narrow(list, asked).map((c) => [[c.name], [both(c.text)]])));
  if (list.citations.length) room.append(table([say("citation"), say("confidence")], list.citations.map((c) => [[c.text, "cited"], [sayCode("confidence", c.confidence)]])));
}, asked.length > 0);
const draw = () => {
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  ["zh", "en"].forEach((name) => document.getElementById(name).setAttribute("aria-pressed", String(name === language)));
  document.getElementById("title").textContent = say("title");
  document.getElementById("release").textContent = `${data.release.release_id} · ${say("as_of")} ${data.release.as_of}${data.release.is_demonstration ? " · " + say("demonstration") : ""}${data.release.has_lineage ? "" : " · " + say("no_lineage")}`;
  const search = document.getElementById("search");
  search.placeholder = say("search");
  const asked = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  const found = document.getElementById("found");
  found.replaceChildren();
  let count = 0;
  [["marts", data.marts, showMart], ["sources", data.sources, showSource], ["lists", data.lists, showList]].forEach(([name, entries, show]) => {
    const meets = entries.filter((entry) => asked.every((word) => entry.search.includes(word)));
    if (!meets.length) return;
    count += meets.length;
    found.append(make("h2", say(name)));
    meets.forEach((entry) => found.append(show(entry, asked)));
  });
  if (!count) found.append(make("p", say("nothing"), "nothing"));
  document.getElementById("count").textContent = `${count} ${say("entries")}`;
};
["zh", "en"].forEach((name) => document.getElementById(name).addEventListener("click", () => { language = name; draw(); }));
document.getElementById("search").addEventListener("input", draw);
draw();
