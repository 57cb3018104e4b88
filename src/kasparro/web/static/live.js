// Prices as they change, from /stream; says how the connection is. EventSource connects anew by itself after an interruption,
// but gives up for good after some answers: then it is made anew here, ever more seldom.
import { percent } from "./figures.js";

const WAIT_MOST = 60_000;

export class Live {
  constructor({ ids, onPrice = () => {}, onRun = () => {}, onVersion = () => {}, onState }) {
    this.ids = ids;
    this.onPrice = onPrice;
    this.onRun = onRun;
    this.onVersion = onVersion;
    this.onState = onState;
    this.wait = 1000;
    this.open();
    addEventListener("pagehide", () => this.close());
    addEventListener("pageshow", (event) => event.persisted && this.open());
  }

  open() {
    this.close();
    const path = this.ids.length ? `/stream?ids=${encodeURIComponent(this.ids.join(","))}` : "/stream";
    const source = (this.source = new EventSource(path));
    source.addEventListener("open", () => {
      this.wait = 1000;
      this.onState("on");
    });
    source.addEventListener("price", (event) => this.onPrice(JSON.parse(event.data)));
    source.addEventListener("version", (event) => this.onVersion(JSON.parse(event.data)));
    source.addEventListener("run", (event) => {
      showHealth();
      this.onRun(JSON.parse(event.data));
    });
    source.addEventListener("reset", () => this.again());
    source.addEventListener("error", () => {
      this.onState("lost");
      if (source.readyState === EventSource.CLOSED) this.again();
    });
  }

  again() {
    this.close();
    this.timer = setTimeout(() => this.open(), this.wait);
    this.wait = Math.min(this.wait * 2, WAIT_MOST);
  }

  close() {
    clearTimeout(this.timer);
    this.source?.close();
  }
}

// The mark at the top of the page, after each run: whether all is well may be another matter then.
async function showHealth() {
  const mark = document.querySelector("[data-health]");
  try {
    const health = await (await fetch("/health")).json();
    mark.className = `chip is-${health.status}`;
    mark.title = health.reasons.join("; ") || mark.dataset.health;
    mark.querySelector("[data-status]").textContent = health.status;
  } catch {
    // The state of the connection says enough.
  }
}

// How a price compares with what it was a day ago; nothing where that is not known.
export function showChange(element, value, before) {
  if (!element || !(before > 0)) return;
  const change = (value / before - 1) * 100;
  const text = document.createElement("span");
  text.className = change > 0 ? "up" : change < 0 ? "down" : "";
  text.textContent = percent(change);
  element.replaceChildren(text);
}

const STATES = { on: "live", lost: "connection lost, trying again" };

export function showState(element, state) {
  if (!element) return;
  element.dataset.state = state;
  element.querySelector("[data-live]").textContent = STATES[state];
}

// A figure in place, with a short flash where it is another one. A figure that was not known stays so until the page is loaded anew.
export function show(element, value, text) {
  if (!element || value === null || Number(element.value) === value) return;
  element.value = String(value);
  element.title = String(value);
  element.textContent = text;
  element.classList.remove("flash");
  void element.offsetWidth; // the flash begins anew
  element.classList.add("flash");
}
