// A file: which column holds the texts, what came of its rows, and the file with the answers to take away.

import { ask, isAbort, readLines, request } from "./asking.js";
import { announce, make, makeBar, makeField, newId } from "./elements.js";
import { FaultPlace } from "./faults.js";
import { OptionsForm } from "./options.js";
import { Summary } from "./summary.js";
import { makeValue } from "./records.js";
import { count, explainReason, explainWarning, nameLabel, percent, say } from "./wording.js";

const KINDS = [".csv", ".tsv", ".txt", ".xlsx", ".xls", ".xlsb", ".xlsm", ".ods", ".json", ".jsonl", ".ndjson", ".parquet"];
const WORKBOOK = /\.(xlsx|xlsm|xlsb|xls|ods)$/i;
const FORMATS = ["csv", "xlsx", "jsonl"];
const NUMBERS = ["row", "probability"]; // columns of them
const LISTED = 3; // of a row's records
const HIDDEN = ["explain", "by"]; // options that make something else than a row of a row
const USUAL = /^(text|review|content|comment|评论|评价|内容|文本|正文)/i; // names of columns that hold texts

/** Make what answers a file. */
export function makeFile(verb) {
  const form = new OptionsForm(verb.options, { hidden: HIDDEN });
  const faults = new FaultPlace(() => retry());
  const steps = make("div", { class: "steps" });
  const status = make("div", { class: "status", role: "status" });
  const result = make("div");
  const chooser = makeChooser((file) => take(file));
  let retry = () => {};
  let running = null;

  /** Do something that can be cancelled and go wrong. */
  async function attempt(key, work) {
    running?.abort();
    const own = (running = new AbortController());
    retry = () => attempt(key, work);
    faults.clear();
    showWork(key, own);
    try {
      await work(own.signal);
      if (running === own) status.replaceChildren();
    } catch (error) {
      if (running !== own) return;
      status.replaceChildren();
      if (isAbort(error)) status.replaceChildren(make("p", { class: "note", say: "file-cancelled" }));
      else faults.show(error);
    }
  }

  function showWork(key, own) {
    const cancel = make("button", { type: "button", class: "quiet small", say: "cancel", on: { click: () => own.abort() } });
    progress = make("span", { say: key, values: { rows: "0" } });
    status.replaceChildren(make("div", { class: "row spread working" }, progress, cancel));
  }

  let progress = null;

  function take(file) {
    result.replaceChildren();
    steps.replaceChildren();
    chooser.show(file);
    read(file, null);
  }

  /** Read the columns of a file; one with several sheets is read again once it is said which. */
  function read(file, sheet) {
    attempt("reading-file", async (signal) => {
      const asked = new URLSearchParams({ name: file.name, ...(sheet && { sheet }) });
      try {
        showColumns(file, sheet, await ask(`v1/columns?${asked}`, file, { signal }));
      } catch (error) {
        if (error.status === 422 && WORKBOOK.test(file.name)) steps.replaceChildren(askSheet((name) => read(file, name)));
        throw error;
      }
    });
  }

  function showColumns(file, sheet, { columns, rows }) {
    const choice = columns?.length
      ? make("select", {}, columns.map((column) => make("option", { value: column, lang: "zh" }, column)))
      : null;
    const go = make("button", { type: "button", say: "answer-file", disabled: !rows.length });
    const question = () => ({ file, sheet, columns: columns ?? [], column: choice?.value ?? null, options: form.values });
    go.addEventListener("click", () => form.isValid && answer(question()));
    if (choice) choice.value = guessColumn(columns, rows);
    const preview = makePreview(columns, rows, choice);
    steps.replaceChildren(
      ...[
        choice ? makeField("column", choice) : make("p", { class: "note", say: "no-columns" }),
        rows.length ? preview : make("p", { class: "warning", say: "no-rows" }),
        form.element,
        make("div", { class: "row" }, go),
      ].filter(Boolean),
    );
    (choice ?? go).focus();
  }

  function answer(question) {
    result.replaceChildren();
    attempt("answering-file", async (signal) => {
      const response = await request(addressOf(verb, question, "jsonl"), question.file, { signal });
      const summary = new Summary(question.columns, verb.labelled);
      const told = progress;
      for await (const line of readLines(response)) {
        summary.add(JSON.parse(line));
        if (summary.rows % 500 === 0) told.textContent = say("answering-file", { rows: count(summary.rows) });
      }
      result.replaceChildren(showSummary(summary), makeDownload(verb, question, attempt));
      announce(say("file-done", tallies(summary)));
      const title = result.querySelector("h2"); // it lies below what was asked, out of sight on most screens
      title.focus({ preventScroll: true });
      title.scrollIntoView({ block: "start" });
    });
  }

  const element = make(
    "div",
    { class: "one" },
    make("section", { class: "card", sayLabel: "one-file" }, chooser.element, steps, faults.element, status),
    result,
  );
  return { element, take, leave: () => running?.abort() };
}

/** Ask which sheet of a workbook is meant; the fault beside it says which there are. */
function askSheet(take) {
  const control = make("input", { type: "text", lang: "zh", required: true });
  const submit = (event) => {
    event.preventDefault();
    take(control.value.trim());
  };
  const go = make("button", { type: "submit", class: "quiet", say: "read-sheet" });
  return make("form", { class: "row bottom", sayLabel: "sheet", on: { submit } }, makeField("sheet", control), go);
}

const addressOf = (verb, { file, sheet, column, options }, format) => {
  const asked = new URLSearchParams({ ...options, name: file.name, format });
  if (column !== null) asked.set("column", column);
  if (sheet !== null) asked.set("sheet", sheet);
  return `${verb.path}/file?${asked}`;
};

/** Make a place where a file is dropped or chosen. */
function makeChooser(take) {
  const input = make("input", { type: "file", id: newId("file"), class: "unseen", accept: KINDS.join(",") });
  const title = make("strong", { say: "drop-title" });
  const about = make("span", { class: "note", say: "drop-about" });
  const element = make("label", { class: "drop", for: input.id }, title, about);
  input.addEventListener("change", () => {
    const [file] = input.files;
    input.value = ""; // so that the same file, changed, can be chosen again
    if (file) take(file);
  });
  const lift = (event, over) => {
    event.preventDefault();
    element.classList.toggle("over", over);
  };
  element.addEventListener("dragover", (event) => lift(event, true));
  element.addEventListener("dragleave", (event) => lift(event, false));
  element.addEventListener("drop", (event) => {
    lift(event, false);
    const [file] = event.dataTransfer.files;
    if (file) take(file);
  });
  return {
    element: make("div", { class: "chooser" }, input, element),
    show(file) {
      element.classList.add("taken");
      element.replaceChildren(
        make("strong", { say: "file-name", values: { name: file.name, size: writeSize(file.size) } }),
        make("span", { class: "note", say: "other-file" }),
      );
    },
  };
}

const writeSize = (bytes) => (bytes < 1e6 ? `${Math.max(1, Math.round(bytes / 1e3))} kB` : `${(bytes / 1e6).toFixed(1)} MB`);

const cellsOf = (row, columns) => (Array.isArray(row) ? row : columns && typeof row === "object" ? columns.map((name) => row[name]) : [row]);

/** Guess which column holds the texts: by its name, else the one with most Chinese in it. */
function guessColumn(columns, rows) {
  const named = columns.find((column) => USUAL.test(column));
  if (named) return named;
  const chinese = columns.map((_, at) =>
    rows.reduce((sum, row) => sum + (String(cellsOf(row, columns)[at] ?? "").match(/\p{Script=Han}/gu) ?? []).length, 0),
  );
  return columns[chinese.indexOf(Math.max(...chinese))];
}

function makePreview(columns, rows, choice) {
  const head = columns ? make("thead", {}, make("tr", {}, columns.map((name) => make("th", { scope: "col", lang: "zh" }, name)))) : null;
  const lines = rows.map((row) => make("tr", {}, cellsOf(row, columns).map((cell) => make("td", { lang: "zh" }, String(cell ?? "")))));
  const table = make("table", { class: "preview" }, make("caption", { say: "preview", values: { rows: count(rows.length) } }), head, make("tbody", {}, lines));
  const mark = () => {
    const at = columns.indexOf(choice.value);
    for (const { cells } of table.rows) [...cells].forEach((cell, place) => cell.classList.toggle("chosen", place === at));
  };
  if (choice) {
    choice.addEventListener("change", mark);
    mark();
  }
  return make("div", { class: "wide", role: "region", tabindex: 0, sayLabel: () => say("preview", { rows: count(rows.length) }) }, table);
}

const tallies = ({ rows, answered }) => ({ rows: count(rows), answered: count(answered), unanswered: count(rows - answered) });

/** Show what came of the rows. */
function showSummary(summary) {
  return make(
    "section",
    { class: "card summary", sayLabel: "result" },
    make("h2", { say: "file-done", values: tallies(summary), tabindex: -1 }),
    summary.unlike ? make("p", { class: "warning", say: "unlike-rows", values: { rows: count(summary.unlike) } }) : null,
    summary.labels.size ? makeShares(summary) : null,
    summary.reasons.size ? makeReasons(summary) : null,
    summary.labels.size ? makeWorst(summary) : summary.first.length ? makeFirst(summary) : null,
  );
}

function makeShares({ labels, answered }) {
  const bars = [...labels].map(([label, rows]) =>
    makeBar({
      name: () => nameLabel(label), share: rows / (answered || 1), label, strong: true,
      said: () => `${percent(rows / (answered || 1))} · ${say("row-count", { rows: count(rows) })}`,
    }),
  );
  return make(
    "div",
    {},
    make("div", { class: "row spread" }, make("h3", { say: "shares" }), make("span", { class: "note", say: "shares-about" })),
    make("ul", { class: "shares broad", sayLabel: "shares" }, bars),
  );
}

function makeReasons({ reasons, unanswered }) {
  const told = new Map(); // several reasons may be one in plain words
  for (const [reason, rows] of reasons) told.set(reason, rows);
  const lines = [...told].map(([reason, rows]) =>
    make("li", {}, make("span", { say: () => explainReason(reason) }), " ", make("span", { class: "note", say: "row-count", values: { rows: count(rows) } })),
  );
  const rows = unanswered.map(({ row, text, reason }) =>
    make("tr", {}, make("td", { class: "number" }, String(row)), make("td", { say: () => explainReason(reason) }), make("td", { lang: "zh" }, text)),
  );
  return make(
    "div",
    {},
    make("h3", { say: "why-none" }),
    make("ul", { class: "reasons" }, lines),
    make("details", { class: "more" }, make("summary", { say: "rows-without" }), makeTable("rows-without", ["row", "reason", "text"], rows)),
  );
}

function makeTable(label, columns, rows) {
  const heads = columns.map((name) => make("th", { scope: "col", class: NUMBERS.includes(name) && "number", say: name }));
  const head = make("tr", {}, heads);
  const table = make("table", {}, make("thead", {}, head), make("tbody", {}, rows));
  return make("div", { class: "wide", role: "region", tabindex: 0, sayLabel: label }, table);
}

/** Show the rows that most surely have a label, at first the worst one, of those that any row has. */
function makeWorst(summary) {
  const labels = [...summary.labels].filter(([, rows]) => rows).map(([label]) => label);
  const control = make("select", {}, labels.map((label) => make("option", { value: label, say: () => nameLabel(label) })));
  control.value = labels.includes("negative") ? "negative" : labels[0];
  const place = make("div");
  const fill = () => {
    const label = control.value;
    const rows = summary.mostSurely(label).map(({ row, text, share, warning }) =>
      make(
        "tr",
        {},
        make("td", { class: "number" }, String(row)),
        make("td", { class: "number" }, percent(share)),
        make("td", { lang: "zh" }, text, warning ? make("span", { class: "note block", say: () => explainWarning(warning) }) : null),
      ),
    );
    const title = () => say("worst", { label: nameLabel(label) });
    place.replaceChildren(make("h3", { say: title }), makeTable(title, ["row", "probability", "text"], rows));
  };
  control.addEventListener("change", fill);
  fill();
  return make("div", { class: "worst" }, makeField("worst-of", control), place);
}

/** Show the first rows with their answers; of a long list its beginning. */
function makeFirst(summary) {
  const rows = summary.first.map(({ row, text, values }) => {
    const head = make("p", {}, make("span", { class: "note", say: "row-number", values: { number: count(row) } }), " ", make("span", { lang: "zh" }, text));
    return make("li", {}, head, Object.entries(values).map(([key, value]) => makeShort(key, value, text)));
  });
  return make("div", {}, make("h3", { say: "first-rows" }), make("ul", { class: "firsts" }, rows));
}

function makeShort(key, value, text) {
  const isLong = Array.isArray(value) && value.length > LISTED;
  const more = isLong && make("p", { class: "note", say: "more-found", values: { count: count(value.length - LISTED) } });
  return make("div", {}, makeValue(key, isLong ? value.slice(0, LISTED) : value, text), more);
}

/** Make what fetches the answered file, as the shell would have written it. */
function makeDownload(verb, question, attempt) {
  const ending = /\.(csv|tsv|xlsx|jsonl|parquet)$/i.exec(question.file.name)?.[1].toLowerCase();
  const control = make("select", {}, [...new Set([...FORMATS, ending ?? "csv"])].map((format) => make("option", { value: format }, format)));
  control.value = ending ?? "csv";
  const get = make("button", { type: "button", say: "download" });
  const done = make("p", { class: "note", role: "status" });
  get.addEventListener("click", () =>
    attempt("downloading", async (signal) => {
      const name = `${question.file.name.replace(/\.\w+$/, "")}.scored.${control.value}`;
      const response = await request(addressOf(verb, question, control.value), question.file, { signal });
      save(await response.blob(), name);
      done.textContent = say("downloaded", { name });
    }),
  );
  return make(
    "section",
    { class: "card", sayLabel: "download-title" },
    make("h2", { say: "download-title" }),
    make("p", { class: "note", say: "download-about" }),
    make("div", { class: "row bottom" }, makeField("format", control), get),
    done,
  );
}

function save(blob, name) {
  const link = make("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
