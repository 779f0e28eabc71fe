// What has gone wrong, as a sentence near where it belongs, and what can be done about it.

import { hasToken, keepToken } from "./asking.js";
import { make } from "./elements.js";
import { has, say } from "./wording.js";

const PATIENCE = 3; // times that a busy server is asked again by itself

/** Say in a sentence what has gone wrong. */
export function describeFault(error) {
  if (error.kind === "broken") return say("fault-broken");
  if (error.status === 0) return say("fault-gone");
  const key = `fault-${error.status}`;
  return say(has(key) ? key : error.status >= 500 ? "fault-500" : "fault-400");
}

/**
 * A place for faults.
 *
 * @param retry asks again.
 */
export class FaultPlace {
  #timer = null;
  #tries = 0;

  constructor(retry) {
    this.retry = retry;
    this.element = make("div", { class: "fault-place", role: "alert" });
  }

  /** Show what has gone wrong; a server that is busy and says until when is asked again then. */
  show(error) {
    if (!("status" in error)) console.error(error); // a fault of this page
    const again = [429, 503].includes(error.status) && error.retryAfter && this.#tries < PATIENCE;
    const parts = [make("p", { say: () => describeFault(error) })];
    if (error.message && error.status) {
      parts.push(make("p", { class: "note" }, make("span", { say: "server-says" }), quote(error.message)));
    }
    if (again) parts.push(make("p", { class: "note", say: "retry-after", values: { seconds: error.retryAfter } }));
    parts.push(this.#makeButton(error));
    this.clear({ keepTries: true });
    this.element.append(make("div", { class: "fault" }, parts));
    if (error.status === 401) askToken(this.retry);
    if (again) this.#wait(error.retryAfter);
  }

  /** Forget what has gone wrong. */
  clear({ keepTries = false } = {}) {
    clearTimeout(this.#timer);
    if (!keepTries) this.#tries = 0;
    this.element.replaceChildren();
  }

  #makeButton(error) {
    if (error.status === 401) return button("give-token", () => askToken(this.retry));
    return [413, 422, 404].includes(error.status) ? "" : button("retry", this.retry);
  }

  #wait(seconds) {
    this.#tries += 1;
    this.#timer = setTimeout(this.retry, seconds * 1000);
  }
}

const button = (key, click) => make("button", { type: "button", class: "quiet", say: key, on: { click: () => click() } });
const quote = (message) => make("q", { lang: "en" }, message);

let given = null; // what goes on once the token is there

/** Ask for the token, then go on. */
export function askToken(then) {
  const dialog = document.getElementById("token");
  given = then;
  document.getElementById("token-fault").hidden = !hasToken();
  document.getElementById("token-value").value = "";
  if (!dialog.open) dialog.showModal();
}

/** Let the dialog of the token do what it is there for. */
export function prepareToken() {
  const dialog = document.getElementById("token");
  document.getElementById("token-cancel").addEventListener("click", () => dialog.close("cancelled"));
  dialog.addEventListener("close", () => {
    if (dialog.returnValue !== "given") return;
    dialog.returnValue = "";
    keepToken(document.getElementById("token-value").value.trim());
    given?.();
  });
}
