// What a run at work has done so far, taken from its own page every few seconds, in place. Nothing is asked for while nobody looks.
import { showTimes } from "./page.js";

const EVERY = 3_000;

export async function page(address) {
  const answer = await fetch(address, { headers: { Accept: "text/html" } });
  return answer.headers.get("Content-Type")?.startsWith("text/html") ? new DOMParser().parseFromString(await answer.text(), "text/html") : null;
}

// Takes over a part of another page. What the reader is in, or has opened, stays.
export function replace(id, from) {
  const ours = document.getElementById(id);
  const theirs = from.getElementById(id);
  if (!ours || !theirs || ours.contains(document.activeElement)) return;
  for (const open of ours.querySelectorAll("details[open][id]")) theirs.querySelector(`#${CSS.escape(open.id)}`)?.setAttribute("open", "");
  const scrolled = [...ours.querySelectorAll("[tabindex='0']")].map((one) => [one.scrollLeft, one.scrollTop]);
  ours.replaceWith(theirs);
  theirs.querySelectorAll("[tabindex='0']").forEach((one, n) => scrolled[n] && one.scrollTo(...scrolled[n]));
  showTimes(theirs);
}

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
      if (!found) return;
      if (found.getElementById("working")) replace("working-place", found);
      else ended(run);
    } catch {
      // The next look may be answered.
    }
  }, EVERY);
}
