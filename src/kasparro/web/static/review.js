// The review: asks for the token, shows what a person should decide, and takes the decision.
import { ask, token } from "./admin.js";
import { listed, sentence } from "./decisions.js";
import { amount, apart, badge, certainty, coinLink, h, listingFacts, price, reasons, signed, sourceName, time } from "./evidence.js";

const PAGE = 20;
const SAME = Number(document.getElementById("rules").dataset.same); // the score from which on rules join
const FIRST = `/admin/judgements?verdict=unsure&limit=${PAGE}`;
const at = (id) => document.getElementById(id);
const form = at("token-form");
let next = null;
let open = 0; // questions that wait

const say = (text) => (at("said").textContent = text);

function count() {
  at("count").textContent = open === 0 ? "Nothing is left to decide." : `${open.toLocaleString("en-US")} ${open === 1 ? "question" : "questions"}, most market value at stake first`;
}

function problem(element, text) {
  element.hidden = !text;
  element.textContent = text;
}

const WORDS = {
  401: "This is not the token that the service was started with.",
  0: "The service does not answer. Try again soon.",
};

function askForToken(error) {
  at("opened").hidden = true;
  form.hidden = false;
  at("token").setAttribute("aria-invalid", error ? "true" : "false");
  if (!error) return problem(at("token-problem"), "");
  problem(at("token-problem"), WORDS[error.status] ?? error.message);
  if (error.status === 429) waitBefore(error.wait || 60);
  at("token").focus();
}

// Nothing that is sent meanwhile would be looked at.
function waitBefore(seconds) {
  const button = form.querySelector("button");
  const until = Date.now() + seconds * 1000;
  button.disabled = true;
  const tick = () => {
    const left = Math.ceil((until - Date.now()) / 1000);
    if (left > 0) {
      button.textContent = `Wait ${left} s`;
      setTimeout(tick, 500);
    } else {
      button.disabled = false;
      button.textContent = "Open the review";
      problem(at("token-problem"), "");
    }
  };
  tick();
}

async function load(path) {
  const { found, next: following, total } = await ask("GET", path);
  next = following;
  open = total;
  if (path === FIRST) at("questions").replaceChildren();
  at("questions").append(...found.map(question));
  at("more").hidden = next === null;
  count();
  if (total === 0) at("questions").replaceChildren(h("p", { className: "card" }, "Nothing is unsure: the evidence has decided everything, or people have. New questions come with new listings."));
  return found.length;
}

async function start() {
  try {
    await load(FIRST);
  } catch (error) {
    if (error.status === 401) token.set(null);
    return askForToken(error);
  }
  form.hidden = true;
  at("opened").hidden = false;
  problem(at("token-problem"), "");
  at("token").value = "";
  say(at("count").textContent);
}

function question(row) {
  const { judgement, listing, coin } = row;
  const title = `question-${judgement.id}`;
  const card = h("article", { className: "card question", "aria-labelledby": title });
  const why = reasons(judgement.evidence);
  const score = judgement.evidence?.score;
  const from = apart(listing, coin);
  card.append(
    h("h2", { id: title, tabIndex: -1 }, "Is ", h("strong", {}, listing.name ?? listing.source_id), listing.symbol ? ` (${listing.symbol})` : "", ` of ${sourceName(listing.source)} the coin `, h("strong", {}, coin.name), ` (${coin.symbol})?`),
    h(
      "p",
      { className: "stake" },
      h("strong", {}, row.market_cap_at_stake_usd === null ? "No known market value" : amount(row.market_cap_at_stake_usd)),
      " at stake. The rules say: ",
      certainty(judgement.confidence),
      typeof score === "number" ? `, a score of ${signed(score)}` : "",
      score >= SAME ? ", but another match is about as good, so that they do not join them" : "",
      from ? `. Its price is ${from}` : "",
      ".",
    ),
    h(
      "div",
      { className: "sides-by-side" },
      h("div", { className: "side" }, h("h3", {}, "The listing ", badge(listing.source), ` ${listing.name ?? listing.source_id}`), listingFacts(listing, null)),
      h(
        "div",
        { className: "side" },
        h("h3", {}, "The coin ", coinLink(coin.id, coin.name), " ", h("span", { className: "symbol" }, coin.symbol)),
        h("p", { className: "small" }, coin.latest_price_usd === null ? "No price" : price(coin.latest_price_usd), coin.market_cap_usd === null ? "" : `, market cap ${amount(coin.market_cap_usd)}`),
        ...coin.listings.flatMap((one) => [h("h4", {}, badge(one.source), " ", one.name ?? one.source_id, one.symbol ? ` (${one.symbol})` : ""), listingFacts(one, coin.id)]),
      ),
    ),
    h("h3", {}, "Evidence for and against"),
    why ?? h("pre", { className: "code" }, JSON.stringify(judgement.evidence, null, 1)),
    decision(card, row),
  );
  return card;
}

function decision(card, row) {
  const { judgement, listing, coin } = row;
  const note = h("textarea", { id: `note-${judgement.id}`, rows: 1, maxLength: 2000, autocomplete: "off" });
  const failed = h("p", { className: "problem", hidden: true, role: "alert" });
  const named = listing.name ?? listing.source_id;
  const buttons = [
    ["same", "Same coin", `${named} is the same coin as ${coin.name}`],
    ["different", "Different coins", `${named} and ${coin.name} are different coins`],
  ].map(([verdict, text, label]) => {
    const button = h("button", { className: "button", type: "button", "aria-label": `${text}: ${label}` }, text);
    button.dataset.verdict = verdict;
    button.addEventListener("click", () => decide(verdict));
    return button;
  });

  async function decide(verdict) {
    for (const button of buttons) button.disabled = true;
    problem(failed, "");
    try {
      const body = { listing: { source: judgement.source, source_id: judgement.source_id }, coin_id: coin.id, verdict, note: note.value.trim() || null };
      const { found } = await ask("POST", "/admin/judgements", body);
      open = Math.max(0, open - 1);
      count();
      decided(card, row, verdict, found);
    } catch (error) {
      for (const button of buttons) button.disabled = false;
      refused(error, failed, buttons[0]);
    }
  }

  return h("div", { className: "decide" }, h("label", { htmlFor: note.id }, "Why, for other people (may stay empty)"), note, h("div", { className: "buttons" }, ...buttons), failed);
}

// A token that holds no longer is asked for again; all else is said where it happened.
function refused(error, element, focused) {
  if (error.status === 401 || error.code === "admin_closed") {
    token.set(null);
    return askForToken(error);
  }
  problem(element, error.wait ? `${error.message} (wait ${error.wait} s)` : error.message);
  focused.focus();
}

function decided(card, row, verdict, said) {
  const text = sentence(row, verdict);
  const failed = h("p", { className: "problem", hidden: true, role: "alert" });
  const undo = h("button", { className: "button", type: "button", "aria-label": `Undo: ${text}` }, "Undo");
  const before = [...card.childNodes];
  undo.addEventListener("click", async () => {
    undo.disabled = true;
    problem(failed, "");
    try {
      await ask("DELETE", `/admin/judgements/${said.id}`);
      open += 1;
      count();
      card.classList.remove("is-decided");
      card.replaceChildren(...before);
      for (const button of card.querySelectorAll("button")) button.disabled = false;
      card.querySelector("h2").focus();
      say(`Taken back: ${text}`);
    } catch (error) {
      undo.disabled = false;
      refused(error, failed, undo);
    }
  });
  card.classList.add("is-decided");
  card.replaceChildren(
    h("h2", { id: card.getAttribute("aria-labelledby") }, text),
    h("p", {}, "The listing is now part of ", coinLink(said.now_coin_id, said.now_coin_id), said.note ? ` · “${said.note}”` : "", "."),
    h("div", {}, undo),
    failed,
  );
  undo.focus();
  say(`Decided: ${text}`);
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (form.querySelector("button").disabled) return;
  token.set(at("token").value.trim());
  start();
});

at("forget").addEventListener("click", () => {
  token.set(null);
  at("questions").replaceChildren();
  at("earlier-list").replaceChildren();
  at("earlier").open = false;
  askForToken(null);
  at("token").focus();
  say("The token is forgotten.");
});

// Read when it is opened, since few ask for it.
async function showEarlier() {
  if (!at("earlier").open) return;
  const failed = h("p", { className: "problem", hidden: true, role: "alert" });
  try {
    const rows = await listed();
    const cards = rows.map((row) => earlier(row, failed));
    at("earlier-list").replaceChildren(failed, ...(cards.length ? cards : [h("p", { className: "card" }, "Nobody has decided anything yet.")]));
  } catch (error) {
    at("earlier-list").replaceChildren(failed);
    refused(error, failed, at("earlier").querySelector("summary"));
  }
}

function earlier(row, failed) {
  const text = sentence(row, row.judgement.verdict);
  const undo = h("button", { className: "button small", type: "button", "aria-label": `Undo: ${text}` }, "Undo");
  undo.addEventListener("click", async () => {
    undo.disabled = true;
    problem(failed, "");
    try {
      await ask("DELETE", `/admin/judgements/${row.judgement.id}`);
      // One after the other: what is gone from this list is there as a question again.
      await load(FIRST);
      await showEarlier();
      at("earlier").querySelector("summary").focus();
      say(`Taken back: ${text}`);
    } catch (error) {
      undo.disabled = false;
      refused(error, failed, undo);
    }
  });
  return h(
    "div",
    { className: "card earlier" },
    h("p", {}, text, row.judgement.note ? ` “${row.judgement.note}”` : "", " ", h("span", { className: "quiet" }, time(row.judgement.created_at)), " · ", coinLink(row.coin.id, row.coin.id)),
    undo,
  );
}

at("earlier").addEventListener("toggle", showEarlier);

at("more").addEventListener("click", async () => {
  const shown = at("questions").children.length;
  try {
    await load(next);
    at("questions").children[shown]?.querySelector("h2").focus();
  } catch (error) {
    refused(error, at("count"), at("more"));
  }
});

if (token.get()) start();
else form.hidden = false;
