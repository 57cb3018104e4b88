// What a run at work has done so far, taken from its own page every few seconds, in place. Nothing is asked for while nobody looks.
import { showTimes } from "./page.js";

const EVERY = 3_000;

export async function page(address) {
  const answer = await fetch(address, { headers: { Accept: "text/html" } });
  return answer.headers.get("Content-Type")?.startsWith("text/html") ? new DOMParser().parseFromString(await answer.text(), "text/html") : null;
}

// What has the focus in the part that takes another's place: the same link, the same region, or what opens the same details.
function sameFocus(focused, within) {
  if (focused.matches("a[href]")) return within.querySelector(`a[href="${CSS.escape(focused.getAttribute("href"))}"]`);
  if (focused.matches("[aria-label]")) return within.querySelector(`[aria-label="${CSS.escape(focused.getAttribute("aria-label"))}"]`);
  return focused.matches("details[id] > summary") ? within.querySelector(`#${CSS.escape(focused.parentElement.id)} > summary`) : null;
}

// Takes over a part of another page. What has the focus keeps it; where nothing can, the part stays. What was opened is open.
export function replace(id, from) {
  const ours = document.getElementById(id);
  const theirs = from.getElementById(id);
  if (!ours || !theirs) return;
  const focused = ours.contains(document.activeElement) ? document.activeElement : null;
  const focusing = focused && sameFocus(focused, theirs);
  if (focused && !focusing) return;
  for (const open of ours.querySelectorAll("details[open][id]")) theirs.querySelector(`#${CSS.escape(open.id)}`)?.setAttribute("open", "");
  const scrolled = [...ours.querySelectorAll("[tabindex='0']")].map((one) => [one.scrollLeft, one.scrollTop]);
  ours.replaceWith(theirs);
  theirs.querySelectorAll("[tabindex='0']").forEach((one, n) => scrolled[n] && one.scrollTo(...scrolled[n]));
  focusing?.focus({ preventScroll: true });
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
      if (!found?.getElementById("run")) return; // a problem's page says nothing of the run
      if (found.getElementById("working")) replace("working-place", found);
      else ended(run);
    } catch {
      // The next look may be answered.
    }
  }, EVERY);
}
