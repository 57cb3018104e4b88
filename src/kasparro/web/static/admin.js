// Asks what is under /admin. The token stays in this tab: sessionStorage ends with it, and nothing else of ours reads it.
const KEY = "admin-token";

class Refused extends Error {
  constructor(status, problem, wait) {
    super(problem.detail ?? `The service answered with status ${status}.`);
    this.status = status;
    this.code = problem.code ?? "";
    this.wait = wait; // seconds; 0 where the service names none
  }
}

export const token = {
  held: null,
  get() {
    try {
      return (this.held ??= sessionStorage.getItem(KEY));
    } catch {
      return this.held;
    }
  },
  set(value) {
    this.held = value;
    try {
      if (value === null) sessionStorage.removeItem(KEY);
      else sessionStorage.setItem(KEY, value);
    } catch {
      // It lasts as long as the page then.
    }
  },
};

// What the service answers, decoded, and the path of the page that follows. Throws Refused for every other status.
export async function ask(method, path, body) {
  const headers = new Headers({ Accept: "application/json" });
  try {
    headers.set("Authorization", `Bearer ${token.get()}`);
  } catch {
    throw new Refused(401, { detail: "No token has such characters." }, 0);
  }
  if (body !== undefined) headers.set("Content-Type", "application/json");
  let answer;
  try {
    answer = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body), cache: "no-store" });
  } catch {
    throw new Refused(0, { detail: "The service does not answer. Try again soon." }, 0);
  }
  if (!answer.ok) throw new Refused(answer.status, await answer.json().catch(() => ({})), Number(answer.headers.get("Retry-After")) || 0);
  const next = /<([^>]*)>; rel="next"/.exec(answer.headers.get("Link") ?? "");
  return { found: await answer.json(), next: next?.[1] ?? null, total: Number(answer.headers.get("X-Total-Count")) };
}
