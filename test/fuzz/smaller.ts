/** Finds the smallest input that still fails: drops parts while the failure stays. Must end. */

const MOST_TRIES = 3000;

/** `fails` says whether an input breaks the promise still. */
export async function smallest<T>(input: T, fails: (input: T) => Promise<boolean>): Promise<T> {
  let best: unknown = input;
  let tries = 0;
  for (;;) {
    let found = false;
    for (const candidate of smallerThan(best)) {
      tries += 1;
      if (tries > MOST_TRIES) return best as T;
      if (!(await fails(candidate as T))) continue;
      best = candidate;
      found = true;
      break;
    }
    if (!found) return best as T;
  }
}

/** Inputs with one part less, the boldest first. */
function* smallerThan(value: unknown): Generator<unknown> {
  if (typeof value === 'string') yield* smallerTexts(value);
  else if (Array.isArray(value)) yield* smallerLists(value);
  else if (typeof value === 'object' && value !== null) yield* smallerObjects(value as Record<string, unknown>);
  else if (typeof value === 'number' && value > 1 && Number.isFinite(value)) yield Math.floor(value / 2);
}

function* smallerTexts(text: string): Generator<string> {
  for (let size = text.length; size >= 1; size = Math.floor(size / 2)) {
    for (let from = 0; from < text.length; from += size) yield text.slice(0, from) + text.slice(from + size);
  }
}

function* smallerLists(list: readonly unknown[]): Generator<unknown> {
  for (const index of list.keys()) yield list.filter((_, other) => other !== index);
  for (const [index, inner] of list.entries()) for (const less of smallerThan(inner)) yield list.with(index, less);
}

function* smallerObjects(value: Record<string, unknown>): Generator<unknown> {
  const entries = Object.entries(value);
  for (const [key] of entries) yield Object.fromEntries(entries.filter(([other]) => other !== key));
  for (const [key, inner] of entries) {
    for (const less of smallerThan(inner))
      yield Object.fromEntries(entries.map(([other, old]) => [other, other === key ? less : old]));
  }
}
