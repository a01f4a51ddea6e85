/** Bytes to one value with the place of every part, or all the reasons why not. Must never half read a file. */
import type { Finding } from '../../core/errors.ts';
import { jsonNodes } from './json-nodes.ts';
import { find, nodeFindings, type PathPart, plainValue, type SourceNode } from './nodes.ts';
import { findingAt, limited, placeOf, type SourceText, type Span, type Trouble } from './source.ts';
import { checkText } from './text-check.ts';
import { yamlNodes } from './yaml-nodes.ts';

/** A strictly parsed file: plain values without prototypes, and the place of each part. */
export interface StrictDocument {
  readonly file: string;
  readonly value: unknown;
  /** All of it, with the offsets of every part in the text. */
  readonly root: SourceNode;
  /** The text of the value at `path` in the file; undefined if there is none. */
  written(path: readonly PathPart[]): string | undefined;
  /** The place of the value at `path`, or of the deepest part that exists. */
  place(path: readonly PathPart[]): Place;
  /** A finding there; with `key`, at the key that leads there. */
  finding(path: readonly PathPart[], trouble: Trouble, what?: 'value' | 'key'): Finding;
}

interface Place {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

export interface Parsed {
  /** Absent when there is any finding. */
  readonly document?: StrictDocument;
  readonly findings: readonly Finding[];
}

/**
 * Parses `bytes` as JSON if `file` ends in `.json`, otherwise as YAML 1.2. Refuses whatever two parsers could read differently
 * or a parser could choke on: text that is not UTF-8, a byte order mark, control characters, more than 4 MiB, more than 16
 * levels, duplicate and dangerous keys, numbers beyond 2^53, several documents, aliases, anchors, tags, merge keys, directives,
 * an empty file.
 */
export function strictParse(file: string, bytes: Uint8Array): Parsed {
  const { source, findings } = checkText(file, bytes);
  if (source === undefined) return { findings };
  if (isEmpty(source.text)) {
    const trouble = { code: 'SYNTAX', message: 'The file is empty.', fix: 'Add content, or remove the file.' } as const;
    return { findings: [findingAt(source, { from: 0, to: 1 }, trouble)] };
  }
  const parsed = file.toLowerCase().endsWith('.json') ? jsonNodes(source) : yamlNodes(source);
  if (parsed.root === undefined) return { findings: conflict(source) ?? limited(parsed.findings) };
  const more = nodeFindings(source, parsed.root);
  return more.length > 0 ? { findings: limited(more) } : { document: documentOf(source, parsed.root), findings: [] };
}

/** The first marker of a merge that git left to people: what the parser says of one helps no one. */
function conflict(source: SourceText): readonly Finding[] | undefined {
  const marker = /^<{7}(?: .*)?$/m.exec(source.text);
  if (marker === null || !/^>{7}(?: .*)?$/m.test(source.text)) return undefined;
  const trouble = {
    code: 'SYNTAX',
    message: 'A merge conflict is not resolved here.',
    fix: 'Keep the rows of both sides, each with its own sequence; or take the side of the remote, and run builds add again.',
  } as const;
  return [findingAt(source, { from: marker.index, to: marker.index + 7 }, trouble)];
}

/** True for a text without a value: blanks and comments only. */
export function isEmpty(text: string): boolean {
  // Not a pattern with two runs of blanks: on a line of 256 KiB of blanks it would backtrack quadratically.
  return text.split('\n').every((line) => {
    const word = line.trim();
    return word === '' || word.startsWith('#') || word === '---' || word === '...';
  });
}

function documentOf(source: SourceText, root: SourceNode): StrictDocument {
  const span = (path: readonly PathPart[], what: 'value' | 'key' = 'value'): Span => {
    const found = find(root, path);
    // A finding about a map or list points at its beginning: its key, or its first key.
    if (what === 'key' || !found.whole || found.node.type !== 'scalar') return found.keySpan ?? startOf(found.node);
    return found.node;
  };
  return {
    file: source.file,
    value: plainValue(root),
    root,
    place: (path) => ({ file: source.file, ...placeOf(source, span(path).from) }),
    written: (path) => {
      const { node, whole } = find(root, path);
      return whole && node.type === 'scalar' ? source.text.slice(node.from, node.to) : undefined;
    },
    finding: (path, trouble, what) => {
      const { node, whole } = find(root, path);
      const at = span(path, what);
      const isValue = what !== 'key' && whole && node.type === 'scalar';
      return findingAt(source, at, trouble, isSecret(path) ? (isValue ? at.from : at.to) : undefined);
    },
  };
}

/** Where a config has a secret, or what someone wrote in its place: `bearer: { value: … }` too. */
function isSecret(path: readonly PathPart[]): boolean {
  return path.some(
    (part, at) => path[at - 1] === 'headers' || /^(?:bearer|basic|password|token|secret|credentials)$/.test(String(part)),
  );
}

function startOf(node: SourceNode): Span {
  const first = node.type === 'map' ? node.entries[0]?.keySpan : undefined;
  return first ?? { from: node.from, to: Math.min(node.to, node.from + 1) };
}
