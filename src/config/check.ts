/** Checks a strictly parsed file against its zod schema: every issue becomes a finding with its place. Must not stop at the first. */
import type * as z from 'zod';
import { safeParse } from 'zod';
import type { Finding } from '../core/errors.ts';
import { didYouMean, nearest } from '../core/nearest.ts';
import type { PathPart } from './parse/nodes.ts';
import { limited, type Trouble } from './parse/source.ts';
import type { StrictDocument } from './parse/strict-parse.ts';

export interface Checked<T> {
  /** Absent when there is any finding. */
  readonly value?: T;
  readonly findings: readonly Finding[];
}

/** Checks the part of the document below `base` (default: all of it). */
export function check<Schema extends z.ZodType>(
  document: StrictDocument,
  schema: Schema,
  base: readonly PathPart[] = [],
): Checked<z.output<Schema>> {
  const value = valueAt(document.value, base);
  const result = schema.safeParse(value);
  if (result.success) return { value: result.data, findings: [] };
  const checking = { document, schema, base, value };
  const found = result.error.issues.flatMap((issue) => meant(issue, value));
  const renamed = misspelt(checking, found);
  const issues = found.filter((issue) => !renamed.has(JSON.stringify(issue.path)));
  return { findings: limited(issues.flatMap((issue) => issueFindings(checking, issue))) };
}

interface Checking {
  readonly document: StrictDocument;
  readonly schema: z.ZodType;
  readonly base: readonly PathPart[];
  readonly value: unknown;
}

/** For a choice of word, list or map, only the issues of the one that was written; any other choice is one finding. */
function meant(issue: z.core.$ZodIssue, whole: unknown): readonly z.core.$ZodIssue[] {
  if (issue.code !== 'invalid_union') return [issue];
  const value = valueAt(whole, issue.path as readonly PathPart[]);
  const isMap = value !== null && typeof value === 'object';
  const isWord = (inner: readonly z.core.$ZodIssue[]) =>
    inner.some((each) => each.path.length === 0 && each.code === 'invalid_value');
  const isOtherKind = (inner: readonly z.core.$ZodIssue[]) =>
    inner.some((each) => each.path.length === 0 && each.code === 'invalid_type');
  const fitting = issue.errors.filter((each) => !isOtherKind(each));
  const [only] = fitting.length === 1 ? fitting : [];
  const inner = issue.errors.some(isWord) ? issue.errors.find((each) => isWord(each) !== isMap) : only;
  if (inner === undefined || inner.length === 0) return [issue];
  return inner.map((each) => ({ ...each, path: [...issue.path, ...each.path] }));
}

/** Paths of keys that are missing only because they are misspelled: that is one finding, not two. */
function misspelt({ schema, value }: Checking, issues: readonly z.core.$ZodIssue[]): ReadonlySet<string> {
  return new Set(
    issues.flatMap((issue) => {
      if (issue.code !== 'unrecognized_keys') return [];
      const path = issue.path.map(String);
      return issue.keys.map((key) => JSON.stringify([...issue.path, nearest(key, knownKeys(schema, path, value))]));
    }),
  );
}

function issueFindings(checking: Checking, issue: z.core.$ZodIssue): readonly Finding[] {
  const { document, base } = checking;
  const path = issue.path.map((part) => (typeof part === 'symbol' ? String(part) : part));
  const at = (trouble: Trouble, what?: 'key' | 'value') => document.finding([...base, ...path], trouble, what);
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => unknownKey(checking, path, key));
  if (issue.code === 'invalid_key') {
    const message = `"${path.at(-1)}" is ${issue.issues[0]?.message ?? 'not allowed here'}.`;
    return [at({ code: 'SCHEMA', message, fix: 'Rename it.' }, 'key')];
  }
  const found = valueAt(checking.value, path);
  if (found === undefined) return [missingKey(checking, path, issue)];
  if (issue.code === 'invalid_type') return [at(wrongType(checking, path, issue.expected, found))];
  if (issue.code === 'invalid_value') return [at(oneOf(found, issue.values.map(String)))];
  if (issue.code === 'invalid_union' && 'discriminator' in issue) return [at(oneOf(found, optionsOf(issue)))];
  const fix = issue.code === 'custom' ? issue.params?.['fix'] : undefined;
  return [at({ code: 'SCHEMA', message: sentence(issue.message), fix: typeof fix === 'string' ? fix : fixText(checking, path) })];
}

function unknownKey({ document, schema, base, value }: Checking, path: readonly PathPart[], key: string): Finding {
  const known = knownKeys(schema, path, value);
  const meant = nearest(key, known);
  const message = `Unknown key "${key}".${didYouMean(key, known)}`;
  const others = known.length === 0 ? '' : ` Known here: ${known.join(', ')}.`;
  const fix = meant === undefined ? `Remove it.${others}` : `Rename it to ${meant}, or remove it.`;
  return document.finding([...base, ...path, key], { code: 'UNKNOWN_KEY', message, fix }, 'key');
}

function missingKey(checking: Checking, path: readonly PathPart[], issue: z.core.$ZodIssue): Finding {
  const { document, base, schema, value } = checking;
  const options = issue.code === 'invalid_union' && 'discriminator' in issue ? optionsOf(issue) : [];
  const description = descriptionAt(schema, path, value);
  const fix =
    options.length > 0
      ? `Add ${path.at(-1)}, one of: ${options.join(', ')}.`
      : `Add ${path.at(-1)}.${description ? ` ${description}.` : ''}`;
  return document.finding([...base, ...path], { code: 'SCHEMA', message: `The key "${path.at(-1)}" is missing.`, fix }, 'key');
}

function wrongType(checking: Checking, path: readonly PathPart[], expected: string, found: unknown): Trouble {
  const written = checking.document.written([...checking.base, ...path]);
  const wanted = schemaAt(checking.schema, path, checking.value);
  const quotable =
    expected === 'string' && typeof found !== 'object' && wanted !== undefined && safeParse(wanted, written).success;
  return {
    code: 'SCHEMA',
    message: `Expected ${typeNames[expected] ?? expected}, but this is ${typeName(found)}.`,
    fix: quotable ? `Put it in quotes: "${written}".` : fixText(checking, path),
  };
}

const typeNames: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a map',
  record: 'a map',
};

function typeName(value: unknown): string {
  if (value === null) return 'empty';
  return typeNames[Array.isArray(value) ? 'array' : typeof value] ?? typeof value;
}

function oneOf(found: unknown, options: readonly string[]): Trouble {
  const word =
    typeof found === 'string' || typeof found === 'number' || typeof found === 'boolean' ? `"${found}"` : typeName(found);
  return {
    code: 'SCHEMA',
    message: `${word} is not allowed here.${typeof found === 'string' ? didYouMean(found, options) : ''}`,
    fix: options.length === 1 ? `Write ${options[0]}.` : `Known: ${options.join(', ')}.`,
  };
}

function optionsOf(issue: z.core.$ZodIssueInvalidUnion): readonly string[] {
  return 'options' in issue && Array.isArray(issue.options) ? issue.options.map(String) : [];
}

function fixText({ schema, value }: Checking, path: readonly PathPart[]): string {
  const description = descriptionAt(schema, path, value);
  return description === undefined ? 'Fix it. `kvdeploy schema` prints the schema.' : `Expected: ${description}.`;
}

function sentence(text: string): string {
  const capital = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(capital) ? capital : `${capital}.`;
}

type Schema = z.core.$ZodType;

/** The schema at `path` for this `value`, whose `kind` or `source` selects between alternatives; undefined if there is none. */
export function schemaAt(schema: Schema, path: readonly PathPart[], value: unknown): Schema | undefined {
  const [part, ...rest] = path;
  const open = chosen(schema, value);
  if (part === undefined) return open;
  const inside = valueAt(value, [part]);
  const { def } = (open as z.core.$ZodTypes)._zod;
  if (def.type === 'object') {
    const child = def.shape[part];
    return child && schemaAt(child, rest, inside);
  }
  if (def.type === 'record') return schemaAt(def.valueType, rest, inside);
  if (def.type === 'array') return schemaAt(def.element, rest, inside);
  return undefined;
}

/** Unwraps defaults, options and transforms, and selects the alternative that the value names. */
function chosen(schema: Schema, value: unknown): Schema {
  const { def } = (schema as z.core.$ZodTypes)._zod;
  if (def.type === 'optional' || def.type === 'default' || def.type === 'prefault' || def.type === 'nullable') {
    return chosen(def.innerType, value);
  }
  if (def.type === 'pipe') return chosen(def.in, value);
  if (def.type !== 'union') return schema;
  const { discriminator } = def as z.core.$ZodDiscriminatedUnionDef;
  if (discriminator === undefined) {
    const meant = ofItsKind(def.options, value);
    return meant === undefined ? schema : chosen(meant, value);
  }
  const name = valueAt(value, [discriminator]);
  const option = def.options.find((each) => each._zod.propValues?.[discriminator]?.has(name as z.core.util.Primitive));
  return option === undefined ? schema : chosen(option, value);
}

/** For a choice of word, list or map, the one that matches this value; undefined for any other choice. */
function ofItsKind(options: readonly Schema[], value: unknown): Schema | undefined {
  const isMap = value !== null && typeof value === 'object';
  const typeOf = (each: Schema) => (each as z.core.$ZodTypes)._zod.def.type;
  if (options.some((each) => typeOf(each) === 'enum')) return options.find((each) => (typeOf(each) === 'enum') !== isMap);
  return isMap ? options.find((each) => typeOf(each) === (Array.isArray(value) ? 'array' : 'object')) : undefined;
}

/** The keys that the map at `path` may have. */
export function knownKeys(schema: Schema, path: readonly PathPart[], value: unknown): readonly string[] {
  const found = schemaAt(schema, path, value);
  if (found === undefined) return [];
  const { def } = (found as z.core.$ZodTypes)._zod;
  return def.type === 'object' ? Object.keys(def.shape) : [];
}

/** The description of the value at `path`. */
export function descriptionAt(schema: Schema, path: readonly PathPart[], value: unknown): string | undefined {
  const parent = schemaAt(schema, path.slice(0, -1), value);
  const last = path.at(-1);
  if (parent === undefined || last === undefined) return undefined;
  const { def } = (parent as z.core.$ZodTypes)._zod;
  const child = def.type === 'object' ? def.shape[last] : def.type === 'array' ? def.element : undefined;
  return (child as { description?: string } | undefined)?.description;
}

/** The plain value at `path`. */
export function valueAt(value: unknown, path: readonly PathPart[]): unknown {
  let at = value;
  for (const part of path) at = at !== null && typeof at === 'object' ? (at as Record<PathPart, unknown>)[part] : undefined;
  return at;
}
