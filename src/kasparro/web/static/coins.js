// The list of coins: prices change in place, and the search answers while one types.
import { amount, price } from "./figures.js";
import { Live, show, showChange, showState } from "./live.js";
import { showTime, showTimes } from "./page.js";

const TYPING = 180; // milliseconds without a key before the search is asked
const search = document.querySelector("input[type=search]");
const form = search.form;
let live = null;
let lookedAt = 0;

const list = () => document.getElementById("coins");
const figure = (row, kind) => row.querySelector(`[data-figure="${kind}"]`);

function take(coin) {
  const row = list().querySelector(`tr[data-id="${CSS.escape(coin.id)}"]`);
  if (!row || coin.latest_price_usd === null) return;
  show(figure(row, "price"), coin.latest_price_usd, price(coin.latest_price_usd));
  show(figure(row, "cap"), coin.market_cap_usd, amount(coin.market_cap_usd));
  show(figure(row, "volume"), coin.volume_24h_usd, amount(coin.volume_24h_usd));
  showChange(row.querySelector("[data-change]"), coin.latest_price_usd, Number(row.dataset.dayAgo));
  const meter = row.querySelector("meter");
  if (meter && coin.confidence !== null) {
    meter.value = coin.confidence;
    meter.nextElementSibling.textContent = coin.confidence.toFixed(2);
  }
  // What a flag means stands in the legend already.
  const marks = coin.flags.map((name) => document.querySelector(`.legend .flag-${CSS.escape(name)}`)?.cloneNode(true)).filter(Boolean);
  row.querySelector("[data-flags]").replaceChildren(...marks.flatMap((mark) => [mark, " "]));
  const seen = row.querySelector("time");
  if (seen) {
    seen.dateTime = coin.observed_at;
    showTime(seen);
  }
}

function follow() {
  live?.close();
  const ids = list().dataset.ids.split(",").filter(Boolean);
  live = new Live({
    ids,
    onPrice: take,
    onVersion: ({ version }) => {
      // On a service that has just begun there is something to show now. Once for each version: the list may still be empty.
      if (ids.length || search.value || !version || version === lookedAt) return;
      lookedAt = version;
      load(location.href);
    },
    onState: (state) => showState(document.getElementById("live"), state),
  });
}

let asked = null;

// Takes over the list of another address. The rest of the page, and with it the focus, stays.
async function load(address) {
  asked?.abort();
  const mine = (asked = new AbortController());
  try {
    const answer = await fetch(address, { headers: { Accept: "text/html" }, signal: mine.signal });
    if (!answer.ok) return;
    const found = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("coins");
    if (!found || mine.signal.aborted) return;
    const said = found.querySelector("#found").textContent;
    // What announces the result must have been there before: its text alone changes.
    const announcer = document.getElementById("found");
    found.querySelector("#found").replaceWith(announcer);
    list().replaceWith(found);
    announcer.textContent = said;
    showTimes(found);
    follow();
  } catch (error) {
    if (error.name !== "AbortError") showState(document.getElementById("live"), "lost");
  }
}

function address() {
  const query = new URLSearchParams(new FormData(form));
  if (!query.get("q")?.trim()) query.delete("q");
  return `/${query.size ? `?${query}` : ""}`;
}

let typing = 0;
search.addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(() => {
    history.replaceState(null, "", address());
    load(address());
  }, TYPING);
});
form.addEventListener("submit", (event) => {
  event.preventDefault();
  clearTimeout(typing);
  history.replaceState(null, "", address());
  load(address());
});

// Up and down go through the coins, from the search and back to it; a slash leads to the search from anywhere.
document.addEventListener("keydown", (event) => {
  const inSearch = event.target === search;
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  if (event.key === "/" && !event.target.closest("input, textarea, select")) {
    event.preventDefault();
    search.focus();
    search.select();
    return;
  }
  const links = [...list().querySelectorAll("th.coin a")];
  const at = links.indexOf(document.activeElement);
  if ((!inSearch && at < 0) || !["ArrowDown", "ArrowUp", "Escape"].includes(event.key)) return;
  if (event.key === "Escape" && !inSearch) search.focus();
  else if (event.key === "ArrowDown") links[at + 1]?.focus();
  else if (event.key === "ArrowUp" && at > 0) links[at - 1].focus();
  else if (event.key === "ArrowUp" && at === 0) search.focus();
  else return;
  event.preventDefault();
});

follow();
