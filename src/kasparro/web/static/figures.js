// Numbers as a person reads them. figures.py writes the same on the server.
const UNITS = [[1e12, "T"], [1e9, "B"], [1e6, "M"], [1e3, "K"]];
const grouped = (value, places) => value.toLocaleString("en-US", { minimumFractionDigits: places, maximumFractionDigits: places });
const lowered = (digits) => digits.replace(/\d/g, (digit) => "₀₁₂₃₄₅₆₇₈₉"[digit]);

export function price(value) {
  if (value === null) return "–";
  if (value >= 1e9) return amount(value);
  const [digits, power] = value.toExponential(3).split("e");
  if (Number(power) >= 0) return `$${grouped(value, 2)}`;
  const zeros = -Number(power) - 1;
  const bare = digits.replace(".", "");
  return zeros < 4 ? `$0.${"0".repeat(zeros)}${bare}` : `$0.0${lowered(String(zeros))}${bare}`;
}

export function amount(value) {
  if (value === null) return "–";
  if (value >= 1e18) return `$${value.toExponential(3).replace("e+", "e")}`;
  const [unit, letter] = UNITS.find(([least]) => value >= least) ?? [];
  if (unit) {
    const short = value / unit;
    return `$${grouped(short, short >= 1000 ? 0 : short >= 100 ? 1 : 2)}${letter}`;
  }
  return value >= 1 ? `$${grouped(value, 2)}` : value > 0 ? price(value) : "$0.00";
}

export function percent(value) {
  if (value === null) return "–";
  const text = grouped(Math.abs(value), 2);
  const sign = Number(text.replaceAll(",", "")) === 0 ? "" : value > 0 ? "+" : "−";
  return `${sign}${text}%`;
}
