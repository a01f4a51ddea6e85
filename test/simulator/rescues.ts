/** Break-glass in the simulation, by its own code from the search for the pointer on, and the review afterwards. */
import { liftHold } from '../../src/base/pointer/hold.ts';
import { pointerDir } from '../../src/base/pointer/pointer.ts';
import { chooseBuild } from '../../src/break-glass/choose.ts';
import { chooseSource, findPlaces } from '../../src/break-glass/find.ts';
import { rescue as actOn } from '../../src/break-glass/rescue.ts';
import { type Ending, Voice } from '../../src/break-glass/voice.ts';
import { takeLead } from '../../src/engine/claim.ts';
import type { Process } from './process.ts';
import { tellingStore } from './rollouts.ts';
import { COPY_DIR, POINTER_DIR, SCOPE, type Simulation, STATE_DIR } from './simulation.ts';

const ROOTS = { system: STATE_DIR, home: '/srv/other-state', homePlaces: '/srv/other-state' };

/** `rollback --break-glass`, once it is confirmed. Throws Refused where it would. */
export async function rescue(process: Process, say: (line: string) => void = () => undefined): Promise<Ending> {
  const { io } = process;
  const stream = { write: (text: string) => say(text.trim()) } as unknown as NodeJS.WritableStream;
  const voice = new Voice({ stdout: stream, stderr: stream }, { json: false, quiet: false });
  const { host, pid } = io.self();
  const commandFor = (guid: string) => `--to ${guid}`;
  const wanted = {
    ...SCOPE,
    preferred: [STATE_DIR],
    program: 'node break-glass.mjs',
    stateless: '',
    searched: [],
    hasHome: true,
    strangerHint: () => '',
  };
  const source = chooseSource(findPlaces([STATE_DIR, COPY_DIR], undefined, io.fs), wanted);
  const choice = chooseBuild([source.newest, ...source.pointers.slice(1)], undefined, new Map(), commandFor);
  const rescuing = {
    source,
    choice,
    id: io.randomId(),
    reason: 'sign-in is down',
    actor: 'carol',
    host,
    pid,
    next: [],
    environments: [],
    otherCommands: [],
    mark: undefined,
    claims: undefined,
  };
  return actOn(rescuing, { outside: io, machine: io, voice, roots: ROOTS });
}

/** `reconcile`: the rescue is written down and the hold lifted; `lifting` is called just before. */
export async function reconcile(sim: Simulation, process: Process, lifting: () => void): Promise<void> {
  const { io } = process;
  const store = tellingStore(sim, process);
  const { ledger, end } = await takeLead({ io, store, scope: SCOPE, actor: 'carol' }, 'reconcile', { takeOver: true });
  const event = { type: 'reconciled', atMs: io.now(), reason: 'reviewed', serving: null } as const;
  if (await ledger.append({ ...event, bad: [], records: [] })) {
    lifting();
    liftHold([POINTER_DIR, pointerDir(COPY_DIR, SCOPE)], io.fs);
  }
  await end();
}
