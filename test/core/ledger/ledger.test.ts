import { hash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { type Chain, type Damage, readSegments, type Segment } from '../../../src/core/ledger/chain.ts';
import {
  type Accepted,
  EMPTY_HEAD,
  type Entry,
  encodeLine,
  FORMAT_VERSION,
  leaderOf,
  lineHash,
  type NewEntry,
} from '../../../src/core/ledger/ledger.ts';
import { claimedBy, note, RELEASED } from '../../stores/entries.ts';
import { adoption, STABLE } from '../manifest/builds.ts';

const BY = { host: 'deploy-1', boot: 'boot', pid: 77, started: '12345' };

/** Segments as a correct store writes them, their claims with a version or, like the first ones ever, without. */
function written(contents: readonly (readonly NewEntry[])[], formatVersion?: number): Segment[] {
  let head = EMPTY_HEAD;
  let after: Accepted | null = null;
  return contents.map((entries, index) => {
    const lines = entries.map((entry, at) => {
      const line = encodeLine({
        ...entry,
        seq: head.seq + 1,
        prev: head.hash,
        ...(at === 0 ? { after, formatVersion } : {}),
      } as Entry);
      head = { seq: head.seq + 1, hash: lineHash(line.subarray(0, -1)) };
      return line;
    });
    const bytes = Buffer.concat(lines);
    after = { segment: index + 1, bytes: bytes.length, sha256: head.hash, torn: 0 };
    return { number: index + 1, file: `000${index + 1}.jsonl`, bytes };
  });
}

const CONTENTS = [
  [claimedBy(BY), note('one'), note('two'), RELEASED],
  [claimedBy(BY), note('three'), note('four')],
  [claimedBy(BY), note('five'), note('six'), note('seven @ home')],
];

const THREE = written(CONTENTS);

function whole(read: Chain | Damage): Chain {
  if ('why' in read) throw new Error(`${read.file}:${read.line}: ${read.why}`);
  return read;
}

function damage(segments: readonly Segment[]): Damage {
  const read = readSegments(segments);
  if (!('why' in read)) throw new Error('was read as whole');
  return read;
}

function withBytes(index: number, bytes: Buffer): Segment[] {
  return THREE.map((segment, at) => (at === index ? { ...segment, bytes } : segment));
}

function linesOf(bytes: Buffer): Buffer[] {
  return bytes
    .toString()
    .split(/(?<=\n)/)
    .map((line) => Buffer.from(line));
}

describe('a line', () => {
  it('a line of the ledger has its keys in a fixed order, whatever order they came in', () => {
    const { event, boot, host, actor, at } = note('x');
    const line = encodeLine({ event, boot, host, actor, at, prev: EMPTY_HEAD.hash, seq: 1 } as Entry).toString();
    expect(Object.keys(JSON.parse(line))).toEqual(['seq', 'prev', 'at', 'actor', 'host', 'boot', 'event', 'digest']);
    expect(line.endsWith('}\n')).toBe(true);
  });

  it('a line of the ledger names the SHA-256 of the line before without its newline', () => {
    const [first, second] = linesOf(THREE[0]?.bytes ?? Buffer.alloc(0));
    expect(JSON.parse(String(second)).prev).toBe(hash('sha256', String(first).trimEnd()));
  });

  it('a line of the ledger is not written when it could not be read again', () => {
    const broken = { ...note('x'), event: { type: 'released', atMs: Number.NaN } } as NewEntry;
    expect(() => encodeLine({ ...broken, seq: 1, prev: EMPTY_HEAD.hash })).toThrow(expect.objectContaining({ code: 'BUG' }));
  });
});

describe('a whole ledger', () => {
  it('a ledger is read over all segments', () => {
    const { entries, head, tornBytes } = whole(readSegments(THREE));
    expect(entries.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    expect(head.seq).toBe(11);
    expect(tornBytes).toBe(0);
  });

  it('a ledger leaves out what was written beyond the accepted length', () => {
    const late = Buffer.from('{"half a line of a runner that woke up late');
    const second = THREE[1] as Segment;
    expect(whole(readSegments(withBytes(1, Buffer.concat([second.bytes, late]))))).toEqual(whole(readSegments(THREE)));
  });

  it('a ledger knows who leads', () => {
    expect(leaderOf(whole(readSegments(THREE)).entries)?.seq).toBe(8);
    expect(leaderOf(whole(readSegments(THREE.slice(0, 1))).entries)).toBeUndefined();
    expect(leaderOf([])).toBeUndefined();
  });
});

describe('a ledger that is read again', () => {
  const THIRD = THREE[2] as Segment;
  const SECOND = THREE[1] as Segment;

  it.each(linesOf(THIRD.bytes).map((_, index) => index + 1))(
    'a ledger read again after %i lines of its newest segment is the same as one read at once',
    (lines) => {
      const shorter = Buffer.concat(linesOf(THIRD.bytes).slice(0, lines));
      const { settled } = whole(readSegments(withBytes(2, shorter)));
      expect(readSegments([THIRD], settled)).toEqual(readSegments(THREE));
    },
  );

  it('a ledger read again keeps every verified entry as the very same object, and makes nothing new of nothing', () => {
    const many = Array.from({ length: 5_000 }, (_, index) => note(String(index)));
    const [segment] = written([[claimedBy(BY), ...many]]) as [Segment];
    const lines = linesOf(segment.bytes);
    const shorter = { ...segment, bytes: Buffer.concat(lines.slice(0, -1)) };
    const before = whole(readSegments([shorter]));
    const after = whole(readSegments([segment], before.settled));
    expect(after.entries.length).toBe(before.entries.length + 1);
    expect(before.entries.every((entry, index) => entry === after.entries[index])).toBe(true);
    expect(whole(readSegments([segment], after.settled)).entries).toBe(after.entries);
  });

  it('a ledger read again forgets what its newest segment held beyond what was accepted in the end', () => {
    const { head } = whole(readSegments(THREE.slice(0, 2)));
    const void_ = encodeLine({ ...note('void'), seq: head.seq + 1, prev: head.hash });
    const longer = { ...SECOND, bytes: Buffer.concat([SECOND.bytes, void_]) };
    const { entries, settled } = whole(readSegments([THREE[0] as Segment, longer]));
    expect(entries.at(-1)?.event).toEqual(note('void').event);
    expect(whole(readSegments([longer, THIRD], settled)).entries).toEqual(whole(readSegments(THREE)).entries);
  });

  it('a ledger read again raises an alarm when what was read before has been changed since', () => {
    const { settled } = whole(readSegments(THREE));
    const [first, second, ...rest] = linesOf(THIRD.bytes);
    const edited = Buffer.concat([first as Buffer, Buffer.from(String(second).replace('alice', 'mallo')), ...rest]);
    expect(readSegments([{ ...THIRD, bytes: edited }], settled)).toHaveProperty('why');
  });
});

describe('a torn tail', () => {
  it('a torn tail is left out at every length that a crash can leave of the last line', () => {
    const bytes = (THREE[2] as Segment).bytes;
    const last = linesOf(bytes).at(-1) as Buffer;
    for (let kept = 0; kept < last.length; kept += 1) {
      const read = whole(readSegments(withBytes(2, bytes.subarray(0, bytes.length - last.length + kept))));
      expect([read.entries.length, read.tornBytes]).toEqual([10, kept]);
    }
  });

  it('a torn tail is left out when the disk kept its length but not its content', () => {
    const bytes = Buffer.from((THREE[2] as Segment).bytes);
    bytes.fill(0, bytes.length - 40, bytes.length - 1);
    expect(whole(readSegments(withBytes(2, bytes))).entries.length).toBe(10);
  });

  it('a torn tail is never forgiven in a segment that has a successor', () => {
    const bytes = (THREE[1] as Segment).bytes;
    expect(damage(withBytes(1, bytes.subarray(0, -1))).file).toBe('0002.jsonl');
  });

  it('a torn tail is never forgiven on the claim, which is linked whole', () => {
    const [first] = linesOf((THREE[2] as Segment).bytes);
    expect(damage(withBytes(2, (first as Buffer).subarray(0, 50))).why).toBeTruthy();
    expect(damage(withBytes(2, Buffer.alloc(0))).why).toBeTruthy();
  });
});

describe('damage', () => {
  const places = THREE.flatMap(({ bytes }, index) => {
    const count = linesOf(bytes).length;
    return Array.from({ length: index === 2 ? count - 1 : count }, (_, line) => ({ index, line }));
  });

  it.each(places)('damage to line $line of segment $index is seen: edited, deleted, doubled, moved, cut', ({ index, line }) => {
    const lines = linesOf((THREE[index] as Segment).bytes);
    const raw = lines[line] as Buffer;
    const edited = Buffer.from(raw.toString().replace('alice', 'mallo'));
    const changes = {
      edited: lines.with(line, edited),
      deleted: lines.toSpliced(line, 1),
      cut: lines.with(line, raw.subarray(0, raw.length >> 1)),
      'without its newline': lines.with(line, raw.subarray(0, -1)),
      // Beyond the last accepted line a copy is void like anything else there.
      ...(index === 2 || line + 1 < lines.length ? { doubled: lines.toSpliced(line, 0, raw) } : {}),
      ...(line + 1 < lines.length ? { moved: lines.with(line, lines[line + 1] as Buffer).with(line + 1, raw) } : {}),
    };
    for (const [name, changed] of Object.entries(changes)) {
      expect(() => damage(withBytes(index, Buffer.concat(changed))), name).not.toThrow();
    }
  });

  it('a ledger is damaged by any single flipped byte before the last line', () => {
    const lastLine = linesOf((THREE[2] as Segment).bytes).at(-1) as Buffer;
    THREE.forEach(({ bytes }, index) => {
      const until = index === 2 ? bytes.length - lastLine.length : bytes.length;
      for (let at = 0; at < until; at += 1) {
        const flipped = Buffer.from(bytes);
        flipped[at] = (flipped[at] ?? 0) ^ 1;
        expect(() => damage(withBytes(index, flipped)), `segment ${index + 1}, byte ${at}`).not.toThrow();
      }
    });
  });

  it.each([1, 2, 4, 8, 16, 32, 64, 128])(
    'a ledger of this version is damaged by a flipped bit %i anywhere in its last line',
    (bit) => {
      const segments = written(CONTENTS, FORMAT_VERSION);
      const { bytes } = segments[2] as Segment;
      const last = linesOf(bytes).at(-1) as Buffer;
      for (let at = bytes.length - last.length; at < bytes.length; at += 1) {
        const flipped = Buffer.from(bytes);
        flipped[at] = (flipped[at] ?? 0) ^ bit;
        const read = readSegments(segments.with(2, { ...(segments[2] as Segment), bytes: flipped }));
        expect(read, `byte ${at}`).toHaveProperty('why');
      }
    },
  );

  it.each([1, 2, 4, 8, 16, 32, 64])('a flipped bit %i of a claim never makes it one of a newer kvdeploy', (bit) => {
    const [segment] = written([[claimedBy(BY)]], FORMAT_VERSION) as [Segment];
    for (let at = 0; at < segment.bytes.length; at += 1) {
      const flipped = Buffer.from(segment.bytes);
      flipped[at] = (flipped[at] ?? 0) ^ bit;
      const read = readSegments([{ ...segment, bytes: flipped }]);
      expect(read, `byte ${at}`).toHaveProperty('why');
      expect(read, `byte ${at}`).not.toHaveProperty('newer');
    }
  });

  it('a ledger is damaged when a segment is missing, and the place is named', () => {
    expect(damage([THREE[0] as Segment, THREE[2] as Segment])).toMatchObject({ file: '0003.jsonl', line: 1 });
    expect(damage(THREE.slice(1))).toMatchObject({ file: '0002.jsonl', line: 1 });
  });

  it('damage by an edited entry is named with its file and the line after it', () => {
    const lines = linesOf((THREE[2] as Segment).bytes);
    const edited = Buffer.from(String(lines[1]).replace('five', 'four'));
    expect(damage(withBytes(2, Buffer.concat(lines.with(1, edited))))).toMatchObject({ file: '0003.jsonl', line: 2 });
  });

  it('a line without a digest is damage in a segment of this version, and none in an older one', () => {
    const plain = (line: Buffer) => Buffer.from(`${String(line).replace(/,"digest":"[0-9a-f]{64}"}\n$/, '}')}\n`);
    const bare = (formatVersion: number) => {
      const [segment] = written([[claimedBy(BY), note('last')]], formatVersion) as [Segment];
      const [first, last] = linesOf(segment.bytes) as [Buffer, Buffer];
      return readSegments([{ ...segment, bytes: Buffer.concat([first, plain(last)]) }]);
    };
    expect(bare(FORMAT_VERSION)).toMatchObject({ line: 2, why: 'it has no digest' });
    expect(whole(bare(3)).entries).toHaveLength(2);
  });

  it('a plan that is not the one of its digest is damage, however the line itself was made', () => {
    const planned = { ...note('x'), event: { type: 'planned', atMs: 1, plan: adoption(STABLE) } } as NewEntry;
    const [segment] = written([[claimedBy(BY), planned]], FORMAT_VERSION) as [Segment];
    const [first, last] = linesOf(segment.bytes) as [Buffer, Buffer];
    const body = String(last)
      .replace('"percent":100', '"percent":99')
      .replace(/,"digest":"[0-9a-f]{64}"}\n$/, '');
    const forged = Buffer.from(`${body},"digest":"${hash('sha256', body)}"}\n`);
    expect(whole(readSegments([segment])).entries).toHaveLength(2);
    expect(readSegments([{ ...segment, bytes: Buffer.concat([first, forged]) }])).toMatchObject({ line: 2 });
  });

  it('a ledger is damaged when something follows a release, or there is a claim in the middle of a segment', () => {
    expect(damage(written([[claimedBy(BY), RELEASED, note('late')]])).why).toMatch(/release/);
    expect(damage(written([[claimedBy(BY), claimedBy(BY)]])).why).toMatch(/in the middle of a segment/);
  });
});

describe('a segment that a newer kvdeploy wrote', () => {
  const next = FORMAT_VERSION + 1;
  const [claim, ...rest] = linesOf((THREE[2] as Segment).bytes) as [Buffer, ...Buffer[]];
  const said = (more: object) => Buffer.from(`${JSON.stringify({ ...JSON.parse(String(claim)), ...more, digest: undefined })}\n`);
  const third = (first: Buffer) => withBytes(2, Buffer.concat([first, ...rest]));

  it.each([
    ['knows a further field', { formatVersion: next, approvedBy: 'carol' }],
    ['claims in another way', { formatVersion: next, event: { type: 'shared-claim' }, after: undefined }],
    ['changed nothing that is seen here', { formatVersion: next }],
  ])('a segment of a newer kvdeploy is told from damage when it %s', (_what, more) => {
    expect(damage(third(said(more)))).toMatchObject({
      file: '0003.jsonl',
      line: 1,
      newer: next,
      why: expect.stringMatching(/newer kvdeploy/),
    });
  });

  it.each([
    ['a field that was not announced', { approvedBy: 'carol' }],
    ['an event that was not announced', { event: { type: 'shared-claim' } }],
    ['a version that is no number', { formatVersion: 'next' }],
  ])('a segment is damaged with %s', (_what, more) => {
    const found = damage(third(said(more)));
    expect(found).toMatchObject({ file: '0003.jsonl', line: 1 });
    expect(found.newer).toBeUndefined();
  });

  it('a segment of a newer kvdeploy says so with its first line alone: a version in the middle is damage', () => {
    const lines = linesOf((THREE[2] as Segment).bytes);
    const second = Buffer.from(`${JSON.stringify({ ...JSON.parse(String(lines[1])), formatVersion: next })}\n`);
    expect(damage(withBytes(2, Buffer.concat(lines.with(1, second)))).newer).toBeUndefined();
  });

  it('a segment of this version is read, whether it says so or not', () => {
    const saying = linesOf((THREE[0] as Segment).bytes);
    const { digest: _, ...first } = JSON.parse(String(saying[0]));
    const alone = encodeLine({ ...first, formatVersion: FORMAT_VERSION });
    const { entries } = whole(readSegments([{ ...(THREE[0] as Segment), bytes: alone }]));
    expect(entries).toEqual([{ ...first, formatVersion: FORMAT_VERSION, digest: expect.any(String) }]);
    expect(whole(readSegments(THREE)).entries[0]?.formatVersion).toBeUndefined();
  });
});
