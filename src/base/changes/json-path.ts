/** Finds one value in a JSON text by its path of keys. No I/O. */

/**
 * The text at a path of keys and indices in a JSON text, or a whole number as text; undefined if there is none. A fraction or a number too
 * large to be exact is none: 1.10 would be 1.1. Throws if it is not JSON.
 */
export function textAt(body: string, path: readonly string[]): string | undefined {
  let value: unknown = JSON.parse(body);
  for (const key of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
    // A list has its length too, which no one said.
    if (Array.isArray(value) && key === 'length') return undefined;
    value = (value as Record<string, unknown>)[key];
  }
  return typeof value === 'string' || Number.isSafeInteger(value) ? String(value) : undefined;
}
