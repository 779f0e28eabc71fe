// Elements are made of text, never of markup, so that nothing of a text or a model is taken for more than it is.

import { say } from "./wording.js";

const PLACES = { say: "textContent", sayLabel: "aria-label", sayHint: "placeholder", sayTitle: "title" };
const wordings = new WeakMap(); // element → [place, function that says it]

/**
 * Make an element.
 *
 * `say`, `sayLabel`, `sayHint` and `sayTitle` are keys of wordings, or functions that say something: said again when the
 * language changes. `on` holds listeners by event, `style` custom properties (set by script, which the page's policy
 * allows); what else is said is an attribute, left out where it is false or null.
 */
export function make(tag, { say: _, values, on = {}, style = {}, ...attributes } = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name in PLACES || value === false || value === null || value === undefined) continue;
    element.setAttribute(name, value === true ? "" : value);
  }
  for (const [event, listener] of Object.entries(on)) element.addEventListener(event, listener);
  for (const [name, value] of Object.entries(style)) element.style.setProperty(name, value);
  const told = { say: _, ...attributes };
  for (const [name, place] of Object.entries(PLACES)) if (told[name]) tell(element, told[name], values, place);
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Say something in an element, now and in the other language when it changes. */
export function tell(element, key, values = {}, place = "textContent") {
  const speak = typeof key === "function" ? key : () => say(key, values);
  const others = (wordings.get(element) ?? []).filter(([where]) => where !== place);
  wordings.set(element, [...others, [place, speak]]);
  element.toggleAttribute("data-told", true);
  put(element, place, speak);
}

/** Say all that is on the page anew. */
export function tellAll(root = document) {
  for (const element of root.querySelectorAll("[data-say]")) tell(element, element.dataset.say);
  for (const element of root.querySelectorAll("[data-say-label]")) {
    tell(element, element.dataset.sayLabel, {}, "aria-label");
  }
  for (const element of root.querySelectorAll("[data-told]")) {
    for (const [place, speak] of wordings.get(element) ?? []) put(element, place, speak);
  }
}

function put(element, place, speak) {
  if (place === "textContent") element.textContent = speak();
  else element.setAttribute(place, speak());
}

let last = 0;

/** Return an id that no other element has. */
export const newId = (name) => `${name}-${++last}`;

/** Make a labelled field: a label, a control and, if there is one, what is to be known of it. */
export function makeField(label, control, about = null) {
  control.id ||= newId("field");
  const note = about && make("span", { class: "note", id: `${control.id}-about`, say: about });
  if (note) control.setAttribute("aria-describedby", note.id);
  return make("div", { class: "field" }, make("label", { for: control.id, say: label }), control, note);
}

/** Make a share as a bar with its name and number; the bar itself is for eyes only. */
export function makeBar({ name, share, said, label = null, strong = false }) {
  return make(
    "li",
    { class: strong ? "share strong" : "share", "data-label": label },
    make("span", { class: "share-name", say: name }),
    make("span", { class: "track", "aria-hidden": "true" }, make("span", { class: "fill", style: { "--share": share } })),
    make("span", { class: "share-said", say: said }),
  );
}

const CALM = 700; // ms in which nothing new is said before a screen reader is told
let waiting = null;

/** Tell a screen reader, once nothing newer has come for a moment: not at each letter that is typed. */
export function announce(text) {
  clearTimeout(waiting);
  waiting = setTimeout(() => {
    document.getElementById("announcer").textContent = text;
  }, CALM);
}

/** Copy a text, and say so on the button for a moment. */
export async function copy(text, button) {
  await navigator.clipboard.writeText(text);
  tell(button, "copied");
  setTimeout(() => tell(button, "copy"), 1500);
}
