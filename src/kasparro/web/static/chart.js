// The chart of a coin's price: a line or candles over a span, from /coins/{id}/candles and /history.
import { price } from "./figures.js";
import { AreaSeries, CandlestickSeries, createChart } from "./lightweight-charts.js";

const DAY = 86_400_000;
const SINCE = "2010-01-01";
const box = document.getElementById("chart");
const said = document.getElementById("chart-said");
const switches = document.querySelector("[data-switches]");
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const when = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const day = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric" });
const month = new Intl.DateTimeFormat(undefined, { month: "short", year: "numeric" });
const hour = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });

// Which series fits a span: the finer one for a line, and never more points than can be told apart.
function path(id, days, kind) {
  const interval = days === 1 && kind === "line" ? "5m" : days && days <= (kind === "line" ? 90 : 30) ? "1h" : "1d";
  const from = days ? new Date(Date.now() - days * DAY).toISOString() : SINCE;
  const query = new URLSearchParams({ interval, from });
  return `/coins/${encodeURIComponent(id)}/${interval === "5m" ? "history" : "candles"}?${query}`;
}

// How many hours one candle of a span of so many days stands for: some dozens of them can be told apart.
const FOLDS = { 1: 1, 7: 4, 30: 12 };

function folded(rows, hours) {
  const wide = [];
  for (const row of rows) {
    const time = row.time - (row.time % (hours * 3600));
    const last = wide.at(-1);
    if (last?.time !== time) wide.push({ ...row, time });
    else Object.assign(last, { high: Math.max(last.high, row.high), low: Math.min(last.low, row.low), close: row.close });
  }
  return wide;
}

const seconds = (at) => Math.floor(Date.parse(at) / 1000);

export class Chart {
  constructor(id, price) {
    this.id = id;
    this.price = price;
    this.days = 7;
    this.kind = "line";
    switches.hidden = false;
    switches.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (!button) return;
      if (button.dataset.days) this.days = Number(button.dataset.days);
      if (button.dataset.kind) this.kind = button.dataset.kind;
      for (const other of switches.querySelectorAll("button")) {
        const on = other.dataset.kind ? other.dataset.kind === this.kind : Number(other.dataset.days) === this.days;
        other.setAttribute("aria-pressed", String(on));
      }
      this.load();
    });
    document.addEventListener("theme", () => this.paint());
    this.load();
  }

  async load() {
    this.asked?.abort();
    const mine = (this.asked = new AbortController());
    said.textContent = "";
    try {
      const answer = await fetch(path(this.id, this.days, this.kind), { signal: mine.signal });
      const body = await answer.json();
      if (mine.signal.aborted) return;
      if (!answer.ok) said.textContent = body.detail;
      else this.draw(body);
    } catch (error) {
      if (error.name !== "AbortError") said.textContent = "The history could not be read. Try another span, or load the page again.";
    }
  }

  draw(body) {
    const hours = this.kind === "candles" ? (FOLDS[this.days] ?? 24) : 0;
    const told = (body.candles ?? body.points).map((row) => ({
      time: seconds(row.opens_at ?? row.at),
      open: row.open,
      high: row.high ?? row.price_usd,
      low: row.low,
      close: row.close ?? row.price_usd,
    }));
    const rows = hours > 1 && hours < 24 ? folded(told, hours) : told;
    if (rows.length < 2) {
      said.textContent = "Too little is stored of this span to be drawn.";
      if (!this.chart) return;
    } else {
      const words = body.interval === "1d" ? "days" : body.interval === "5m" ? "steps of 5 minutes" : hours > 1 ? `spans of ${hours} hours` : "hours";
      said.textContent = `${rows.length} ${words}, from ${when.format(rows[0].time * 1000)}`;
    }
    // The library draws numbers up to about 9e13 and rounds small ones: what it gets is near one, and the labels are scaled back.
    const scale = 10 ** Math.floor(Math.log10(Math.max(...rows.map((row) => row.high), Number.MIN_VALUE)));
    const scaled = rows.map(({ time, ...values }) => ({
      time,
      ...Object.fromEntries(Object.entries(values).map(([name, value]) => [name, value / scale])),
      value: values.close / scale,
    }));
    this.make();
    if (this.series) this.chart.removeSeries(this.series);
    const priceFormat = { type: "custom", formatter: (value) => price(value * scale), minMove: 1e-4 };
    this.series = this.chart.addSeries(this.kind === "line" ? AreaSeries : CandlestickSeries, { priceFormat, lineWidth: 2 });
    this.series.setData(scaled);
    this.scale = scale;
    this.last = scaled.at(-1);
    this.take(this.price);
    this.paint();
    this.chart.timeScale().applyOptions({ timeVisible: body.interval !== "1d", rightOffset: Math.ceil(rows.length / 35) });
    this.chart.timeScale().fitContent();
  }

  // The newest point is what the coin costs now, whichever listing the hour's candle is of.
  take(value) {
    this.price = value;
    if (!this.last || !(value > 0)) return;
    const now = value / this.scale;
    const { high, low } = this.last;
    this.last = { ...this.last, value: now, close: now, high: Math.max(high, now), low: Math.min(low, now) };
    this.series.update(this.last);
  }

  make() {
    if (this.chart) return;
    box.replaceChildren();
    this.chart = createChart(box, {
      autoSize: true,
      // The link that its licence asks for stands at the foot of the page: the logo brings a style of its own, which the policy blocks.
      layout: { attributionLogo: false, background: { color: "transparent" }, fontFamily: getComputedStyle(document.body).fontFamily },
      rightPriceScale: { borderVisible: false, scaleMargins: { top: 0.08, bottom: 0.08 } },
      timeScale: {
        borderVisible: false,
        tickMarkFormatter: (time, type) => (type > 2 ? hour : type === 2 ? day : month).format(time * 1000),
      },
      localization: { timeFormatter: (time) => when.format(time * 1000) },
      handleScroll: { mouseWheel: false, vertTouchDrag: false },
      handleScale: { mouseWheel: false },
    });
  }

  paint() {
    if (!this.chart) return;
    const [line, quiet, accent, up, down] = ["--line", "--quiet", "--accent", "--up", "--down"].map(colour);
    this.chart.applyOptions({
      layout: { textColor: quiet },
      grid: { vertLines: { color: line }, horzLines: { color: line } },
    });
    this.series?.applyOptions(
      this.kind === "line"
        ? { lineColor: accent, topColor: `${accent}40`, bottomColor: `${accent}00` }
        : { upColor: up, downColor: down, wickUpColor: up, wickDownColor: down, borderVisible: false },
    );
  }
}
