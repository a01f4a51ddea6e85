/** Finds one value in a JSON text by its path of keys. No I/O. */

/** The text or number at a path of keys in a JSON text; undefined if there is none. Throws if it is not JSON. */
export function textAt(body: string, path: readonly string[]): string | undefined {
  let value: unknown = JSON.parse(body);
  for (const key of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
    value = (value as Record<string, unknown>)[key];
  }
  return typeof value === 'string' || typeof value === 'number' ? String(value) : undefined;
}
