// A coin's page: the price as it changes, and the chart, whose library is fetched only here.
import { percent, price } from "./figures.js";
import { Live, show, showState } from "./live.js";
import { page, replace } from "./parts.js";

const shown = document.querySelector(".coin");
const id = shown.dataset.id;
const now = shown.querySelector("[data-figure=price]");
let chart = null;

// Where the price comes from changes with it: the stream tells the price alone.
async function load() {
  try {
    const found = await page(location.href);
    if (found?.getElementById("quoted")) for (const part of ["whence", "quoted"]) replace(part, found);
  } catch {
    // The stream says that the connection is lost.
  }
}

new Live({
  ids: [id],
  onPrice(coin) {
    if (coin.latest_price_usd === null) return;
    chart?.take(coin.latest_price_usd);
    const another = Number(now?.value) !== coin.latest_price_usd;
    show(now, coin.latest_price_usd, price(coin.latest_price_usd));
    if (another) load();
    const before = Number(shown.dataset.dayAgo);
    const delta = shown.querySelector("[data-change]");
    if (before > 0 && delta) {
      const change = (coin.latest_price_usd / before - 1) * 100;
      const text = document.createElement("span");
      text.className = change > 0 ? "up" : change < 0 ? "down" : "";
      text.textContent = percent(change);
      delta.replaceChildren(text);
    }
  },
  onState: (state) => showState(document.getElementById("live"), state),
});

import("./chart.js").then(({ Chart }) => {
  chart = new Chart(id, Number(now?.value));
});
