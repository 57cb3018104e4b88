// A question and its evidence as elements. Whatever a source says goes in as text, never as markup.
import { amount, percent, price } from "./figures.js";
import { showTime } from "./page.js";

const ADDRESSES = 3;
const BASE = Number(document.getElementById("rules").dataset.base);
const certainties = [...document.querySelectorAll("#certainties li")].map((one) => [Number(one.dataset.least), one.textContent]);
const sources = Object.fromEntries([...document.querySelectorAll("#sources li")].map((one) => [one.dataset.source, one.dataset]));

export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in element && name !== "list") element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
  return element;
}

export const sourceName = (source) => sources[source]?.name ?? source;

export function badge(source) {
  const name = sourceName(source);
  return h(
    "span",
    { className: `badge badge-${source}`, title: name },
    h("span", { "aria-hidden": "true" }, sources[source]?.badge ?? source.slice(0, 2).toUpperCase()),
    h("span", { className: "visually-hidden" }, name),
  );
}

export function coinLink(id, text) {
  return h("a", { href: `/pages/coins/${encodeURIComponent(id)}` }, text);
}

export function time(at) {
  const element = h("time", { dateTime: at });
  element.dataset.ago = "";
  showTime(element);
  return element;
}

function facts(rows) {
  return h("dl", { className: "facts" }, ...rows.filter(([, value]) => value !== null).flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
}

function place(listing) {
  const template = sources[listing.source]?.place;
  const id = h("span", { className: "code" }, listing.source_id);
  return template ? h("a", { href: template.replace("{}", encodeURIComponent(listing.source_id)), rel: "noopener" }, id) : id;
}

function contracts(found) {
  if (!found.length) return null;
  const list = h("ul", { className: "plain" });
  for (const one of found.slice(0, ADDRESSES)) list.append(h("li", {}, `${one.platform}: `, h("span", { className: "code" }, one.address)));
  if (found.length > ADDRESSES) list.append(h("li", { className: "quiet" }, `and ${found.length - ADDRESSES} more`));
  return list;
}

export function listingFacts(listing, coinId) {
  const quote = listing.quote;
  return facts([
    ["Id", place(listing)],
    ["Price", quote ? price(quote.price_usd) : "none told"],
    ["Market cap", quote ? amount(quote.market_cap_usd) : null],
    ["Volume 24 h", quote ? amount(quote.volume_24h_usd) : null],
    ["Seen", quote ? time(quote.observed_at) : null],
    ["Contracts", contracts(listing.contracts)],
    ["Listed", listing.active === false ? "not any more" : null],
    ["Now", listing.coin_id === coinId ? null : listing.coin_id ? h("span", {}, "the coin ", coinLink(listing.coin_id, listing.coin_id)) : "it waits for a coin"],
  ]);
}

export function certainty(confidence) {
  return `${certainties.find(([least]) => confidence >= least)?.[1] ?? "unlikely"} (${confidence.toFixed(4)})`;
}

function plain(value) {
  if (value === null || value === undefined) return "";
  if (typeof value === "number") return value.toLocaleString("en-US", { maximumSignificantDigits: 6 });
  return Array.isArray(value) ? value.map(plain).join(", ") : String(value);
}

const SHOWN = {
  price,
  volume: amount,
  supply: (value) => amount(value).replace("$", ""),
  peak: ([value, at]) => `${price(value)} on ${new Date(at * 1000).toISOString().slice(0, 10)}`,
  contract: (found) => found.slice(0, ADDRESSES).map(([platform, address]) => `${platform}: ${address}`).join(", ") + (found.length > ADDRESSES ? ` and ${found.length - ADDRESSES} more` : ""),
};

function shown(rule, value) {
  if (value === null || value === undefined) return "";
  try {
    return (SHOWN[rule.split(".")[0]] ?? plain)(value);
  } catch {
    return plain(value);
  }
}

const signed = (weight) => `${weight < 0 ? "−" : weight > 0 ? "+" : ""}${Math.abs(weight).toFixed(1)}`;

// The rules that spoke, the weightiest first; null where the evidence has another shape.
export function reasons(evidence) {
  if (typeof evidence?.rules !== "object" || evidence.rules === null) return null;
  const [first, second] = (evidence.between ?? []).map((named) => named.split(":")[0]);
  const told = Object.entries(evidence.rules).map(([rule, told]) => [rule, ...(Array.isArray(told) ? told : [told])]);
  told.sort((a, b) => Math.abs(b[1]) - Math.abs(a[1]));
  return h(
    "ul",
    { className: "reasons" },
    ...told.map(([rule, weight, ours, theirs]) => {
      const claim = document.querySelector(`#rules [data-rule="${CSS.escape(rule)}"] [data-claim]`)?.textContent ?? "";
      const [left, right] = [shown(rule, ours), shown(rule, theirs)];
      return h(
        "li",
        {},
        h("span", { className: `weight ${weight > 0 ? "up" : weight < 0 ? "down" : ""}` }, signed(weight)),
        h(
          "span",
          {},
          h("span", { className: "code quiet" }, rule),
          ` ${claim}`,
          left || right ? h("span", { className: "sides" }, ...side(first, left), ...(right ? ["  ", ...side(second, right)] : [])) : null,
        ),
      );
    }),
    h("li", {}, h("span", { className: "weight quiet" }, signed(BASE)), h("span", { className: "quiet" }, "Where every comparison begins, before anything is known.")),
  );
}

function side(source, text) {
  return source && text ? [badge(source), " ", text] : [text];
}

// How far the two sides' prices are apart, in words; null where one is not known.
export function apart(listing, coin) {
  if (!listing.quote || coin.latest_price_usd === null) return null;
  const more = (listing.quote.price_usd / coin.latest_price_usd - 1) * 100;
  return more === 0 ? "the same as the coin's" : `${percent(Math.abs(more)).replace("+", "")} ${more > 0 ? "above" : "below"} the coin's`;
}

export { amount, price, signed };
