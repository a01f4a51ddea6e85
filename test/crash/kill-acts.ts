/** The commands that the kill sweep kills, each from the state that it needs, in a small real site. Must not judge what comes of it. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { BLUE, GREEN, PRODUCTION, SURE } from '../cli/local-builds.ts';
import { type LocalSite, openLocalSite } from '../cli/local-site.ts';
import { BIN } from '../cli/run-cli.ts';
import { type Call, type Ran, trace, type Where } from './strace.ts';

export type ActName = 'adopt' | 'promote' | 'break-glass' | 'reconcile' | 'rollback' | 'resume' | 'abort';

export interface Act {
  readonly name: ActName;
  /** The state that it starts from, kept under this name. */
  readonly from: string;
  readonly args: readonly string[];
  /** Under which name the state after it is kept, for those that come next. */
  readonly keepsAs?: string;
}

const WHY = ['--reason', 'swept by a test'];
export const RESCUE = ['rollback', '--break-glass', ...PRODUCTION, '--to', BLUE.guid, ...WHY, ...SURE];

/** In this order each finds the state that it starts from. */
export const ACTS: readonly Act[] = [
  { name: 'adopt', from: 'empty', args: ['adopt', ...PRODUCTION, ...SURE, '--json'], keepsAs: 'adopted' },
  {
    name: 'promote',
    from: 'adopted',
    args: ['promote', ...PRODUCTION, '--build', GREEN.guid, ...SURE, '--json'],
    keepsAs: 'promoted',
  },
  { name: 'break-glass', from: 'promoted', args: [...RESCUE, '--json'], keepsAs: 'held' },
  { name: 'reconcile', from: 'held', args: ['reconcile', ...PRODUCTION, ...SURE, ...WHY, '--json'] },
  { name: 'rollback', from: 'promoted', args: ['rollback', ...PRODUCTION, '--to', BLUE.guid, ...SURE, ...WHY, '--json'] },
  { name: 'resume', from: 'split', args: ['resume', ...PRODUCTION, '--json'] },
  { name: 'abort', from: 'split', args: ['abort', ...PRODUCTION, ...WHY, '--json'] },
];

/** An act whose every changing call is known. */
export interface Known {
  readonly act: Act;
  readonly calls: readonly Call[];
}

export const argvOf = (act: Act) => [process.execPath, BIN, ...act.args];

export function whereOf(site: LocalSite): Where {
  return { cwd: site.checkout, env: { HOME: site.home, USER: 'tess' } };
}

/** A site in which every act was run once, its calls known and the state before it kept. */
export async function openKillSite(): Promise<{ site: LocalSite; known: readonly Known[] }> {
  const site = await openLocalSite(['production']);
  try {
    return { site, known: await tryAll(site) };
  } catch (error) {
    await site.close();
    throw error;
  }
}

async function tryAll(site: LocalSite): Promise<readonly Known[]> {
  site.writeConfig({ bakeMs: 50 });
  site.keep('empty');
  const known: Known[] = [];
  for (const act of ACTS) {
    await begin(site, act);
    const { calls, ran } = await trace(argvOf(act), whereOf(site), site.folder);
    mustSucceed(act.name, ran);
    known.push({ act, calls });
    if (act.keepsAs !== undefined) site.keep(act.keepsAs);
    if (act.name === 'adopt') await keepSplit(site);
  }
  return known;
}

/** A rollout that somebody left at 25 %. */
async function keepSplit(site: LocalSite): Promise<void> {
  const args = ['promote', ...PRODUCTION, '--build', GREEN.guid, ...SURE, '--until', '25', '--json'];
  mustSucceed('promote --until', await site.run(args));
  site.keep('split');
  await site.restore('adopted');
}

function mustSucceed(name: string, ran: Ran): void {
  if (ran.exitCode !== 0) throw new Error(`${name} ended with ${ran.exitCode}: ${ran.stdout}${ran.stderr}`);
}

/** Brings back the state that the act starts from. */
export async function begin(site: LocalSite, act: Act): Promise<void> {
  await site.restore(act.from);
  // The first command of a machine also notes where the state lies.
  if (act.name === 'adopt') rmSync(join(site.home, '.local'), { recursive: true, force: true });
}
