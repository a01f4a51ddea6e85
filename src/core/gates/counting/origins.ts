/** Where counters count from: known, born, restarted, gone back or gone for good. Must not call anything new that may have been there. No I/O. */
import type { ArmMemory, TargetMemory } from './counter-memory.ts';
import { isBack, leaps, lowered, noticingTurns, takesTurns } from './turns.ts';

/** Counters that were there and are not now. */
export function goneFrom(was: TargetMemory, now: TargetMemory): string[] {
  return Object.keys(was.values).filter((key) => !Object.hasOwn(now.values, key));
}

/** The memory, with since when counters have been gone or lower; the very same where there is no news. */
export function noticing(before: ArmMemory, now: ArmMemory, lagMs: number): ArmMemory {
  const targets = Object.entries(before.targets).map(([name, was]) => {
    const target = Object.hasOwn(now.targets, name) ? now.targets[name] : undefined;
    if (target === undefined) return [name, was] as const;
    const turned = noticingTurns(was, target, lagMs);
    const { goneMs, ...rest } = turned;
    const isGone = goneFrom(was, target).length > 0;
    if (isGone === (goneMs !== undefined)) return [name, turned] as const;
    return [name, isGone ? { ...rest, goneMs: target.freshMs } : rest] as const;
  });
  return targets.every(([name, was]) => was === before.targets[name])
    ? before
    : { ...before, targets: Object.fromEntries(targets) };
}

/** `errors of eu and 2 more`. */
export function keysText([key = '', ...more]: readonly string[]): string {
  const [counter, slice] = [key.slice(0, key.indexOf('|')), key.slice(key.indexOf('|') + 1)];
  return `${counter}${slice === '' ? '' : ` of ${slice}`}${more.length === 0 ? '' : ` and ${more.length} more`}`;
}

/** A process that began again has given nothing up. */
export function withGivenUp(from: Origin, was: TargetMemory | undefined, now: TargetMemory): TargetMemory {
  if (was === undefined || (from !== 'known' && from !== 'expired')) return now;
  const all = [...(was.gone ?? []), ...(from === 'expired' ? goneFrom(was, now) : [])];
  const gone = all.filter((key) => !Object.hasOwn(now.values, key));
  return gone.length === 0 ? now : { ...now, gone };
}

/**
 * `expired`: counters went for good while their target went on, as an exporter drops series that stood still; `lowered`: they stayed lower than
 * they were; neither is a restart. `turns`: they go back and forth.
 */
export type Origin = 'known' | 'restarted' | 'reset' | 'anew' | 'expired' | 'lowered' | 'born' | 'unknown' | 'invalid' | 'turns';

/** Where a target's counters count from: a target that is new and began before we looked keeps what it counted then to itself. */
export function origin(was: TargetMemory | undefined, now: TargetMemory, lookedMs: number, lagMs: number): Origin {
  if (was === undefined) return now.startedMs !== null && now.startedMs > lookedMs ? 'born' : 'unknown';
  const dated = was.startedMs !== null && now.startedMs !== null;
  if (dated && was.startedMs !== now.startedMs) return 'restarted';
  const back = isBack(was, now);
  const gone = goneFrom(was, now).length > 0;
  if (now.several === true && (back || gone)) return 'anew';
  if (takesTurns(was, now.freshMs, lagMs)) return 'turns';
  // An answer cut short looks like this too, and its missing part would come back as if all of it were new: once is not enough.
  const isLong = (sinceMs: number | undefined) => now.freshMs - (sinceMs ?? now.freshMs) > lagMs;
  if (back && dated) return 'invalid';
  if (back) {
    const how = lowered(was, now, lagMs);
    if (how !== 'doubtful') return how === 'anew' ? 'anew' : 'reset';
    return isLong(was.past?.backMs) ? 'lowered' : 'invalid';
  }
  if (gone) return isLong(was.goneMs) ? 'expired' : 'invalid';
  return leaps(was, now, lagMs) ? 'invalid' : 'known';
}

/** What a counter showed when its difference begins. One that was not there while its target was up was born at its first event: 0. */
export function since(from: Origin, was: TargetMemory | undefined, key: string, value: number): number {
  if (from === 'unknown' || from === 'anew' || from === 'expired' || from === 'lowered') return value;
  if (from === 'born' || from === 'restarted') return 0;
  if (from === 'known' && was?.gone?.includes(key) === true) return value;
  const before = was?.values[key] ?? 0;
  // After a restart at an unknown time the lesser of both readings of it is a lower bound, and all that is known.
  return value < before ? 0 : before;
}
