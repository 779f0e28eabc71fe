// The page: which models there are, and what is asked of the one that is chosen.

import { ask, hasToken } from "./asking.js";
import { makeBlanks } from "./blanks.js";
import { make, makeField, newId, tell, tellAll } from "./elements.js";
import { FaultPlace, prepareToken } from "./faults.js";
import { makeFile } from "./files.js";
import { makeRecords } from "./records.js";
import { makeScores } from "./scores.js";
import { currentLanguage, has, say, switchLanguage } from "./wording.js";
import { makeWriting } from "./writing.js";

const main = document.getElementById("main");
const tasks = document.getElementById("tasks");
const notice = document.getElementById("notice");
const faults = new FaultPlace(() => start());
let takeFile = () => {}; // of the task that is shown

/** Choose what asks a verb: by what its answers are, so that a stranger's task is asked like ours. */
function chooseView(model, verb) {
  if (verb.streams) return makeWriting;
  if (verb.labelled) return makeScores;
  return model.task === "cloze" && verb.name === "fill" ? makeBlanks : makeRecords;
}

function speak() {
  document.documentElement.lang = currentLanguage() === "zh" ? "zh-CN" : "en";
  const button = document.getElementById("language");
  tell(button, "other-language");
  button.lang = currentLanguage() === "zh" ? "en" : "zh-CN";
  tellAll();
}

async function start() {
  faults.clear();
  notice.replaceChildren(make("p", { class: "empty", say: "loading" }));
  try {
    const { models } = await ask("v1/models");
    notice.replaceChildren(faults.element);
    document.getElementById("links").hidden = hasToken(); // a link shows no token
    if (!models.length) notice.append(make("p", { class: "empty", say: "no-models" }));
    else showTasks(groupVerbs(models));
  } catch (error) {
    notice.replaceChildren(faults.element);
    faults.show(error);
  }
}

/** Put models that do the same thing together: a tab for each verb of each task. */
function groupVerbs(models) {
  const groups = new Map();
  for (const model of models) {
    for (const verb of model.verbs) {
      const key = `${model.task} ${verb.name}`;
      const group = groups.get(key) ?? { task: model.task, verb: verb.name, choices: [] };
      groups.set(key, { ...group, choices: [...group.choices, { model, verb }] });
    }
  }
  const first = ["sentiment", "cloze", "generate"];
  const rank = ({ task }) => (first.indexOf(task) + 1 || first.length + 1);
  return [...groups.values()].sort((a, b) => rank(a) - rank(b));
}

function nameGroup(group, groups) {
  const name = has(`task-${group.task}`) ? say(`task-${group.task}`) : group.task;
  const others = groups.filter(({ task }) => task === group.task);
  return others.length > 1 ? `${name} · ${group.verb}` : name;
}

function showTasks(groups) {
  const panels = groups.map((group, at) => makeTab(group, groups, at));
  const select = (at, { focus = false } = {}) => {
    panels.forEach(({ tab, panel, open, leave }, place) => {
      const isChosen = place === at;
      tab.setAttribute("aria-selected", String(isChosen));
      tab.tabIndex = isChosen ? 0 : -1;
      panel.hidden = !isChosen;
      if (isChosen) open();
      else leave();
    });
    if (focus) panels[at].tab.focus();
    history.replaceState(null, "", `#${encodeURIComponent(groups[at].task)}`);
  };
  tasks.replaceChildren(...panels.map(({ tab }) => tab));
  main.replaceChildren(notice, ...panels.map(({ panel }) => panel));
  panels.forEach(({ tab }, at) => {
    tab.addEventListener("click", () => select(at));
    tab.addEventListener("keydown", (event) => {
      const steps = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: panels.length - 1 };
      if (!(event.key in steps)) return;
      event.preventDefault();
      select((steps[event.key] + panels.length) % panels.length, { focus: true });
    });
  });
  const wanted = decodeURIComponent(location.hash.slice(1));
  select(Math.max(0, groups.findIndex(({ task }) => task === wanted)));
}

function makeTab(group, groups, at) {
  const id = `task-${at}`;
  const tab = make("button", {
    type: "button", role: "tab", id, "aria-controls": `${id}-panel`, say: () => nameGroup(group, groups),
  });
  const panel = make("div", { role: "tabpanel", id: `${id}-panel`, "aria-labelledby": id, hidden: true });
  let content = null;
  const open = () => {
    content ??= makePanel(group);
    if (!panel.childElementCount) panel.append(content.element);
    takeFile = content.take;
  };
  return { tab, panel, open, leave: () => content?.leave() };
}

/** Make a panel: the model, whether a text or a file is asked about, and what asks. */
function makePanel(group) {
  const place = make("div");
  const usual = Math.max(0, group.choices.findIndex(({ model }) => model.default));
  let mode = "one-text";
  let chosen = group.choices[usual];
  let view = null;
  const fill = () => {
    view?.leave();
    const makeView = mode === "one-text" ? chooseView(chosen.model, chosen.verb) : makeFile;
    view = makeView(chosen.verb, chosen.model);
    place.replaceChildren(view.element);
  };
  const modes = chosen.verb.streams ? null : makeModes((name) => {
    mode = name;
    fill();
  });
  const models = makeModels(group.choices, usual, (choice) => {
    chosen = choice;
    fill();
  });
  fill();
  const take = (file) => {
    if (!modes) return;
    if (mode === "one-text") modes.querySelector("[value=one-file]").click();
    view.take(file);
  };
  const element = make(
    "div",
    {},
    make("h2", { class: "about", say: () => aboutOf(group) }),
    make("div", { class: "row spread bar" }, models, modes),
    place,
  );
  return { element, take, leave: () => view?.leave() };
}

function aboutOf({ task, choices }) {
  return has(`about-${task}`) ? say(`about-${task}`) : (choices[0].verb.about || choices[0].model.about || task).split("\n")[0];
}

function makeModels(choices, usual, change) {
  if (choices.length === 1) {
    return make("p", { class: "model" }, make("span", { class: "note", say: "model" }), " ", choices[0].model.name);
  }
  const control = make("select", {}, choices.map(({ model }, at) => make("option", { value: at }, model.name)));
  control.value = usual;
  control.addEventListener("change", () => change(choices[control.value]));
  const field = makeField("model", control);
  field.classList.add("beside");
  return field;
}

function makeModes(change) {
  const name = newId("mode");
  const modes = ["one-text", "one-file"].flatMap((mode, at) => {
    const input = make("input", { type: "radio", name, id: `${name}-${at}`, value: mode, class: "unseen", checked: at === 0 });
    input.addEventListener("change", () => change(mode));
    return [input, make("label", { for: input.id, say: mode })];
  });
  return make("fieldset", { class: "modes" }, make("legend", { class: "unseen", say: "mode" }), modes);
}

/** Let a file be dropped anywhere: the browser would leave the page for it otherwise. */
function prepareDrops() {
  window.addEventListener("dragover", (event) => event.preventDefault());
  window.addEventListener("drop", (event) => {
    const isTaken = event.defaultPrevented; // by the place that is there for it
    event.preventDefault();
    if (!isTaken && event.dataTransfer.files.length) takeFile(event.dataTransfer.files[0]);
  });
}

document.getElementById("language").addEventListener("click", () => {
  switchLanguage();
  speak();
});
prepareToken();
prepareDrops();
speak();
start();
