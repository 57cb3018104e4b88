// A coin's page: the price as it changes, and the chart, whose library is fetched only here.
import { price } from "./figures.js";
import { Live, show, showChange, showState } from "./live.js";
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
    showChange(shown.querySelector("[data-change]"), coin.latest_price_usd, Number(shown.dataset.dayAgo));
  },
  onState: (state) => showState(document.getElementById("live"), state),
});

import("./chart.js").then(({ Chart }) => {
  chart = new Chart(id, Number(now?.value));
});
