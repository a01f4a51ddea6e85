/** What the detectors look at in ledgers: lines that were changed, and other scopes' ledgers that went out of sight. */
import { hash } from 'node:crypto';
import { readSegments } from '../../src/core/ledger/chain.ts';
import { fold } from '../../src/core/ledger/history.ts';
import { EMPTY_HEAD, encodeLine, FORMAT_VERSION, lineHash, type NewEntry } from '../../src/core/ledger/ledger.ts';
import { fileFacts } from '../../src/engine/facts.ts';
import { adoption, SCOPE, STABLE, STAGING } from '../core/manifest/builds.ts';
import { Process } from '../simulator/process.ts';
import { POINTER_DIR, Simulation, STATE_DIR } from '../simulator/simulation.ts';
import { claimedBy, note } from '../stores/entries.ts';

const BY = { host: 'deploy-1', boot: 'boot', pid: 77, started: '12345' } as Parameters<typeof claimedBy>[0];

const PLANNED: NewEntry = { ...note('x'), event: { type: 'planned', atMs: 1, plan: adoption(STABLE), seen: [STAGING] } };

/** A ledger of a claim and `entry`, whose line `change` changed. */
function readChanged(entry: NewEntry, change: (line: string) => string) {
  const claim = encodeLine({ ...claimedBy(BY), seq: 1, prev: EMPTY_HEAD.hash, after: null, formatVersion: FORMAT_VERSION });
  const line = encodeLine({ ...entry, seq: 2, prev: lineHash(claim.subarray(0, -1)) });
  const bytes = Buffer.concat([claim, Buffer.from(change(String(line)))]);
  return readSegments([{ number: 1, file: '0001.jsonl', bytes }]);
}

const DIGEST = /,"digest":"[0-9a-f]{64}"}\n$/;

/** A last line that was changed, has no digest, or has another plan than its digest says. */
export function digests(): readonly string[] {
  const changes = {
    'that was changed': readChanged(note('one'), (line) => line.replace('"one"', '"two"')),
    'without a digest': readChanged(note('one'), (line) => line.replace(DIGEST, '}\n')),
    'with another plan': readChanged(PLANNED, (line) => {
      const body = line.replace('"version":"', '"version":"9').replace(DIGEST, '');
      return `${body},"digest":"${hash('sha256', body)}"}\n`;
    }),
  };
  const read = Object.entries(changes).filter(([, chain]) => !('why' in chain));
  const whole = readChanged(PLANNED, (line) => line);
  return [...read.map(([what]) => `reads a line ${what}`), ...('why' in whole ? ['refuses a good line'] : [])];
}

/** A ledger that was read for a plan, and is gone. */
export async function sights(): Promise<readonly string[]> {
  const { io } = new Process(new Simulation({}), 11);
  const history = fold([{ ...PLANNED, seq: 1, prev: EMPTY_HEAD.hash }]);
  const nothing = {
    listed: [],
    atPlace: [],
    listing: undefined,
    unseen: [],
    environments: [],
    entries: [],
    ledgerHead: EMPTY_HEAD.hash,
  };
  const store = { scopes: async () => [], unlisted: async () => [] } as unknown as Parameters<typeof fileFacts>[0]['store'];
  const places = { store, pointerDirs: [POINTER_DIR], stateDir: STATE_DIR, settings: null };
  const facts = (scope: typeof SCOPE) =>
    fileFacts({ ...nothing, ...places, scope: SCOPE, guid: STABLE.guid, history, config: { services: [{ scope }] } }, io);
  const [gone, givenUp] = [await facts(STAGING), await facts(SCOPE)];
  return [
    ...(gone.unseen.some(({ expected }) => expected) ? [] : ['passes over a ledger that it had read before']),
    ...(givenUp.unseen.length > 0 ? ['waits for a ledger whose scope left the config'] : []),
  ];
}
