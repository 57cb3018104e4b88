// The page of the runs: taken over anew when a run begins or ends.
import { Live, showState } from "./live.js";
import { page, replace } from "./parts.js";
import { follow, say } from "./progress.js";

const LOOK = 10_000; // milliseconds between looks at whether a run has begun: /health answers from memory
const PARTS = ["now", "working-place", "timeline", "budgets", "freshness", "coverage", "rejects", "drift", "odd", "history"];
const seen = () => document.getElementById("now").dataset.last;

async function load() {
  try {
    const found = await page("/pages/runs");
    if (!found?.getElementById("now")) return;
    // A page without a database has other parts than one with it.
    if (!found.getElementById("history") !== !document.getElementById("history")) location.reload();
    for (const part of PARTS) replace(part, found);
  } catch {
    showState(document.getElementById("live"), "lost");
  }
}

new Live({
  ids: [],
  onPrice() {},
  async onRun(run) {
    await load();
    say(`Run ${run.run_id} has ended: ${run.status}.`);
  },
  onState: (state) => showState(document.getElementById("live"), state),
});
follow(load);
setInterval(async () => {
  if (document.hidden) return;
  try {
    const { last_run: last } = await (await fetch("/health")).json();
    if (last && `${last.id}-${last.status}` !== seen()) await load();
  } catch {
    // What is shown stays; the stream says that the connection is lost.
  }
}, LOOK);
