// A coin's page: the price as it changes, and the chart, whose library is fetched only here.
import { amount, percent, price } from "./figures.js";
import { Live, show, showState } from "./live.js";
import { showTime } from "./page.js";

const page = document.querySelector(".coin");
const id = page.dataset.id;
let chart = null;
const figure = (kind) => page.querySelector(`[data-figure="${kind}"]`);

new Live({
  ids: [id],
  onPrice(coin) {
    if (coin.latest_price_usd === null) return;
    chart?.take(coin.latest_price_usd);
    show(figure("price"), coin.latest_price_usd, price(coin.latest_price_usd));
    show(figure("cap"), coin.market_cap_usd, amount(coin.market_cap_usd));
    show(figure("volume"), coin.volume_24h_usd, amount(coin.volume_24h_usd));
    const exact = page.querySelector("[data-exact]");
    if (exact) exact.textContent = coin.latest_price_usd;
    const seen = page.querySelector("[data-seen] time");
    if (seen) {
      seen.dateTime = coin.observed_at;
      showTime(seen);
    }
    const before = Number(page.dataset.dayAgo);
    const delta = page.querySelector("[data-change]");
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
  chart = new Chart(id, Number(figure("price")?.value));
});
