// Parts of a page, taken over from the same page as the service draws it now.
import { showTimes } from "./page.js";

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
