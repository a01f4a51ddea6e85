/** Looks at the owner rule, at whose changes are made, and at the program that a rehearsal runs. Prints nothing itself. */
import fs, { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { groupModes } from '../../src/base/durable/durable-file.ts';
import { openStateDir } from '../../src/base/durable/state-dir.ts';
import { judgePath } from '../../src/base/owners/path-owners.ts';
import { writePointer } from '../../src/base/pointer/pointer.ts';
import { refuseStrangeChanges } from '../../src/break-glass/whose.ts';
import { rehearsalChecks } from '../../src/commands/start/doctor/rehearsal.ts';
import { lyingFs } from '../base/owners/lying-fs.ts';
import { pointerOf, SCOPE } from '../break-glass/scene.ts';

const STRANGER = 54_321;

const STATES: Readonly<Record<string, Readonly<Record<string, { uid: number; gid?: number; mode: number }>>>> = {
  'a folder of a stranger': { '/srv': { uid: 0, mode: 0o755 }, '/srv/state': { uid: STRANGER, mode: 0o700 } },
  'a state below a folder of a stranger': { '/srv': { uid: STRANGER, mode: 0o755 }, '/srv/state': { uid: 0, mode: 0o700 } },
  'a state that a group can write in which no account of the files is': {
    '/srv': { uid: 0, mode: 0o755 },
    '/srv/state': { uid: 0, gid: 4242, mode: 0o2770 },
  },
  'a state below a folder that any user can write': { '/srv': { uid: 0, mode: 0o777 }, '/srv/state': { uid: 0, mode: 0o700 } },
};

/** What the owner rule and those who build on it let pass. */
export async function owners(): Promise<readonly string[]> {
  const folder = mkdtempSync(join(tmpdir(), 'kvdeploy-owners-'));
  try {
    const believed = { user: 0, owners: [], group: undefined };
    const passed = Object.entries(STATES).filter(
      ([, lies]) => judgePath('/srv/state', believed, lyingFs(folder, lies)).stranger === undefined,
    );
    return [
      ...passed.map(([how]) => `believed: ${how}`),
      ...obeyed(folder, ['group 1235']),
      ...obeyed(folder, []),
      ...(await ran(folder)),
    ];
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** A pointer that runs a program, and that these could have written, on a machine without machine file. */
function obeyed(folder: string, others: readonly string[]): string[] {
  const pointer = { ...pointerOf(), generation: 1 };
  const [source, choice] = [
    { scope: SCOPE, others },
    { restore: pointer.knownGood, pointer, others: [] },
  ];
  type Asked = Parameters<typeof refuseStrangeChanges>;
  const voice = { say: () => undefined } as unknown as Asked[4];
  try {
    refuseStrangeChanges(source as unknown as Asked[0], choice as unknown as Asked[1], {}, lyingFs(folder, {}), voice);
    return [`a program of a pointer that ${others[0] ?? 'only root'} could write was run without a machine file`];
  } catch {
    return [];
  }
}

/** A program next to the pointer that is not the installed one. */
async function ran(folder: string): Promise<string[]> {
  const dir = openStateDir(join(folder, 'state'), [...Object.values(SCOPE), 'pointer'], fs, groupModes(0));
  writePointer(dir, pointerOf(), fs, groupModes(0));
  fs.writeFileSync(join(dir, 'break-glass.mjs'), 'planted');
  const programs: string[] = [];
  const run = async (argv: readonly string[]) => {
    programs.push(argv.join(' '));
    return { exitCode: 0, stdout: '', stderr: '' };
  };
  type Asked = Parameters<typeof rehearsalChecks>;
  const io = { fs, run, secret: () => undefined };
  await rehearsalChecks({ scope: SCOPE, flags: '' } as Asked[0], dir, [], { io } as unknown as Asked[3]).catch(() => []);
  return programs.filter((words) => words.includes('--rehearse')).map(() => 'a tampered program was run by the rehearsal');
}
