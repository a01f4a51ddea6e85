/** `${…}` in a query: which there are, and what a build puts in their place. Must never widen what a query selects. No I/O. */
import { LABEL_NAME } from '../../core/manifest/manifest.ts';
import { nearest } from '../../core/nearest.ts';
import type { Pair, Question } from '../metric-source.ts';

/** Each build has these; what its manifest has under `labels` is `${label.NAME}`. */
const NAMES = ['build', 'place', 'version', 'digest'] as const;

const LABEL = 'label.';

const KNOWN =
  "${build} (the GUID), ${place} (the router's name for its place), ${version}, ${digest} and ${label.NAME} (of labels: in the manifest)";

/** One placeholder, and where it stands. */
interface Slot {
  readonly name: string;
  readonly from: number;
  readonly to: number;
  /** The quote of the string around it; undefined outside of strings. */
  readonly quote: string | undefined;
  /** The operator before that string: `=`, `!=`, `=~`, `!~`; undefined where it is no matcher. */
  readonly matcher: string | undefined;
}

/** The placeholders of a query. Comments have none. Strings: https://prometheus.io/docs/prometheus/latest/querying/basics/#string-literals */
function slotsOf(query: string): readonly Slot[] {
  const slots: Slot[] = [];
  let quote: string | undefined;
  let matcher: string | undefined;
  for (let at = 0; at < query.length; at += 1) {
    const char = query.charAt(at);
    if (query.startsWith('${', at)) {
      const [whole = '', name = ''] = /^\$\{([^}]*)\}?/.exec(query.slice(at)) ?? [];
      slots.push({ name: whole.endsWith('}') ? name : whole, from: at, to: at + whole.length, quote, matcher });
      at += whole.length - 1;
    } else if (quote === undefined && char === '#') {
      const end = query.indexOf('\n', at);
      at = end === -1 ? query.length : end;
    } else if (quote === undefined && /["'`]/.test(char)) {
      quote = char;
      matcher = /(=~|!~|!=|=)\s*$/.exec(query.slice(0, at))?.[1];
    } else if (char === quote) quote = undefined;
    else if (char === '\\' && quote !== '`') at += 1;
  }
  return slots;
}

/** The selectors of a query that have a placeholder, as they stand: `x{version="${version}"}`. */
export function selectorsOf(query: string): readonly string[] {
  const slots = slotsOf(query);
  const found: string[] = [];
  let quote: string | undefined;
  let open: number | undefined;
  for (let at = 0; at < query.length; at += 1) {
    const char = query.charAt(at);
    const slot = slots.find(({ from }) => from === at);
    if (slot !== undefined) at = slot.to - 1;
    else if (quote !== undefined) {
      if (char === quote) quote = undefined;
      else if (char === '\\' && quote !== '`') at += 1;
    } else if (/["'`]/.test(char)) quote = char;
    else if (char === '{') open = at;
    else if (char === '}' && open !== undefined) {
      const name = /[A-Za-z_:][A-Za-z0-9_:]*\s*$/.exec(query.slice(0, open))?.[0] ?? '';
      const from = open - name.length;
      if (slots.some((one) => one.from > from && one.to <= at)) found.push(query.slice(from, at + 1));
      open = undefined;
    }
  }
  return found;
}

/** What is wrong with the placeholders of a query, or undefined. */
export function placeholderProblem(query: string): string | undefined {
  const slots = slotsOf(query);
  for (const { name, matcher } of slots) {
    const isLabel = name.startsWith(LABEL) && LABEL_NAME.test(name.slice(LABEL.length));
    if (!isLabel && !isBuiltIn(name)) return unknownName(name);
    if (matcher === undefined && name !== 'build' && name !== 'place')
      return `\${${name}} stands only in the value of a label matcher, such as {version="\${${name}}"}`;
  }
  if (slots.length > 0) return undefined;
  return `the query has no placeholder, so it would count all builds together and could not distinguish a bad build from a good one; use ${KNOWN}`;
}

function isBuiltIn(name: string): boolean {
  return NAMES.some((known) => known === name);
}

function unknownName(name: string): string {
  const meant = nearest(name, NAMES) ?? nearest(name.toLowerCase(), NAMES);
  const own = name.replace(/^labels?[.:_-]/, '');
  const guess = meant ?? (LABEL_NAME.test(own) ? `${LABEL}${own}` : undefined);
  const shown = name.startsWith('${') ? name : `\${${name}}`;
  return `there is no placeholder ${shown}.${guess === undefined ? '' : ` Did you mean \${${guess}}?`} Known are ${KNOWN}`;
}

/** Why these queries cannot be asked about both builds, or undefined: a build lacks a value, or both queries are the same. */
export function unaskable(queries: readonly string[], { candidate, stable }: Pair): string | undefined {
  for (const query of queries) {
    const slots = slotsOf(query);
    for (const question of stable === null ? [candidate] : [candidate, stable]) {
      const why = slots.map((slot) => lack(slot, question)).find((one) => one !== undefined);
      if (why !== undefined) return why;
    }
    if (stable !== null && filled(query, candidate) === filled(query, stable)) {
      const names = [...new Set(slots.map(({ name }) => `\${${name}} is ${valueFor(name, candidate)}`))].join(' and ');
      return `${names} for both builds, so both would be counted by the same series; use a placeholder that tells them apart, such as \${place}`;
    }
  }
  return undefined;
}

/** What keeps the placeholder from being filled for this build. */
function lack({ name, quote }: Slot, question: Question): string | undefined {
  const value = valueFor(name, question) ?? '';
  const build = question.build === '' ? 'the build' : `build ${question.build}`;
  if (value === '') {
    const label = name.slice(LABEL.length);
    const fix = name.startsWith(LABEL) ? `; add labels: { ${label}: … } to it in the manifest` : '';
    return `${build} has no ${name.startsWith(LABEL) ? `label ${label}` : name}, which the query names as \${${name}}${fix}`;
  }
  if (quote === '`' && value.includes('`')) return `the ${name} of ${build} has a backtick; put "…" around \${${name}}`;
  return undefined;
}

function valueFor(name: string, { build, place, version, digest, labels }: Question): string | undefined {
  if (name.startsWith(LABEL)) {
    const label = name.slice(LABEL.length);
    return labels !== undefined && Object.hasOwn(labels, label) ? labels[label] : undefined;
  }
  const values: Readonly<Record<string, string | undefined>> = { build, place, version, digest };
  return values[name];
}

/** The query of one build. A placeholder that it lacks stays as it is. */
export function filled(query: string, question: Question): string {
  let text = '';
  let at = 0;
  for (const slot of slotsOf(query)) {
    const value = valueFor(slot.name, question);
    text += query.slice(at, slot.from) + (value === undefined ? query.slice(slot.from, slot.to) : escaped(value, slot));
    at = slot.to;
  }
  return text + query.slice(at);
}

/** In a regular expression (RE2, as of https://github.com/google/re2/wiki/Syntax) the value stands for itself; then as its string wants it. */
function escaped(value: string, { quote, matcher }: Slot): string {
  const literal = matcher?.endsWith('~') === true ? value.replace(/[\\.+*?()|[\]{}^$]/g, '\\$&') : value;
  return quote === '`' ? literal : literal.replace(/[\\"']/g, (char) => (char === '\\' || char === quote ? `\\${char}` : char));
}

/** The names of all placeholders of these queries. */
export function placeholdersOf(queries: readonly string[]): ReadonlySet<string> {
  return new Set(queries.flatMap((query) => slotsOf(query).map(({ name }) => name)));
}
