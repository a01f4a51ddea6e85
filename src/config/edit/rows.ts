/**
 * Edits the text of a manifest: adds, removes and moves rows. Every other byte stays as it is: comments, order, quotes, line ends. Must
 * be given a text and the nodes of that very text.
 */
import type { Scope } from '../../base/scope.ts';
import type { ListNode, MapNode, SourceNode } from '../parse/nodes.ts';
import { flowText, scalarText } from './row-text.ts';

/** A row as it is written, its keys in order. */
export type Row = Readonly<Record<string, unknown>>;

/** A manifest's text, where its parts are, and whether it is JSON. */
export interface ManifestText {
  readonly text: string;
  readonly root: SourceNode;
  readonly json: boolean;
}

/** A manifest with this one row. `before` has comments only, and stays above it. */
export function newManifest(scope: Scope, row: Row, json: boolean, before = ''): string {
  const head = { apiVersion: 'kvdeploy.dev/v1', kind: 'ReleaseManifest', ...scope };
  if (json) return `${JSON.stringify({ ...head, builds: [row] }, null, 2)}\n`;
  const eol = eolOf(before);
  const lines = Object.entries(head).map(([key, value]) => `${key}: ${scalarText(value)}${eol}`);
  return `${withEol(before, eol)}${lines.join('')}builds:${eol}${blockRow(row, 2, eol)}`;
}

/** The text with one more row at the end of its list; undefined where it has no list. */
export function withRow(manifest: ManifestText, row: Row): string | undefined {
  const { text, root, json } = manifest;
  const entry = buildsOf(root);
  if (entry === undefined || root.type !== 'map') return undefined;
  const inBlock = !json && text[root.from] !== '{';
  const list = entry.value;
  if (list.type === 'scalar') return list.value === null && inBlock ? withFirstRow(text, entry, undefined, row) : undefined;
  if (list.type !== 'list') return undefined;
  if (text[list.from] !== '[') return insertLines(text, endOfItem(text, list, list.items.length - 1), rowLike(text, list, row));
  if (inBlock && text.slice(list.from + 1, list.to - 1).trim() === '') return withFirstRow(text, entry, list, row);
  return withFlowRow(manifest, list, row);
}

/** The text with the row at `index` at another place. */
export function withRef({ text, root, json }: ManifestText, index: number, ref: string): string | undefined {
  const entry = buildsOf(root);
  const item = entry?.value.type === 'list' ? entry.value.items[index] : undefined;
  const found = item?.type === 'map' ? item.entries.find(({ key }) => key === 'ref')?.value : undefined;
  if (found === undefined) return undefined;
  const quote = text[found.from];
  const written = json || quote === '"' ? JSON.stringify(ref) : quote === "'" ? `'${ref}'` : scalarText(ref);
  return text.slice(0, found.from) + written + text.slice(found.to);
}

/** `builds` of the top map. */
export function buildsOf(root: SourceNode): MapNode['entries'][number] | undefined {
  return root.type === 'map' ? root.entries.find(({ key }) => key === 'builds') : undefined;
}

/** The line end that the text uses. */
export function eolOf(text: string): string {
  return text.includes('\r\n') ? '\r\n' : '\n';
}

/** Where the line of `at` begins. */
export function lineStart(text: string, at: number): number {
  return text.lastIndexOf('\n', at - 1) + 1;
}

/** Where the next line begins; the end of the text where there is none. */
export function lineEnd(text: string, at: number): number {
  const end = text.indexOf('\n', at);
  return end === -1 ? text.length : end + 1;
}

/** Where a row of a block list ends: after its last line, and after comments below it that are indented more than its dash. */
export function endOfItem(text: string, list: ListNode, index: number): number {
  const to = list.items[index]?.to ?? list.to;
  const end = text[to - 1] === '\n' ? to : lineEnd(text, to);
  return afterComments(text, end, list.from - lineStart(text, list.from));
}

/** Past the lines that hold only a comment, indented more than `column`. */
function afterComments(text: string, from: number, column: number): number {
  let at = from;
  for (;;) {
    const line = text.slice(at, lineEnd(text, at));
    const indent = /^[ \t]*(?=#)/.exec(line)?.[0].length;
    if (indent === undefined || indent <= column) return at;
    at += line.length;
  }
}

/** The first row of a list that is `[]`, or of which only the key is written. */
function withFirstRow(text: string, entry: MapNode['entries'][number], list: ListNode | undefined, row: Row): string | undefined {
  const colon = text.indexOf(':', entry.keySpan.to);
  const end = lineEnd(text, list?.to ?? colon);
  const rest = text.slice(list?.to ?? colon + 1, end);
  const left = /^[ \t]*(?:null|~)?[ \t]*((?:#[^\r\n]*)?\r?\n?)$/i.exec(rest)?.[1];
  if (left === undefined) return undefined;
  const head = `${text.slice(0, colon + 1)}${left.startsWith('#') ? ' ' : ''}${left}`;
  const column = entry.keySpan.from - lineStart(text, entry.keySpan.from);
  const whole = head + text.slice(end);
  return insertLines(whole, afterComments(whole, head.length, column), blockRow(row, column + 2, eolOf(text)));
}

/** A row of a block list: in one line where the last one is. */
function rowLike(text: string, list: ListNode, row: Row): string {
  const column = list.from - lineStart(text, list.from);
  const eol = eolOf(text);
  const last = list.items.at(-1);
  if (last !== undefined && text[last.from] === '{') return `${' '.repeat(column)}- ${flowText(row)}${eol}`;
  return blockRow(row, column, eol);
}

function blockRow(row: Row, column: number, eol: string): string {
  const lines = Object.entries(row).map(([key, value], index) => `${index === 0 ? '- ' : '  '}${key}: ${flowText(value)}${eol}`);
  return lines.map((line) => ' '.repeat(column) + line).join('');
}

function insertLines(text: string, at: number, lines: string): string {
  return withEol(text.slice(0, at), eolOf(text)) + lines + text.slice(at);
}

function withEol(text: string, eol: string): string {
  return text === '' || text.endsWith('\n') ? text : text + eol;
}

/** A row at the end of a list in brackets: on a line of its own where the last one is. */
function withFlowRow({ text, root, json }: ManifestText, list: ListNode, row: Row): string {
  const eol = eolOf(text);
  const last = list.items.at(-1);
  const close = list.to - 1;
  if (last === undefined) return withFirstFlowRow({ text, root, json }, list, row);
  const after = text.slice(last.to, close);
  const comma = commaIn(after) === -1 ? ',' : '';
  const pad = blankBefore(text, last.from);
  const head = text.slice(0, last.to) + comma + after.trimEnd();
  if (pad === undefined)
    return `${head} ${inFlow(row, json, '', undefined, eol)}${after.slice(after.trimEnd().length)}${text.slice(close)}`;
  const unit = json && text.slice(last.from, last.to).includes('\n') ? unitOf(text, last, pad) : undefined;
  const tail = /\r?\n[ \t]*$/.exec(after)?.[0] ?? '';
  return `${head}${eol}${pad}${inFlow(row, json, pad, unit, eol)}${comma === '' ? ',' : ''}${tail}${text.slice(close)}`;
}

function withFirstFlowRow({ text, root, json }: ManifestText, list: ListNode, row: Row): string {
  const eol = eolOf(text);
  const pad = root.type === 'map' ? blankBefore(text, root.entries[0]?.keySpan.from ?? 0) : undefined;
  const inside = text.slice(list.from + 1, list.to - 1).trim();
  const rest = text.slice(list.to);
  if (pad === undefined && inside === '') return `${text.slice(0, list.from)}[${inFlow(row, json, '', undefined, eol)}]${rest}`;
  const [outer, unit] = [pad ?? '', pad === undefined || pad === '' ? '  ' : pad];
  const kept = inside === '' ? '' : `${eol}${outer}${unit}${inside}`;
  const written = inFlow(row, json, outer + unit, json ? unit : undefined, eol);
  return `${text.slice(0, list.from)}[${kept}${eol}${outer}${unit}${written}${eol}${outer}]${rest}`;
}

/** A row between brackets: as JSON, in lines where there is a `unit` of indentation, or as a map of YAML. */
function inFlow(row: Row, json: boolean, pad: string, unit: string | undefined, eol: string): string {
  if (!json) return flowText(row);
  return unit === undefined ? JSON.stringify(row) : JSON.stringify(row, null, unit).replaceAll('\n', `${eol}${pad}`);
}

function unitOf(text: string, item: SourceNode, pad: string): string {
  const key = item.type === 'map' ? item.entries[0]?.keySpan.from : undefined;
  const inner = key === undefined ? undefined : blankBefore(text, key);
  return inner?.startsWith(pad) === true && inner.length > pad.length ? inner.slice(pad.length) : '  ';
}

/** The blanks before `at` where nothing else is before it on its line. */
export function blankBefore(text: string, at: number): string | undefined {
  const before = text.slice(lineStart(text, at), at);
  return before.trim() === '' ? before : undefined;
}

/** The comma after an item, past blanks and comments; -1 where there is none. */
export function commaIn(after: string): number {
  return (/^(?:\s|#[^\n]*(?:\n|$))*,/.exec(after)?.[0].length ?? 0) - 1;
}
