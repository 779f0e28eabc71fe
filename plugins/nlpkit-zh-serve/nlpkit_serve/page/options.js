// A form for the options of a verb, made of their JSON Schema.

import { make, makeField, newId } from "./elements.js";
import { has, say } from "./wording.js";

/**
 * A form.
 *
 * @param schema of an object.
 * @param hidden names of options that stand elsewhere on the page.
 * @param changed is called when something has changed.
 */
export class OptionsForm {
  #fields = [];

  constructor(schema, { hidden = [], changed = () => {} } = {}) {
    const properties = Object.entries(schema?.properties ?? {}).filter(([name]) => !hidden.includes(name));
    this.#fields = properties.map(([name, rule]) => makeOption(name, resolve(rule, schema)));
    this.element = this.#fields.length ? this.#wrap(changed) : null;
  }

  /** The options that were said, by their names; what was left out is as the server has it. */
  get values() {
    const said = this.#fields.map(({ name, read }) => [name, read()]).filter(([, value]) => value !== undefined);
    return Object.fromEntries(said);
  }

  /** Whether all that was said may be said. */
  get isValid() {
    return this.#fields.every(({ control }) => control.checkValidity());
  }

  #wrap(changed) {
    const fields = make("div", { class: "options" }, this.#fields.map(({ element }) => element));
    fields.addEventListener("input", () => this.#fields.every(({ control }) => control.reportValidity()) && changed());
    return make("details", { class: "more" }, make("summary", { say: "more" }), fields);
  }
}

/** Find what a rule says, through references and what may be null. */
function resolve(rule, schema) {
  if (rule.$ref) {
    const target = rule.$ref.replace(/^#\//, "").split("/").reduce((part, key) => part?.[key], schema) ?? {};
    return { ...resolve(target, schema), ...rule };
  }
  const choices = (rule.anyOf ?? rule.oneOf ?? []).filter(({ type }) => type !== "null");
  const merged = choices.length ? { ...choices[0], ...rule } : { ...rule };
  if (Array.isArray(merged.type)) merged.type = merged.type.find((type) => type !== "null");
  return merged;
}

function makeOption(name, rule) {
  const label = () => (has(`option-${name}`) ? say(`option-${name}`) : (rule.title ?? name).replaceAll("_", " "));
  const about = () => aboutOf(name, rule);
  const { control, read } = makeControl(rule);
  control.name = name;
  if (rule.type !== "boolean") return { name, control, read, element: makeField(label, control, about) };
  control.id = newId("field");
  const words = make("label", { for: control.id, say: label });
  const note = make("span", { class: "note", id: `${control.id}-about`, say: about });
  control.setAttribute("aria-describedby", note.id);
  return { name, control, read, element: make("div", { class: "field check" }, control, words, note) };
}

function aboutOf(name, rule) {
  const key = `option-${name}-about`;
  const known = has(key) ? say(key) : has(`option-${name}`) ? "" : (rule.description ?? "");
  return known.replaceAll("\n", " ");
}

function makeControl(rule) {
  if (rule.type === "boolean") return makeSwitch(rule);
  if (rule.enum) return makeChoice(rule);
  if (rule.type === "integer" || rule.type === "number") return makeNumber(rule);
  const control = make("input", { type: "text", spellcheck: "false", sayHint: () => hintOf(rule) });
  return { control, read: () => control.value.trim() || undefined };
}

function makeSwitch(rule) {
  const control = make("input", { type: "checkbox" });
  control.checked = rule.default === true;
  return { control, read: () => (control.checked === (rule.default === true) ? undefined : control.checked) };
}

function makeChoice(rule) {
  const values = rule.enum.filter((value) => value !== null);
  const none = make("option", { value: "", say: () => hintOf(rule) });
  const control = make("select", {}, none, values.map((value, at) => make("option", { value: at }, String(value))));
  return { control, read: () => (control.value === "" ? undefined : values[control.value]) };
}

function makeNumber(rule) {
  const whole = rule.type === "integer";
  const least = rule.minimum ?? (rule.exclusiveMinimum === undefined ? null : rule.exclusiveMinimum + (whole ? 1 : 0));
  const most = rule.maximum ?? rule.exclusiveMaximum ?? null;
  const control = make("input", {
    type: "number", min: least, max: most, step: whole ? 1 : "any", inputmode: whole ? "numeric" : "decimal",
    sayHint: () => hintOf(rule),
  });
  return { control, read: () => (control.value === "" ? undefined : Number(control.value)) };
}

const hintOf = (rule) =>
  rule.default === undefined || rule.default === null ? say("any") : say("default", { value: String(rule.default) });
