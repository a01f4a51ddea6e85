/** Strict readers for data from disk: every field is named, typed and bounded, and anything else is refused. No I/O. */

/** Returns the value with its type, or throws an Error that names the field. */
export type Reader<T> = (value: unknown, at: string) => T;

type Fields = Readonly<Record<string, Reader<unknown>>>;

/** What the readers of these fields return. */
export type Shaped<F extends Fields> = { readonly [K in keyof F]: ReturnType<F[K]> };

function wrong(at: string, expected: string): Error {
  return new Error(`${at} must be ${expected}`);
}

export function text(max: number, pattern?: RegExp): Reader<string> {
  return (value, at) => {
    if (typeof value !== 'string' || value.length > max) throw wrong(at, `a string of at most ${max} characters`);
    if (pattern !== undefined && !pattern.test(value)) throw wrong(at, `a string matching ${pattern.source}`);
    return value;
  };
}

export function whole(min: number, max: number): Reader<number> {
  return (value, at) => {
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < min || value > max) {
      throw wrong(at, `a whole number from ${min} to ${max}`);
    }
    return value;
  };
}

export function oneOf<const T extends string | number | boolean>(...values: readonly T[]): Reader<T> {
  return (value, at) => {
    const found = values.find((known) => known === value);
    if (found === undefined) throw wrong(at, values.join(' or '));
    return found;
  };
}

export function orNull<T>(reader: Reader<T>): Reader<T | null> {
  return (value, at) => (value === null ? null : reader(value, at));
}

export function list<T>(reader: Reader<T>, max: number, min = 0): Reader<readonly T[]> {
  return (value, at) => {
    if (!Array.isArray(value) || value.length > max || value.length < min) throw wrong(at, `a list of ${min} to ${max}`);
    return value.map((item, index) => reader(item, `${at}[${index}]`));
  };
}

export function mapOf<T>(reader: Reader<T>, max: number): Reader<Readonly<Record<string, T>>> {
  return (value, at) => {
    const entries = Object.entries(plainObject(value, at));
    if (entries.length > max) throw wrong(at, `at most ${max} entries`);
    return Object.fromEntries(entries.map(([name, item]) => [text(1024)(name, at), reader(item, `${at}.${name}`)]));
  };
}

/** An object with exactly the `required` fields, and any of the `optional` ones. */
export function shape<F extends Fields>(required: F): Reader<Shaped<F>>;

export function shape<F extends Fields, O extends Fields>(required: F, optional: O): Reader<Shaped<F> & Partial<Shaped<O>>>;

export function shape(required: Fields, optional: Fields = {}): Reader<Readonly<Record<string, unknown>>> {
  const known = new Map<string, Reader<unknown>>(Object.entries({ ...required, ...optional }));
  const needed = Object.keys(required);
  return (value, at) => {
    const given = plainObject(value, at);
    const read: Record<string, unknown> = {};
    for (const name of Object.keys(given)) {
      const reader = known.get(name);
      if (reader === undefined) throw new Error(`${at} has an unknown field ${name}`);
      read[name] = reader(given[name], `${at}.${name}`);
    }
    const absent = needed.find((name) => !Object.hasOwn(given, name));
    if (absent !== undefined) throw new Error(`${at} has no ${absent}`);
    return read;
  };
}

/** The reader of a union whose members differ in the text of `field`. */
export function byKind<T>(field: string, readers: Readonly<Record<string, Reader<T>>>): Reader<T> {
  return (value, at) => {
    const kind = plainObject(value, at)[field];
    const reader = typeof kind === 'string' && Object.hasOwn(readers, kind) ? readers[kind] : undefined;
    if (reader === undefined) throw wrong(`${at}.${field}`, Object.keys(readers).join(' or '));
    return reader(value, at);
  };
}

function plainObject(value: unknown, at: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong(at, 'an object');
  if (Object.hasOwn(value, '__proto__')) throw new Error(`${at} has a field __proto__`);
  return value as Record<string, unknown>;
}

/** JSON with sorted keys and no spaces: equal data gives equal bytes. */
export function canonical(value: unknown): string {
  return JSON.stringify(sorted(value));
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const fields = value as Readonly<Record<string, unknown>>;
  const names = Object.keys(fields).sort();
  return Object.fromEntries(names.map((name) => [name, sorted(fields[name])]));
}

/** These keys of an object, without those that it does not have or that are undefined. */
export function picked<T extends object, K extends keyof T>(from: T, ...keys: readonly K[]): Pick<T, K> {
  return Object.fromEntries(keys.flatMap((key) => (from[key] === undefined ? [] : [[key, from[key]]]))) as Pick<T, K>;
}
