/** The nodes of a strictly parsed file, the same for YAML and JSON, and the checks that both share. No I/O. */
import type { Finding } from '../../core/errors.ts';
import { findingAt, MOST_FINDINGS, placeOf, type SourceText, type Span } from './source.ts';

export interface MapNode extends Span {
  readonly type: 'map';
  readonly entries: readonly { readonly key: string; readonly keySpan: Span; readonly value: SourceNode }[];
}

export interface ListNode extends Span {
  readonly type: 'list';
  readonly items: readonly SourceNode[];
}

export interface ScalarNode extends Span {
  readonly type: 'scalar';
  readonly value: string | number | boolean | null;
}

export type SourceNode = MapNode | ListNode | ScalarNode;

export type PathPart = string | number;

/** Deeper files are refused before they are parsed: hostile nesting must not exhaust a recursive parser. */
export const MAX_DEPTH = 16;

const FORBIDDEN_KEYS = new Set(['__proto__', 'constructor', 'prototype']);

/** Every duplicate key, dangerous key, unsafe number and too deep value under `root`. */
export function nodeFindings(source: SourceText, root: SourceNode): readonly Finding[] {
  const findings: Finding[] = [];
  const walk = (node: SourceNode, depth: number): void => {
    if (findings.length > MOST_FINDINGS) return;
    if (depth > MAX_DEPTH) {
      findings.push(tooDeep(source, node));
      return;
    }
    if (node.type === 'scalar') findings.push(...numberFindings(source, node));
    if (node.type === 'list') for (const item of node.items) walk(item, depth + 1);
    if (node.type === 'map') {
      findings.push(...keyFindings(source, node));
      for (const entry of node.entries) walk(entry.value, depth + 1);
    }
  };
  walk(root, 1);
  return findings;
}

export function tooDeep(source: SourceText, span: Span): Finding {
  return findingAt(source, span, {
    code: 'TOO_DEEP',
    message: `Values are nested deeper than ${MAX_DEPTH} levels.`,
    fix: 'Manifests and configs need at most 10 levels: check for an extra bracket or indentation.',
  });
}

function keyFindings(source: SourceText, node: MapNode): readonly Finding[] {
  const first = new Map<string, Span>();
  const findings: Finding[] = [];
  for (const { key, keySpan } of node.entries) {
    const earlier = first.get(key);
    if (findings.length > MOST_FINDINGS) break;
    if (FORBIDDEN_KEYS.has(key)) {
      const message = `The key "${key}" is not allowed anywhere.`;
      findings.push(findingAt(source, keySpan, { code: 'FORBIDDEN_KEY', message, fix: 'Remove it.' }));
    }
    if (earlier === undefined) first.set(key, keySpan);
    else findings.push(duplicateKey(source, key, keySpan, earlier));
  }
  return findings;
}

function duplicateKey(source: SourceText, key: string, keySpan: Span, earlier: Span): Finding {
  return findingAt(source, keySpan, {
    code: 'DUPLICATE_KEY',
    message: `The key "${key}" occurs twice; parsers differ in which value they use.`,
    fix: 'Keep one of them.',
    related: [{ file: source.file, ...placeOf(source, earlier.from), note: 'the first one' }],
  });
}

function numberFindings(source: SourceText, node: ScalarNode): readonly Finding[] {
  const { value } = node;
  if (typeof value !== 'number' || (Number.isFinite(value) && Math.abs(value) <= Number.MAX_SAFE_INTEGER)) return [];
  return [
    findingAt(source, node, {
      code: 'SCHEMA',
      message: 'This number cannot be stored exactly: the largest whole number is 9007199254740991 (2^53 - 1).',
      fix: 'Use a smaller number, or a quoted string if the key accepts one.',
    }),
  ];
}

/** The plain value; objects have no prototype, so no key can reach one. */
export function plainValue(node: SourceNode): unknown {
  switch (node.type) {
    case 'scalar':
      return node.value;
    case 'list':
      return node.items.map(plainValue);
    case 'map': {
      const object: Record<string, unknown> = Object.create(null);
      for (const { key, value } of node.entries) object[key] = plainValue(value);
      return object;
    }
  }
}

/** The value at `path`, and the key that leads to it; the deepest part that exists where the path goes on. */
export function find(
  root: SourceNode,
  path: readonly PathPart[],
): { readonly node: SourceNode; readonly keySpan: Span | undefined; readonly whole: boolean } {
  let node = root;
  let keySpan: Span | undefined;
  for (const part of path) {
    const entry = node.type === 'map' ? node.entries.find((each) => each.key === part) : undefined;
    const child = node.type === 'list' ? node.items[Number(part)] : entry?.value;
    if (child === undefined) return { node, keySpan, whole: false };
    keySpan = entry?.keySpan;
    node = child;
  }
  return { node, keySpan, whole: true };
}
