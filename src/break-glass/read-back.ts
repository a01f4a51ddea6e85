/** What a rescue finds afterwards: who serves, who is out of service, and what is not verified. Must never take silence for an answer. */
import { identifyAll } from '../base/changes/ask-all.ts';
import type { Check, Checked, Outside } from '../base/changes/change.ts';
import { check, GONE } from '../base/changes/checks.ts';
import type { Identified, IdentityCheck } from '../base/changes/identity.ts';
import type { Restore } from '../base/pointer/pointer-format.ts';
import { firstOf, safeLine } from '../base/text.ts';

/** How long a change may take to become visible. */
const VERIFY_WITHIN_MS = 3000;

/** A router that checks a member every few seconds finds only then that it is down. */
const NOTICE_WITHIN_MS = 8000;

const VERIFY_EVERY_MS = 200;

export interface ReadBack {
  /** What is wrong or unknown. Empty: all that serves is the build. */
  readonly doubts: readonly string[];
  /** Members of the build's place that the router sends nothing to: `green-3 is down at /run/haproxy.sock`. */
  readonly out: readonly string[];
  /** How many members serve, over all locations; 0 where the router does not say. */
  readonly serving: number;
  /** Locations whose table is as it should be, while every member that was asked is the build or out of service. */
  readonly locations: readonly string[];
}

interface Judged extends ReadBack {
  /** Nothing is doubted but members that do not answer, and that the router may yet find down. */
  readonly maySettle: boolean;
}

/** Asks again until nothing is doubted, for a few seconds. */
export async function readBack({ checks, identity }: Restore, outside: Outside, clock: Clock): Promise<ReadBack> {
  if (checks.length === 0) return { doubts: ['these changes cannot be read back'], out: [], serving: 0, locations: [] };
  const settleMs = Math.max(0, ...checks.map((one) => (one.kind === 'http' ? (one.settleMs ?? 0) : 0)));
  const begun = clock.monotonic();
  for (;;) {
    const answers = await Promise.all(checks.map((one) => check(one, outside)));
    const judged = judge(checks, answers, identity, await identifyAll(identity, outside));
    const withinMs = (judged.maySettle ? NOTICE_WITHIN_MS : VERIFY_WITHIN_MS) + settleMs;
    if (judged.doubts.length === 0 || clock.monotonic() - begun > withinMs) return judged;
    await clock.sleep(VERIFY_EVERY_MS);
  }
}

interface Clock {
  monotonic(): number;
  sleep(ms: number): Promise<void>;
}

/** Pure: what these answers say together. */
export function judge(
  checks: readonly Check[],
  answers: readonly Checked[],
  identity: readonly IdentityCheck[],
  members: readonly Identified[],
): Judged {
  const tables = tablesOf(checks, answers);
  const wrong = answers.flatMap((one) => ('unknown' in one ? [one.unknown] : one.ok ? [] : [`check failed: ${one.why}`]));
  const asked = identity.map((one, index) => ({ one, answer: members[index] ?? UNASKED }));
  const foreign = asked.flatMap(({ answer }) => (answer.kind === 'gone' ? [answer.why] : []));
  const silent = asked.filter(({ one, answer }) => answer.kind === 'silent' && !isOut(one, tables));
  const unheard = silent.flatMap(({ answer }) => (answer.kind === 'right' ? [] : [answer.why]));
  const unasked = unaskedIn(tables, identity);
  const settled = wrong.length + foreign.length + unasked.length === 0;
  const isKnown = foreign.length + unheard.length + unasked.length === 0;
  return {
    doubts: [...wrong, ...foreign, ...unheard, ...unasked],
    out: outOf(tables),
    serving: servingIn(tables),
    locations: tables.filter(({ ok }) => ok && isKnown).map(({ at }) => at),
    maySettle: settled && silent.every(({ one }) => tables.some((table) => knownAt(one, table).length > 0)),
  };
}

const UNASKED: Identified = { kind: 'silent', why: 'a member was not asked' };

interface Table {
  readonly at: string;
  readonly ok: boolean;
  readonly serving: readonly string[];
  readonly out: ReadonlyMap<string, string>;
}

function outOf(tables: readonly Table[]): readonly string[] {
  return tables.flatMap(({ at, out }) => [...out].map(([name, is]) => `${safeLine(name)} is ${safeLine(is)} at ${at}`));
}

function servingIn(tables: readonly Table[]): number {
  return tables.reduce((sum, { serving }) => sum + serving.length, 0);
}

/** Members that serve nothing are capacity lost and no failure: all that serves was read back. Empty, or a sentence with a space after it. */
export function outText({ out, serving }: Pick<ReadBack, 'out' | 'serving'>): string {
  if (out.length === 0) return '';
  return `${serving} of ${serving + out.length} members serve; OUT OF SERVICE: ${firstOf(out, 5).join(', ')}. `;
}

/** The members out of service, while others of their place serve; `isOut`: whoever would answer this question is one of them. */
export function outOfService(checks: readonly Check[], answers: readonly Checked[]) {
  const tables = tablesOf(checks, answers);
  return { out: outOf(tables), serving: servingIn(tables), isOut: (one: IdentityCheck) => isOut(one, tables) };
}

/** Locations that have no member of the build's place any more, and whether any other has. Tables that do not answer count for neither. */
export function lackingAt(checks: readonly Check[], answers: readonly Checked[]) {
  const told = checks.flatMap((one, index) => {
    const answer = answers[index];
    if (one.kind !== 'table' || answer === undefined || 'unknown' in answer || answer.rows === undefined) return [];
    const { serving, out } = answer.rows;
    const keys = (one.groups ?? []).flatMap((group) => (group.least === undefined ? [] : group.keys));
    return [{ at: one.at ?? one.address, lacks: serving.length === 0 && keys.every((name) => out.get(name) === GONE) }];
  });
  return { lacking: told.filter(({ lacks }) => lacks).map(({ at }) => at), isElsewhere: told.some(({ lacks }) => !lacks) };
}

/** What each location's table says of the members that are to serve. Where none does, none is merely out of service. */
function tablesOf(checks: readonly Check[], answers: readonly Checked[]): readonly Table[] {
  return checks.flatMap((one, index): Table[] => {
    const answer = answers[index];
    if (one.kind !== 'table' || answer === undefined || 'unknown' in answer) return [];
    const { serving = [], out = new Map<string, string>() } = answer.rows ?? {};
    return [{ at: one.at ?? one.address, ok: answer.ok, serving, out: serving.length === 0 ? new Map() : out }];
  });
}

/** Those of its members that this table has. */
function knownAt({ members = [], at }: IdentityCheck, table: Table): readonly string[] {
  if (at !== undefined && at !== table.at) return [];
  return members.filter((name) => table.out.has(name) || table.serving.includes(name));
}

/** Whoever would answer gets nothing from any location that has it. */
function isOut(one: IdentityCheck, tables: readonly Table[]): boolean {
  const known = tables.flatMap((table) => knownAt(one, table).map((name) => table.out.has(name)));
  return known.length > 0 && known.every((out) => out);
}

/** Who serves and is not asked. Pointers of earlier versions do not say whom their questions ask. */
function unaskedIn(tables: readonly Table[], identity: readonly IdentityCheck[]): readonly string[] {
  const named = identity.filter(({ members }) => members !== undefined);
  if (named.length === 0) return [];
  const keyOf = (name: string, at = '') => `${at}\n${name}`;
  const asked = new Set(named.flatMap(({ members = [], at }) => members.map((name) => keyOf(name, at))));
  return tables.flatMap(({ at, serving }) =>
    serving
      .filter((name) => !asked.has(keyOf(name)) && !asked.has(keyOf(name, at)))
      .map((name) => `nothing says how ${safeLine(name)} at ${at} is asked`),
  );
}
