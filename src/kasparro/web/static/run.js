// A run's page: while it works it shows how far it is, and then what it came to.
import { page, replace } from "./parts.js";
import { follow, say } from "./progress.js";

if (document.getElementById("working")) {
  follow(async (run) => {
    const found = await page(location.href);
    if (!found?.getElementById("run")) return;
    replace("run", found);
    say(`Run ${run} has ended: ${document.getElementById("run").dataset.status}.`);
  });
}
