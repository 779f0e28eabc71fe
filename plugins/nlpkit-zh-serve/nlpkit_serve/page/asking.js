// Asking the server: answers, files and streams, and what has gone wrong as a sentence.

const TOKEN = "nlpkit-token";
const STATUSES = { invalid: 422, unavailable: 503, too_many_requests: 429, too_slow: 504 }; // of faults in a stream

/** What the server refused, or that it was not there. `status` is 0 where no answer came. */
export class Refusal extends Error {
  constructor(status, message = "", { kind = null, retryAfter = null } = {}) {
    super(message);
    Object.assign(this, { status, kind, retryAfter });
  }
}

/** Keep a token for this tab. */
export const keepToken = (token) => sessionStorage.setItem(TOKEN, token);

/** Whether a token was given. */
export const hasToken = () => sessionStorage.getItem(TOKEN) !== null;

const authorisation = () => {
  const token = sessionStorage.getItem(TOKEN);
  return token ? { Authorization: `Bearer ${token}` } : {};
};

/** Whether an error only says that whoever asked no longer wants to know. */
export const isAbort = (error) => error?.name === "AbortError";

/**
 * Ask the server.
 *
 * @param path from where the page lies, so that it may lie below a prefix of a proxy.
 * @param body an object, which is sent as JSON; a file, sent as it is; or null, to read.
 * @throws {Refusal} for everything that is no answer.
 */
export async function request(path, body = null, { signal } = {}) {
  const isFile = body instanceof Blob;
  const type = isFile ? "application/octet-stream" : "application/json";
  const headers = { ...authorisation(), ...(body === null ? {} : { "Content-Type": type }) };
  const sent = body === null || isFile ? body : JSON.stringify(body);
  let response;
  try {
    response = await fetch(path.replace(/^\//, ""), {
      method: body === null ? "GET" : "POST", body: sent, headers, signal, credentials: "omit", cache: "no-store",
    });
  } catch (error) {
    throw isAbort(error) ? error : new Refusal(0);
  }
  if (!response.ok) throw await readRefusal(response);
  return response;
}

/** Ask the server for JSON. */
export async function ask(path, body = null, options = {}) {
  const response = await request(path, body, options);
  try {
    return await response.json();
  } catch (error) {
    throw isAbort(error) ? error : new Refusal(0);
  }
}

async function readRefusal(response) {
  const retryAfter = Number(response.headers.get("Retry-After")) || null;
  const said = await response.json().catch(() => null);
  const { kind = null, message = "" } = said?.error ?? {};
  return new Refusal(response.status, message, { kind, retryAfter });
}

/** Ask about one text; return its answer. */
export async function askText(verb, text, options, { signal } = {}) {
  const { answers, records } = await ask(verb.path, { ...options, text }, { signal });
  return answers[0] ?? { records: records ?? [] }; // records: of a verb that sums all texts up
}

/** Yield the lines of a response as they come. */
export async function* readLines(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) break;
      const lines = (rest + value).split("\n");
      rest = lines.pop();
      yield* lines;
    }
  } catch (error) {
    throw isAbort(error) ? error : new Refusal(0, "", { kind: "broken" });
  } finally {
    reader.cancel().catch(() => {});
  }
  if (rest) yield rest;
}

/** Return what a fault in the middle of a stream says. */
export const refusalOf = ({ kind = null, message = "" } = {}) => new Refusal(STATUSES[kind] ?? 500, message, { kind });

/** Yield the server-sent events of an answer: `{event, data}`. */
export async function* askStream(path, body, { signal } = {}) {
  let event = "message";
  let data = [];
  for await (const raw of readLines(await request(path, body, { signal }))) {
    const line = raw.replace(/\r$/, "");
    if (line.startsWith("event:")) event = line.slice(6).trim();
    else if (line.startsWith("data:")) data.push(line.slice(5).replace(/^ /, ""));
    else if (line === "" && data.length) {
      yield { event, data: JSON.parse(data.join("\n")) };
      event = "message";
      data = [];
    }
  }
}

/**
 * Asks after a pause in typing. Only the newest question counts: an older one is dropped, and its answer with it.
 *
 * @param ask a function of a signal, which returns a promise.
 */
export class Latest {
  #timer = null;
  #running = null;

  constructor({ pause, ask: question, show, fail }) {
    Object.assign(this, { pause, question, show, fail });
  }

  /** Ask once nothing has been typed for a while. */
  later() {
    this.drop();
    this.#timer = setTimeout(() => this.now(), this.pause);
  }

  /** Ask. */
  async now() {
    this.drop();
    const running = new AbortController();
    this.#running = running;
    try {
      const answer = await this.question(running.signal);
      if (this.#running === running) this.show(answer);
    } catch (error) {
      if (this.#running === running && !isAbort(error)) this.fail(error);
    }
  }

  /** Want no answer any more. */
  drop() {
    clearTimeout(this.#timer);
    this.#running?.abort();
    this.#running = null;
  }
}
