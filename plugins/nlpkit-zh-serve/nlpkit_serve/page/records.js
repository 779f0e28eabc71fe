// Answers of any task, as they say themselves: names and values, tables, and spans marked in the text.

import { askText, Latest } from "./asking.js";
import { announce, make } from "./elements.js";
import { FaultPlace } from "./faults.js";
import { OptionsForm } from "./options.js";
import { makeExamples, makeTextBox } from "./text_box.js";
import { count, explainReason, nameKey, nameLabel, percent, say } from "./wording.js";

const PAUSE = 400;
const OF_ROWS = ["file", "row", "text", "reason", "warning", "model"]; // keys that are of the row, or shown elsewhere
const DEEPEST = 3; // values within values that are shown as such
const EXAMPLES = { aspects: ["房间很大，早餐也好吃，就是隔音不好。", "味道不错，服务员态度差，上菜太慢。"] };

/** Make what asks about a text and shows whatever the answer says. */
export function makeRecords(verb, { task }) {
  const form = new OptionsForm(verb.options, { changed: () => ask() });
  const box = makeTextBox({ label: "text", hint: "stranger-hint", changed: () => ask() });
  const result = make("div", { class: "result" });
  const latest = new Latest({
    pause: PAUSE,
    ask: async (signal) => {
      const text = box.value;
      return { text, answer: await askText(verb, text, form.values, { signal }) };
    },
    show: ({ text, answer }) => {
      faults.clear();
      result.replaceChildren(showRecords(answer, text));
      announce(answer.reason ? say("answer-none", { reason: explainReason(answer.reason) }) : say("found-answer"));
    },
    fail: (error) => {
      result.replaceChildren();
      faults.show(error);
    },
  });
  const faults = new FaultPlace(() => latest.now());

  function ask() {
    if (box.value.trim() !== "") return latest.later();
    latest.drop();
    faults.clear();
    result.replaceChildren(make("p", { class: "empty", say: "stranger-empty" }));
  }

  ask();
  const examples = EXAMPLES[task] ? makeExamples(EXAMPLES[task], box) : null;
  const element = make(
    "div",
    { class: "two" },
    make("section", { class: "card", sayLabel: "text" }, box.element, examples, form.element),
    make("section", { class: "card", sayLabel: "answer" }, faults.element, result),
  );
  return { element, leave: () => latest.drop() };
}

/** Show an answer. */
export function showRecords(answer, text) {
  const own = Object.entries(answer).filter(([key, value]) => !OF_ROWS.includes(key) && value !== null);
  const spans = findSpans(Object.fromEntries(own), Array.from(text).length);
  const reason = answer.reason ? make("p", { class: "verdict none" }, make("strong", { say: "no-answer" }), make("span", { class: "why", say: () => explainReason(answer.reason) })) : null;
  const values = own.filter(([, value]) => !(Array.isArray(value) && !value.length));
  return make(
    "div",
    { class: "records" },
    reason,
    spans.length ? makeMarkedText(spans, text) : null,
    values.map(([key, value]) => makeEntry(key, value, text)),
    make("details", { class: "more" }, make("summary", { say: "whole" }), make("pre", { tabindex: 0, lang: "zh" }, JSON.stringify(answer, null, 2))),
  );
}

const isSpan = (value, size) =>
  Array.isArray(value) && value.length === 2 && value.every(Number.isInteger) && value[0] >= 0 && value[0] < value[1] && value[1] <= size;

/** Find what has a place in the text: `start` and `end`, or a pair of these, within an answer's records. */
function findSpans(value, size, key = "", label = null, found = []) {
  if (Array.isArray(value)) {
    for (const one of value) if (one !== null && typeof one === "object") findSpans(one, size, key, label, found);
    return found;
  }
  const own = [value.label, value.type, label].find((one) => typeof one === "string") ?? null;
  if (isSpan([value.start, value.end], size)) found.push({ key: own ?? key, label: own, start: value.start, end: value.end });
  for (const [name, inner] of Object.entries(value)) {
    if (isSpan(inner, size)) found.push({ key: name, label: own, start: inner[0], end: inner[1] });
    else if (inner !== null && typeof inner === "object") findSpans(inner, size, name, own, found);
  }
  return found;
}

/** Mark spans in a text; where several meet, the shortest gives the colour. */
function makeMarkedText(spans, text) {
  const characters = Array.from(text);
  const cuts = [...new Set([0, characters.length, ...spans.flatMap(({ start, end }) => [start, end])])].sort((a, b) => a - b);
  const keys = [...new Set(spans.map(({ key }) => key))];
  const parts = cuts.slice(0, -1).map((start, at) => {
    const end = cuts[at + 1];
    const inside = spans.filter((span) => span.start <= start && span.end >= end);
    const piece = characters.slice(start, end).join("");
    if (!inside.length) return piece;
    const { key, label } = inside.reduce((a, b) => (b.end - b.start < a.end - a.start ? b : a));
    const told = () => [nameKey(key), label && nameLabel(label)].filter(Boolean).join(" · ");
    return make("mark", { "data-kind": keys.indexOf(key) % 4, "data-label": label, sayTitle: told }, piece);
  });
  const legend = keys.map((key, at) => make("li", {}, make("mark", { "data-kind": at % 4 }, make("span", { say: () => nameKey(key) }))));
  return make(
    "div",
    { class: "marked" },
    make("h3", { say: "marked" }),
    make("p", { class: "coloured", lang: "zh" }, parts),
    make("ul", { class: "legend" }, legend),
  );
}

function makeEntry(key, value, text) {
  const isList = Array.isArray(value) && value.some((one) => one !== null && typeof one === "object");
  const title = make("h3", { say: () => nameKey(key) });
  const number = isList ? make("span", { class: "note", say: "found", values: { count: count(value.length) } }) : null;
  return make("div", { class: "entry" }, make("div", { class: "row spread" }, title, number), makeValue(key, value, text));
}

/** Show a value: a list of records as a table, a record as names and values, what is deeper as JSON. */
export function makeValue(key, value, text, depth = 0) {
  const characters = Array.from(text);
  if (isSpan(value, characters.length) && depth > 0) return make("span", { lang: "zh" }, characters.slice(...value).join(""));
  if (value === null || value === undefined) return make("span", { class: "note", say: "nothing" });
  if (typeof value === "boolean") return make("span", { say: value ? "yes" : "no" });
  if (typeof value === "number") return make("span", { class: "number" }, writeNumber(key, value));
  if (typeof value === "string") return makeWords(key, value);
  if (depth >= DEEPEST) return make("code", {}, JSON.stringify(value));
  if (!Array.isArray(value)) return makeNames(value, text, depth);
  if (value.every((one) => one !== null && typeof one === "object" && !Array.isArray(one))) return makeTable(key, value, text, depth);
  return make("ul", { class: "values" }, value.map((one) => make("li", {}, makeValue(key, one, text, depth + 1))));
}

const writeNumber = (key, value) => {
  if (/prob|share|confidence/.test(key) && value >= 0 && value <= 1) return percent(value);
  return Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(6)));
};

const makeWords = (key, value) =>
  /label|polarity/.test(key)
    ? make("span", { class: "label", "data-label": value, say: () => nameLabel(value) })
    : make("span", { lang: "zh" }, value);

function makeNames(record, text, depth) {
  const pairs = Object.entries(record).flatMap(([key, value]) => [
    make("dt", { say: () => nameKey(key) }),
    make("dd", {}, makeValue(key, value, text, depth + 1)),
  ]);
  return make("dl", {}, pairs);
}

function makeTable(name, records, text, depth) {
  const keys = [...new Set(records.flatMap(Object.keys))];
  const head = make("tr", {}, keys.map((key) => make("th", { scope: "col", say: () => nameKey(key) })));
  const rows = records.map((record) =>
    make("tr", {}, keys.map((key) => make("td", {}, key in record ? makeValue(key, record[key], text, depth + 1) : ""))),
  );
  return make("div", { class: "wide", role: "region", tabindex: 0, sayLabel: () => nameKey(name) }, make("table", {}, make("thead", {}, head), make("tbody", {}, rows)));
}
