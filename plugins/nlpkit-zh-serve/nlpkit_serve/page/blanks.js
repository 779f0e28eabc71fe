// A text whose blanks are filled in place, by clicking one of the words that fit.

import { askText, Latest } from "./asking.js";
import { announce, make } from "./elements.js";
import { FaultPlace } from "./faults.js";
import { OptionsForm } from "./options.js";
import { makeExamples, makeTextBox } from "./text_box.js";
import { explainReason, percent, say } from "./wording.js";

const PAUSE = 250;
const SHOWN = 12; // words for a blank
const ASKED = 60; // ways to fill several blanks that are asked for, so that each has a choice of words
const BLANK = /[_＿]{2,}/; // two underscores or more, of whatever width
const EXAMPLES = ["衣服质量__哦", "鞋子__，好穿，值得__。", "发货__，包装也很__，下次还来"];

/** Make what asks which words fit, and puts them in. */
export function makeBlanks(verb) {
  const form = new OptionsForm(verb.options, { hidden: ["top", "lexicon"], changed: () => words.includes(null) && latest.now() });
  const box = makeTextBox({ label: "cloze-text", hint: "cloze-hint", rows: 3, changed: () => begin() });
  const add = make("button", { type: "button", class: "quiet small", say: "add-blank", on: { click: () => addBlank() } });
  const sentence = make("div", { class: "sentence", role: "group", sayLabel: "sentence", lang: "zh" });
  const choice = make("div", { class: "choice" });
  const faults = new FaultPlace(() => latest.now());
  const latest = new Latest({ pause: PAUSE, ask: (signal) => askWords(signal), show, fail });
  let parts = [""]; // of the text, between its blanks
  let words = []; // that were chosen, null where there is none yet
  let active = 0; // the blank that is being filled

  function fail(error) {
    choice.replaceChildren();
    faults.show(error);
  }

  function begin() {
    latest.drop();
    faults.clear();
    parts = box.value.split(BLANK);
    words = Array(parts.length - 1).fill(null);
    active = 0;
    draw();
    choice.replaceChildren();
    if (box.value.trim() === "") choice.replaceChildren(make("p", { class: "empty", say: "cloze-empty" }));
    else latest.later();
  }

  function addBlank() {
    const { selectionStart: at, selectionEnd: end, value } = box.area;
    box.set(`${value.slice(0, at)}__${value.slice(end)}`);
    box.area.focus();
    box.area.setSelectionRange(at + 2, at + 2);
  }

  /** Put words that were chosen into the text, and leave the others blank. */
  const put = (chosen) => parts.map((part, at) => part + (at < chosen.length ? (chosen[at] ?? "__") : "")).join("");

  /** Ask which words fit the blank that is being filled, with those that were chosen for the others in their places. */
  async function askWords(signal) {
    const others = words.map((word, at) => (at === active ? null : word));
    const open = others.filter((word) => word === null).length;
    const options = { ...form.values, top: open > 1 ? ASKED : SHOWN };
    const answer = await askText(verb, put(others), options, { signal });
    const place = others.slice(0, active).filter((word) => word === null).length;
    return { answer, candidates: sumUp(answer.fillings ?? [], place), joint: open > 1 };
  }

  function show({ answer, candidates, joint }) {
    faults.clear();
    if (answer.reason) {
      choice.replaceChildren(make("p", { class: "verdict none" }, make("span", { say: () => explainReason(answer.reason) })));
      announce(explainReason(answer.reason));
      return;
    }
    const greatest = candidates[0][1];
    const buttons = candidates.slice(0, SHOWN).map(([word, share]) => makeCandidate(word, share, { joint, greatest }));
    choice.replaceChildren(
      make("h3", { say: "candidates-for", values: { number: active + 1 } }),
      make("div", { class: "candidates", role: "group", sayLabel: () => say("candidates-for", { number: active + 1 }) }, buttons),
    );
    if (moved) buttons[0]?.focus();
    moved = false;
  }

  let moved = false; // whether the keyboard has just left a word that is gone, and waits for the next ones

  /** Make what puts a word in; its bar is long beside that of the likeliest word. */
  function makeCandidate(word, share, { joint, greatest }) {
    const said = joint ? `≥ ${percent(share)}` : percent(share);
    const bar = make("span", { class: "amount", "aria-hidden": "true", style: { "--share": share / greatest } });
    return make(
      "button",
      { type: "button", class: "candidate", on: { click: () => fill(word) } },
      make("span", { lang: "zh" }, word),
      " ",
      make("span", { class: "note" }, said),
      bar,
    );
  }

  function fill(word) {
    words[active] = word;
    const next = words.indexOf(null);
    announce(say("filled-in", { word }));
    if (next < 0) {
      latest.drop();
      const filled = active;
      active = -1;
      draw();
      finish();
      sentence.querySelectorAll("button")[filled]?.focus();
      return;
    }
    moved = true;
    turnTo(next);
  }

  function finish() {
    const again = make("button", { type: "button", class: "quiet", say: "start-over", on: { click: () => begin() } });
    choice.replaceChildren(make("p", { class: "empty", say: "all-filled" }), make("div", { class: "row" }, again));
  }

  function turnTo(at) {
    active = at;
    draw();
    latest.now();
  }

  function draw() {
    const pieces = parts.flatMap((part, at) => (at < words.length ? [part, makeSlot(at)] : [part]));
    sentence.hidden = !words.length;
    sentence.replaceChildren(...pieces);
  }

  function makeSlot(at) {
    const word = words[at];
    const told = () => say(word === null ? "blank-open" : "blank-filled", { number: at + 1, word });
    const kind = `slot${word === null ? "" : " filled"}${at === active ? " active" : ""}`;
    const click = () => {
      turnTo(at);
      sentence.querySelectorAll("button")[at].focus();
    };
    return make("button", { type: "button", class: kind, "aria-pressed": String(at === active), sayLabel: told, on: { click } }, word ?? "　　");
  }

  begin();
  const element = make(
    "div",
    { class: "two" },
    make("section", { class: "card", sayLabel: "text" }, box.element, make("div", { class: "row" }, add), makeExamples(EXAMPLES, box), form.element),
    make("section", { class: "card", sayLabel: "answer" }, faults.element, sentence, choice),
  );
  return { element, leave: () => latest.drop() };
}

/** Return the words that fillings have at a place, the likeliest first, with the probability of all that have them. */
function sumUp(fillings, place) {
  const shares = new Map();
  for (const { words, probability } of fillings) {
    shares.set(words[place], (shares.get(words[place]) ?? 0) + probability);
  }
  return [...shares].sort((a, b) => b[1] - a[1]);
}
