/** Near misses: the known word that someone probably meant. Must only suggest; nothing acts on its answer. No I/O. */

/**
 * The candidate nearest to `word`: one that it begins, or that begins it, or that at most two slips (a letter added, left
 * out, changed or swapped with its neighbour) turn it into. Undefined when nothing is near, or `word` is itself known.
 */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  const known = [...new Set(candidates)];
  if (known.includes(word)) return undefined;
  return lookAlike(word, known) ?? known.find((name) => begins(word, name) || begins(name, word));
}

function begins(start: string, whole: string): boolean {
  return start.length >= 3 && whole.startsWith(start);
}

/** The candidate that `word` could be mistaken for: as `nearest`, by slips alone. Short words allow one slip. */
export function lookAlike(word: string, candidates: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestSlips = Number.POSITIVE_INFINITY;
  for (const name of candidates) {
    const allowed = Math.min(word.length, name.length) < 5 ? 1 : 2;
    const slips = slipsBetween(word.toLowerCase(), name.toLowerCase());
    if (slips <= allowed && slips < bestSlips && name !== word) {
      best = name;
      bestSlips = slips;
    }
  }
  return best;
}

/** Optimal string alignment distance; anything clearly above two is reported as 3. */
function slipsBetween(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > 2) return 3;
  let older: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const changed = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1] ? (older[j - 2] ?? 0) + 1 : changed;
      row[j] = Math.min(changed, swapped, (previous[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1);
    }
    older = previous;
    previous = row;
  }
  return previous[b.length] ?? 3;
}

/** ` Did you mean "weight"?`, or nothing. */
export function didYouMean(word: string, candidates: Iterable<string>): string {
  const name = nearest(word, candidates);
  return name === undefined ? '' : ` Did you mean "${name}"?`;
}
