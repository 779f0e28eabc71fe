// A box for a text, and examples that fill it.

import { make, newId } from "./elements.js";

/**
 * Make a labelled box for a text.
 *
 * @param changed is called when the text has changed, but not while a word is being spelled in an input method.
 */
export function makeTextBox({ label, hint, changed, rows = 5 }) {
  const area = make("textarea", { id: newId("text"), rows, lang: "zh", spellcheck: "false", sayHint: hint });
  const clear = make("button", { type: "button", class: "quiet small", say: "clear", hidden: true });
  const notify = () => {
    clear.hidden = area.value === "";
    changed();
  };
  area.addEventListener("input", (event) => event.isComposing || notify());
  area.addEventListener("compositionend", notify);
  clear.addEventListener("click", () => {
    set("");
    area.focus();
  });
  const set = (text) => {
    area.value = text;
    notify();
  };
  const head = make("div", { class: "row spread" }, make("label", { for: area.id, say: label }), clear);
  return {
    area,
    set,
    element: make("div", { class: "field" }, head, area),
    get value() {
      return area.value;
    },
  };
}

/** Make buttons that put a text into a box. */
export function makeExamples(texts, box) {
  const buttons = texts.map((text) =>
    make("button", { type: "button", class: "chip", lang: "zh", on: { click: () => box.set(text) } }, text),
  );
  return make("div", { class: "examples", role: "group", sayLabel: "examples" }, make("span", { class: "note", say: "examples" }), buttons);
}
