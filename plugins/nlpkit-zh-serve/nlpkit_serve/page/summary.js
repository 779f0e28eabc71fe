// What is kept of a file's rows as they come: counts, and only as many rows as are shown.

const SHOWN = 10;
const OF_ROWS = ["file", "row", "text"];

export class Summary {
  rows = 0;
  answered = 0;
  unlike = 0;
  labels = new Map(); // label → rows
  reasons = new Map(); // reason → rows
  unanswered = []; // the first rows without an answer
  first = []; // the first rows with one
  #surest = new Map(); // label → rows, of which the surest are kept

  /** @param columns of the file: an answer whose name one of them has is called otherwise. */
  constructor(columns, labelled) {
    Object.assign(this, { columns, labelled });
  }

  /** Take a row. */
  add(record) {
    this.rows += 1;
    const row = { row: record.row ?? this.rows, text: record.text ?? "" };
    const reason = this.#read(record, "reason");
    if (reason !== null && reason !== undefined) {
      addTo(this.reasons, reason.replace(/^unsure.*/, "unsure (0)"));
      if (this.unanswered.length < SHOWN) this.unanswered.push({ ...row, reason });
      return;
    }
    this.answered += 1;
    const warning = this.#read(record, "warning");
    this.unlike += warning ? 1 : 0;
    if (this.labelled) this.#addLabels(record, { ...row, warning });
    else if (this.first.length < SHOWN) this.first.push({ ...row, values: this.#valuesOf(record) });
  }

  /** Return the rows that have a label most surely. */
  mostSurely(label) {
    return sortRows(this.#surest.get(label) ?? []).slice(0, SHOWN);
  }

  #addLabels(record, row) {
    const probabilities = this.#read(record, "probabilities") ?? {};
    for (const label of Object.keys(probabilities)) if (!this.labels.has(label)) this.labels.set(label, 0);
    for (const label of [this.#read(record, "labels") ?? this.#read(record, "label")].flat()) {
      addTo(this.labels, label);
      this.#keep(label, { ...row, share: probabilities[label] ?? this.#read(record, "probability") ?? 1 });
    }
  }

  #keep(label, row) {
    const rows = this.#surest.get(label) ?? [];
    rows.push(row);
    this.#surest.set(label, rows.length > 20 * SHOWN ? sortRows(rows).slice(0, SHOWN) : rows);
  }

  /** Read a field of the answer, which has another name where a column of the file has its own. */
  #read(record, name) {
    return record[this.#nameOf(name)];
  }

  #nameOf(name) {
    const tries = [name, `predicted_${name}`, ...Array.from({ length: 8 }, (_, at) => `predicted_${name}_${at + 2}`)];
    return tries.find((one) => !this.columns.includes(one)) ?? name;
  }

  #valuesOf(record) {
    const others = new Set([...this.columns, ...OF_ROWS, this.#nameOf("reason"), this.#nameOf("warning")]);
    return Object.fromEntries(Object.entries(record).filter(([key]) => !others.has(key)));
  }
}

const addTo = (counts, key) => counts.set(key, (counts.get(key) ?? 0) + 1);
const sortRows = (rows) => [...rows].sort((a, b) => b.share - a.share);
