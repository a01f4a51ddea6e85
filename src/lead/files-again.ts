/**
 * The file checks of a rollout that is under way: what its candidate was admitted on, judged again as manifests and ledgers are now. Must
 * never take what cannot be read for fine, and must not stop a rollout for a fault in another scope's file.
 */
import { join } from 'node:path';
import { loadManifests } from '../config/load.ts';
import { isPlaceOf } from '../config/manifests.ts';
import type { LoadedConfig } from '../config/settings.ts';
import { admit, FILES_AGAIN_CHECKS, LEDGERS_AGAIN_CHECKS } from '../core/admission/admission.ts';
import type { Refusal } from '../core/errors.ts';
import type { History } from '../core/ledger/history.ts';
import type { Plan } from '../core/rollout/plan.ts';
import type { FilesAgain, Standing } from '../engine/condition.ts';
import { fileFacts } from '../engine/facts.ts';
import type { Io } from '../io.ts';
import type { Deps } from '../release/deps.ts';
import { environmentsOf, type Opened } from '../release/open.ts';

/** More entries below the manifest folder than this are not compared, but read again. */
const MOST_ENTRIES = 5000;

const RIGHT: Standing = { is: 'right' };

/** Judges again where there is a checkout of this scope; else by ledgers alone, which is said. */
export function filesAgain(opened: Opened, deps: Deps): FilesAgain {
  const config = opened.settings === null ? null : opened.config;
  const told = new Set<string>();
  const warn = (message: string) => {
    if (!told.has(message)) deps.line({ type: 'note', level: 'warning', message });
    told.add(message);
  };
  let last: { readonly stamp: string; readonly standing: Standing } | undefined;
  return {
    async judge(plan, history, whole) {
      if (plan.kind === 'rollback') return RIGHT;
      const stamp = config === null ? 'no files' : stampOf(config.manifestsDir, deps.io);
      if (!whole && last !== undefined && stamp !== undefined && stamp === last.stamp && last.standing.is === 'right')
        return last.standing;
      try {
        const standing = await judged(opened, config, plan, history, deps, warn);
        last = stamp === undefined ? undefined : { stamp, standing };
        return standing;
      } catch (error) {
        last = undefined;
        return unseen(`the manifests cannot be read: ${error instanceof Error ? error.message : String(error)}`);
      }
    },
  };
}

/** Says what a rollout that is led without a checkout goes without. */
export function tellUnseenFiles({ config, settings }: Pick<Opened, 'config' | 'settings'>, deps: Deps): void {
  if (config !== null && settings !== null) return;
  const message = 'files not seen: there is no checkout here, so only the ledgers and the builds themselves are asked again';
  deps.line({ type: 'check', name: 'the manifests still offer the build', ok: null, message });
}

async function judged(
  opened: Opened,
  config: LoadedConfig | null,
  plan: Plan,
  history: History,
  deps: Deps,
  warn: (message: string) => void,
): Promise<Standing> {
  const { guid } = plan.candidate;
  const unread = { listed: [], atPlace: [], listing: undefined, unseen: [], environments: environmentsOf(opened) };
  if (config === null) {
    const facts = await fileFacts({ ...opened, ...unread, history, guid }, deps.io);
    return standingOf(admit(facts, LEDGERS_AGAIN_CHECKS).refusal);
  }
  const { manifests, findings } = await loadManifests(config, config.manifestsDir, deps.io);
  const isOurs = (file: string) => isPlaceOf(file, plan.scope, config.tenants.length > 1);
  const unreadable = findings.filter(({ kind }) => kind === 'syntax');
  for (const { file, message } of unreadable.filter((finding) => !isOurs(finding.file)))
    warn(`${file}: ${message} The rollout continues: it is another scope's file.`);
  const listed = manifests.flatMap(({ builds }) => builds);
  const atPlace = manifests.filter(({ file }) => isOurs(file)).flatMap(({ builds }) => builds);
  const facts = await fileFacts({ ...opened, ...unread, listed, atPlace, history, guid }, deps.io);
  for (const { why } of facts.unseen.filter(({ expected }) => expected))
    warn(`${why}. The rollout continues: it is another scope's ledger.`);
  const standing = standingOf(admit(facts, FILES_AGAIN_CHECKS).refusal);
  const own = unreadable.find(({ file }) => isOurs(file));
  if (standing.is === 'wrong') return standing;
  return own === undefined ? standing : unseen(`${own.file} cannot be read: ${own.message.replace(/\.$/, '')}`);
}

/** A row that is gone proves nothing against the build: nothing is raised until it is there again. */
function standingOf(refusal: Refusal | undefined): Standing {
  if (refusal === undefined) return RIGHT;
  const why = refusal.message.replace(/\.$/, '');
  return refusal.code === 'UNLISTED_BUILD' ? unseen(why) : { is: 'wrong', code: refusal.code, why };
}

function unseen(why: string): Standing {
  return { is: 'silent', what: 'manifests', why };
}

/** What everything below the folder looks like without being read; undefined where that cannot be told. */
function stampOf(root: string, { fs }: Pick<Io, 'fs'>): string | undefined {
  const lines: string[] = [];
  const folders = [root];
  try {
    for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
      for (const name of fs.readdirSync(folder)) {
        const path = join(folder, name);
        const stat = fs.lstatSync(path);
        if (stat.isDirectory()) folders.push(path);
        lines.push([path, stat.ino, stat.size, stat.mtimeMs, stat.ctimeMs, stat.mode].join(' '));
        if (lines.length > MOST_ENTRIES) return undefined;
      }
    }
  } catch {
    return undefined;
  }
  return lines.sort().join('\n');
}
