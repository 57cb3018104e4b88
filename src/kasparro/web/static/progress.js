// What a run at work has done so far, taken from its own page every few seconds, in place. Nothing is asked for while nobody looks.
import { page, replace } from "./parts.js";

const EVERY = 3_000;

export function say(text) {
  document.getElementById("said").textContent = text;
}

// Follows the run that #working names, if there is one; `ended` is called when it works no longer.
export function follow(ended) {
  document.documentElement.classList.add("live-now");
  setInterval(async () => {
    const run = document.getElementById("working")?.dataset.run;
    if (!run || document.hidden) return;
    try {
      const found = await page(`/pages/runs/${run}`);
      if (!found?.getElementById("run")) return; // a problem's page says nothing of the run
      if (found.getElementById("working")) replace("working-place", found);
      else ended(run);
    } catch {
      // The next look may be answered.
    }
  }, EVERY);
}
