// What people have decided before.
import { ask } from "./admin.js";
import { sourceName } from "./evidence.js";

const MOST = 100; // of each kind: the rest is for programs

export function sentence({ listing, coin }, verdict) {
  const named = `${listing.name ?? listing.source_id} of ${sourceName(listing.source)}`;
  return verdict === "same" ? `${named} is the same coin as ${coin.name}.` : `${named} and ${coin.name} are different coins.`;
}

// The newest first.
export async function listed() {
  const kinds = await Promise.all(["same", "different"].map((verdict) => ask("GET", `/admin/judgements?verdict=${verdict}&decided_by=person&limit=${MOST}`)));
  return kinds.flatMap(({ found }) => found).sort((a, b) => b.judgement.id - a.judgement.id);
}
