// Answers with a label: how sure it is, and what each word of the text adds, while it is typed.

import { askText, Latest } from "./asking.js";
import { announce, make, makeBar, makeField, tell } from "./elements.js";
import { FaultPlace } from "./faults.js";
import { OptionsForm } from "./options.js";
import { makeExamples, makeTextBox } from "./text_box.js";
import { explainReason, explainWarning, nameLabel, percent, say } from "./wording.js";

const LISTED = 50; // words of the table
const PAUSE = 200; // ms without a key before the server is asked
const EXAMPLES = ["房间很大，早餐也不错，就是隔音差了点。", "物流太慢，等了十天，客服也不理人，再也不来了。", "没有想象中那么差，挺好用的。"];

/** Make what asks about a text and shows its label. */
export function makeScores(verb, { task }) {
  const form = new OptionsForm(verb.options, { hidden: ["explain"], changed: () => ask() });
  const explains = "explain" in (verb.options?.properties ?? {}) ? { explain: true } : {};
  const box = makeTextBox({
    label: task === "sentiment" ? "review" : "text",
    hint: task === "sentiment" ? "review-hint" : "stranger-hint",
    changed: () => ask(),
  });
  const result = make("div", { class: "result", "aria-busy": "false" });
  const latest = new Latest({
    pause: PAUSE,
    ask: async (signal) => {
      const text = box.value;
      return { text, answer: await askText(verb, text, { ...form.values, ...explains }, { signal }) };
    },
    show: ({ text, answer }) => {
      faults.clear();
      result.setAttribute("aria-busy", "false");
      result.replaceChildren(showScore(answer, text));
      announce(summarise(answer));
    },
    fail: (error) => {
      result.setAttribute("aria-busy", "false");
      result.replaceChildren();
      faults.show(error);
    },
  });
  const faults = new FaultPlace(() => latest.now());

  function ask() {
    if (box.value.trim() === "") {
      latest.drop();
      faults.clear();
      result.setAttribute("aria-busy", "false");
      result.replaceChildren(make("p", { class: "empty", say: "review-empty" }));
      return;
    }
    result.setAttribute("aria-busy", "true");
    latest.later();
  }

  ask();
  const examples = task === "sentiment" ? makeExamples(EXAMPLES, box) : null;
  const element = make(
    "div",
    { class: "two" },
    make("section", { class: "card", sayLabel: "text" }, box.element, examples, form.element),
    make("section", { class: "card", sayLabel: "answer" }, faults.element, result),
  );
  return { element, leave: () => latest.drop() };
}

const labelsOf = (answer) => (Array.isArray(answer.labels) ? answer.labels : answer.label ? [answer.label] : null);

function summarise(answer) {
  const labels = labelsOf(answer);
  if (labels === null) return say("answer-none", { reason: explainReason(answer.reason ?? "") });
  if (!labels.length) return say("no-label");
  const share = answer.probability ?? answer.probabilities?.[labels[0]] ?? 0;
  return say("answer-is", { label: labels.map(nameLabel).join(", "), share: percent(share) });
}

/** Show the score of a text. */
export function showScore(answer, text) {
  return make(
    "div",
    { class: "score" },
    makeVerdict(answer),
    answer.warning ? make("p", { class: "warning", say: () => explainWarning(answer.warning) }) : null,
    answer.probabilities ? makeShares(answer) : null,
    answer.explanation ? makeExplanation(answer, answer.text ?? text) : null,
  );
}

function makeVerdict(answer) {
  const labels = labelsOf(answer);
  if (labels === null) {
    return make(
      "p",
      { class: "verdict none" },
      make("strong", { say: "no-answer" }),
      make("span", { class: "why", say: () => explainReason(answer.reason ?? "") }),
    );
  }
  if (!labels.length) return make("p", { class: "verdict none" }, make("strong", { say: "no-label" }));
  const names = labels.map((label) => make("strong", { "data-label": label, say: () => nameLabel(label) }));
  const share = answer.probability;
  return make(
    "p",
    { class: "verdict" },
    names,
    typeof share === "number" ? make("span", { class: "why", say: "sure", values: { share: percent(share) } }) : null,
  );
}

function makeShares(answer) {
  const labels = labelsOf(answer) ?? [];
  const bars = Object.entries(answer.probabilities).map(([label, share]) =>
    makeBar({ name: () => nameLabel(label), share, said: () => percent(share), label, strong: labels.includes(label) }),
  );
  return make("ul", { class: "shares", sayLabel: "labels" }, bars);
}

/** Show what each word adds: of one label, or of one of several that the reader chooses. */
function makeExplanation(answer, text) {
  if (Array.isArray(answer.explanation)) return makeWords(answer.explanation, text, answer.label);
  const labels = Object.keys(answer.explanation);
  if (!labels.length) return null;
  const place = make("div");
  const control = make(
    "select",
    { on: { change: () => fill() } },
    labels.map((label) => make("option", { value: label, say: () => nameLabel(label) })),
  );
  const fill = () => place.replaceChildren(makeWords(answer.explanation[control.value], text, control.value));
  const likeliest = labels.sort((a, b) => (answer.probabilities?.[b] ?? 0) - (answer.probabilities?.[a] ?? 0))[0];
  control.value = likeliest;
  fill();
  return make("div", { class: "explained" }, makeField("words-for", control), place);
}

function makeWords(words, text, label) {
  const greatest = Math.max(...words.map(({ weight }) => Math.abs(weight)), 1e-9);
  return make(
    "div",
    { class: "words", "data-label": label },
    make("h3", { say: "words-title" }),
    make("p", { class: "coloured", lang: "zh" }, colourWords(words, text, greatest)),
    make(
      "p",
      { class: "legend" },
      make("span", { class: "word for" }, make("span", { say: "speaks-for", values: { label: () => nameLabel(label) } })),
      make("span", { class: "word against" }, make("span", { say: "speaks-against" })),
    ),
    makeWordTable(words, greatest),
  );
}

const signed = (weight) => `${weight < 0 ? "−" : "+"}${Math.abs(weight).toFixed(2)}`;

/** Colour the words of a text; their places count characters, of which JavaScript may hold one in two units. */
function colourWords(words, text, greatest) {
  const characters = Array.from(text);
  const parts = [];
  let end = 0;
  for (const { start, end: stop, weight } of words) {
    parts.push(characters.slice(end, start).join(""));
    const strength = Math.abs(weight) / greatest;
    const side = strength < 0.05 ? "" : weight > 0 ? " for" : " against";
    const style = { "--strength": strength.toFixed(3) };
    parts.push(make("span", { class: `word${side}`, style, title: signed(weight) }, characters.slice(Math.max(end, start), stop).join("")));
    end = Math.max(end, stop);
  }
  return [...parts, characters.slice(end).join("")];
}

function makeWordTable(words, greatest) {
  const rows = [...words]
    .sort((a, b) => Math.abs(b.weight) - Math.abs(a.weight))
    .slice(0, LISTED)
    .map(({ token, weight }) => {
      const bar = { class: `lever ${weight < 0 ? "against" : "for"}`, "aria-hidden": "true" };
      return make(
        "tr",
        {},
        make("th", { scope: "row", lang: "zh" }, token),
        make("td", {}, make("span", { ...bar, style: { "--share": Math.abs(weight) / greatest } })),
        make("td", { class: "number" }, signed(weight)),
      );
    });
  const head = make(
    "tr",
    {},
    make("th", { scope: "col", say: "word" }),
    make("td", {}),
    make("th", { scope: "col", class: "number", say: "weight" }),
  );
  return make(
    "details",
    { class: "more" },
    make("summary", { say: "all-words" }),
    make("p", { class: "note", say: "weight-about" }),
    make("table", { class: "levers" }, make("thead", {}, head), make("tbody", {}, rows)),
  );
}
