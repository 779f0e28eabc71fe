// Text that goes on writing itself, as it comes from the server, until it ends or is stopped.

import { askStream, isAbort, Refusal, refusalOf } from "./asking.js";
import { announce, copy, make, makeField, newId } from "./elements.js";
import { FaultPlace } from "./faults.js";
import { OptionsForm } from "./options.js";
import { makeExamples, makeTextBox } from "./text_box.js";
import { count, has, say } from "./wording.js";

const EXAMPLES = ["衣服质量", "酒店位置", "手机用了一个月"];
const OURS = ["temperature", "length", "seed", "count", "first", "stream", "prompt"];
const HOTTEST = 2; // of the slider: above it nothing can be read

/** Make what writes. */
export function makeWriting(verb) {
  const rules = verb.options?.properties ?? {};
  const form = new OptionsForm(verb.options, { hidden: OURS });
  const box = makeTextBox({ label: "prompt", hint: "prompt-hint", rows: 2, changed: () => {} });
  const heat = makeSlider(rules.temperature?.default ?? 0.8);
  const length = make("input", { type: "number", min: 1, max: rules.length?.maximum ?? 10_000, step: 1, value: rules.length?.default ?? 200, required: true });
  const seed = make("input", { type: "number", min: 0, max: 4294967295, step: 1, sayHint: "any" });
  const start = make("button", { type: "submit", say: "write" });
  const more = make("button", { type: "button", class: "quiet", say: "write-more", hidden: true });
  const stop = make("button", { type: "button", class: "quiet", say: "stop", hidden: true });
  const beginning = make("span", { class: "beginning" });
  const text = make("span");
  const page = make("p", { class: "paper", lang: "zh" }, beginning, text, make("span", { class: "caret", "aria-hidden": "true" }));
  const empty = make("p", { class: "empty", say: "written-empty" });
  const ending = make("div", { class: "row spread ending" });
  const faults = new FaultPlace(() => write(box.value));
  let running = null;
  page.hidden = true;

  async function write(prompt) {
    running?.abort();
    const own = (running = new AbortController());
    begin(prompt);
    try {
      await follow(prompt, own.signal);
    } catch (error) {
      if (running !== own) return;
      if (isAbort(error)) end("ended-stopped", null);
      else {
        end(null, null);
        faults.show(error);
      }
    }
  }

  async function follow(prompt, signal) {
    const options = { ...form.values, temperature: heat.value, length: Number(length.value) };
    if (seed.value !== "") options.seed = Number(seed.value);
    for await (const { event, data } of askStream(verb.path, { text: prompt, stream: true, ...options }, { signal })) {
      if (event === "piece") text.append(data.text);
      else if (event === "error") throw refusalOf(data.error);
      else if (event === "done") return finish(data);
    }
    throw new Refusal(0, "", { kind: "broken" });
  }

  function finish(data) {
    const [answer] = data.answers;
    if (answer.reason) return end(null, answer.seed, answer.reason);
    return end(`ended-${answer.ended ?? "end"}`, answer.seed);
  }

  function begin(prompt) {
    faults.clear();
    empty.hidden = true;
    page.hidden = false;
    beginning.textContent = prompt;
    text.textContent = "";
    ending.replaceChildren(make("span", { class: "note", say: "writing" }));
    page.setAttribute("aria-busy", "true");
    [start.hidden, more.hidden, stop.hidden] = [true, true, false];
    stop.focus();
    page.scrollIntoView({ block: "nearest" }); // on a phone it lies below what it is told
  }

  function end(key, number, reason = null) {
    const hadFocus = document.activeElement === stop;
    const written = Array.from(text.textContent).length;
    const told = () => [reason, key && has(key) && say(key), say("written-count", { count: count(written) })].filter(Boolean).join(say("gap"));
    running = null;
    page.setAttribute("aria-busy", "false");
    [start.hidden, more.hidden, stop.hidden] = [false, written === 0, true];
    if (hadFocus) (written ? more : start).focus();
    const copier = make("button", { type: "button", class: "quiet small", say: "copy" });
    copier.addEventListener("click", () => copy(beginning.textContent + text.textContent, copier));
    ending.replaceChildren(make("span", { class: "note", say: told }), make("span", { class: "row" }, ...makeSeed(number), copier));
    announce(`${text.textContent} ${told()}`);
  }

  function makeSeed(number) {
    if (number === null || number === undefined) return [];
    const keep = make("button", { type: "button", class: "quiet small", say: "keep-seed" });
    keep.addEventListener("click", () => {
      seed.value = number;
    });
    return [make("span", { class: "note", say: "seed-was", values: { seed: number } }), keep];
  }

  more.addEventListener("click", () => write(beginning.textContent + text.textContent));
  stop.addEventListener("click", () => running?.abort());
  const controls = make(
    "form",
    {
      class: "card", sayLabel: "text",
      on: {
        submit: (event) => {
          event.preventDefault();
          if (form.isValid) write(box.value);
        },
      },
    },
    box.element,
    makeExamples(EXAMPLES, box),
    heat.element,
    make("div", { class: "pair" }, makeField("length", length), makeField("seed", seed, "seed-about")),
    form.element,
    make("div", { class: "row" }, start, stop, more),
  );
  const written = make("section", { class: "card", sayLabel: "written" }, faults.element, empty, page, ending);
  const element = make("div", { class: "two" }, controls, written);
  return { element, leave: () => running?.abort() };
}

/** Make a slider that says its value. */
function makeSlider(value) {
  const control = make("input", { type: "range", min: 0, max: HOTTEST, step: 0.05, id: newId("slider") });
  control.value = value;
  control.setAttribute("aria-describedby", `${control.id}-about`);
  const shown = make("output", { class: "number", for: control.id });
  const tellValue = () => {
    shown.textContent = Number(control.value).toFixed(2);
  };
  control.addEventListener("input", tellValue);
  tellValue();
  const head = make("div", { class: "row spread" }, make("label", { for: control.id, say: "temperature" }), shown);
  const about = make("span", { class: "note", id: `${control.id}-about`, say: "temperature-about" });
  return {
    element: make("div", { class: "field" }, head, control, about),
    get value() {
      return Number(control.value);
    },
  };
}
