/** Hold, break-glass records and abort requests as files: whatever lies there, nobody is let through by mistake. */
import fs from 'node:fs';
import { join } from 'node:path';
import { readHold } from '../../../src/base/pointer/hold.ts';
import { sha256 } from '../../../src/base/pointer/pointer-format.ts';
import { RECORDS_FILE, readRecords } from '../../../src/base/pointer/records.ts';
import { canonical } from '../../../src/base/shape.ts';
import { parseRequest } from '../../../src/stores/local.ts';
import { GREEN, REASON, SCOPE } from '../../break-glass/scene.ts';
import { hostileText, mutated } from '../hostile.ts';
import type { Luck } from '../luck.ts';
import { must, type Sweep } from '../sweep.ts';
import { mustBeSafe, mustPrintSafely } from '../terminal.ts';
import { damagedText } from '../text-forms.ts';

const DEED = {
  scope: SCOPE,
  at: '2026-11-21T10:00:00Z',
  actor: 'alice',
  host: 'deploy-1',
  pid: 7,
  reason: REASON,
  toGuid: GREEN,
};
const NOTE = { ...DEED, formatVersion: 1, recordId: 'bg-1' };

function textLike(luck: Luck, value: unknown): string {
  const text = `${canonical(mutated(luck, value)) ?? ''}\n`;
  return luck.chance(0.4) ? damagedText(luck, text) : text;
}

function bytesOf(text: string): Buffer {
  return Buffer.from(text, 'latin1');
}

/** A hold in any state is a hold. */
export function holdSweep(dir: string): Sweep<string> {
  return {
    name: 'holds',
    what: 'hold files',
    kind: 'texts',
    share: 0.1,
    make: (luck) => Buffer.from(textLike(luck, NOTE)).toString('latin1'),
    judge: (text) => {
      fs.writeFileSync(join(dir, 'hold'), bytesOf(text), { mode: 0o600 });
      const hold = readHold([dir], fs);
      must(hold !== undefined, 'there is a hold, and nobody saw it');
      mustBeSafe(hold.text, 'the hold');
      return hold.note === null ? 'not readable' : 'read';
    },
    must: ['not readable', 'read'],
  };
}

const INTENT = {
  ...DEED,
  type: 'intent',
  id: 'bg-1',
  toVersion: '1',
  generation: 3,
  knownGood: GREEN,
  changes: ['write /r (2 bytes): {}'],
};
const OUTCOME = { type: 'outcome', id: 'bg-1', scope: SCOPE, at: DEED.at, result: 'verified', notes: [] };

function chained(records: readonly unknown[]): string[] {
  let prev = '0'.repeat(64);
  return records.map((record) => {
    const line = canonical({ ...(record as object), prev });
    prev = sha256(line);
    return line;
  });
}

const WHOLE = chained([INTENT, OUTCOME, { ...INTENT, id: 'bg-2' }, { ...OUTCOME, id: 'bg-2', result: 'failed' }]);

/** Records: what is changed is reported, unless it is the last line, which nothing follows. */
export function recordSweep(dir: string): Sweep<string> {
  return {
    name: 'records',
    what: 'files of break-glass records',
    kind: 'texts',
    share: 0.1,
    make: (luck) => {
      const lines = luck.chance(0.3) ? chained([INTENT, OUTCOME].map((record) => mutated(luck, record))) : WHOLE;
      const text = `${lines.join('\n')}\n`;
      return Buffer.from(luck.chance(0.7) ? damagedText(luck, text) : text).toString('latin1');
    },
    judge: (text) => {
      fs.writeFileSync(join(dir, RECORDS_FILE), bytesOf(text), { mode: 0o600 });
      const { rescues, damaged } = readRecords([dir], SCOPE, fs);
      for (const { why } of damaged) mustPrintSafely([{ type: 'note', level: 'warning', message: why }]);
      if (damaged.length > 0) return 'damaged';
      const kept = bytesOf(text)
        .toString('utf8')
        .split('\n')
        .filter((line) => line !== '');
      const said = new Set(kept.map((line) => (JSON.parse(line) as { id: string }).id));
      must(rescues.length <= said.size, 'a rescue from nowhere');
      must(
        kept.every((line) => canonical(JSON.parse(line)) === line),
        'a line with a second reading was believed',
      );
      return 'read';
    },
    must: ['damaged', 'read'],
  };
}

/** A wish to abort that cannot be read is still one. */
export const abortSweep: Sweep<string> = {
  name: 'abort-requests',
  what: 'abort requests',
  kind: 'texts',
  share: 0.05,
  make: (luck) => (luck.chance(0.1) ? hostileText(luck) : textLike(luck, { actor: 'bob', reason: 'no', atMs: 5 })),
  judge: (text) => {
    const { actor, reason, atMs } = parseRequest(Buffer.from(text), 9);
    must(typeof actor === 'string' && typeof reason === 'string' && typeof atMs === 'number', 'a wish without words');
    mustPrintSafely([{ type: 'note', level: 'info', message: `${actor}: ${reason}` }]);
    return reason === 'unreadable request' ? 'not readable' : 'read';
  },
  must: ['not readable', 'read'],
};
