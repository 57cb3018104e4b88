// What every page does: the switch of the theme, and times in the reader's own zone.
const root = document.documentElement;
const system = matchMedia("(prefers-color-scheme: dark)");
const theme = () => root.dataset.theme ?? (system.matches ? "dark" : "light");

for (const button of document.querySelectorAll("[data-theme-switch]")) {
  button.hidden = false;
  button.addEventListener("click", () => {
    root.dataset.theme = theme() === "dark" ? "light" : "dark";
    try {
      localStorage.setItem("theme", root.dataset.theme);
    } catch {
      // It lasts as long as the page then.
    }
    document.dispatchEvent(new Event("theme"));
  });
}
system.addEventListener("change", () => document.dispatchEvent(new Event("theme")));

const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const UNITS = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];

export function ago(at, now = Date.now()) {
  const seconds = Math.max(0, Math.round((now - at) / 1000));
  const [unit, size] = UNITS.find(([, least]) => seconds >= least) ?? ["s", 1];
  return `${Math.floor(seconds / size)} ${unit} ago`;
}

export function showTime(element) {
  const at = new Date(element.dateTime);
  if (Number.isNaN(at.getTime())) return;
  const text = exact.format(at);
  if ("ago" in element.dataset) {
    element.textContent = ago(at.getTime());
    element.title = text;
  } else {
    element.textContent = text;
    element.title = element.dateTime;
  }
}

export function showTimes(within = document) {
  within.querySelectorAll("time[datetime]").forEach(showTime);
}

showTimes();
setInterval(() => document.querySelectorAll("time[data-ago]").forEach(showTime), 10_000);
