/** Plan files: written by `plan --out`, promoted by `promote --plan` as long as nothing they were made from has changed. */
import { replaceFile } from '../base/durable/durable-file.ts';
import { readPointers } from '../base/pointer/pointer.ts';
import { typedPath } from '../config/files.ts';
import { KvdeployError, type Refusal } from '../core/errors.ts';
import type { Plan } from '../core/rollout/plan.ts';
import {
  type PlanFile,
  type PlanRead,
  parsePlanFile,
  planDifference,
  planFileText,
  whatMoved,
} from '../core/rollout/plan-file.ts';
import { sameScope, scopeText } from '../core/scope.ts';
import { membersAt } from '../routers/places.ts';
import type { Reading } from '../routers/router.ts';
import type { Deps } from './deps.ts';
import type { Release } from './judge-release.ts';
import type { Opened } from './open.ts';

const MAX_BYTES = 4 * 1024 * 1024;

/** Writes the plan of this release with everything that it was made from. */
export function writePlanFile(file: string, release: Release, plan: Plan, opened: Opened, deps: Deps): void {
  const read = readNow(release, opened, deps);
  if (read.router === null) throw new Error('a release with a plan has read its target');
  const madeAt = new Date(deps.io.now()).toISOString();
  const text = planFileText({ madeAt, plan, hazards: release.hazards, read: { ...read, router: read.router } });
  const path = typedPath(deps.cwd, file, '--out');
  try {
    replaceFile(path, text, deps.io.fs);
  } catch (cause) {
    throw new KvdeployError('USAGE', {
      message: `The plan cannot be written to ${file}: ${cause instanceof Error ? cause.message : String(cause)}.`,
      hint: 'Give --out FILE in a folder that you can write to.',
      cause,
    });
  }
}

/** Reads a plan file of this scope. Throws PLAN_INVALID, or WRONG_SCOPE for another scope's. */
export function readPlanFile(file: string, opened: Opened, deps: Deps): PlanFile {
  const hint = `Create it again: kvdeploy plan ${opened.flags} --build GUID --out ${file}`;
  const made = parsed(file, hint, deps);
  if (sameScope(made.scope, opened.scope) && sameScope(made.plan.scope, opened.scope)) return made;
  throw new KvdeployError('WRONG_SCOPE', {
    message: `${file} is a plan for ${scopeText(made.scope)}, not for ${scopeText(opened.scope)}.`,
    hint,
  });
}

function parsed(file: string, hint: string, deps: Deps): PlanFile {
  const path = typedPath(deps.cwd, file, '--plan');
  try {
    const { size } = deps.io.fs.statSync(path);
    if (size > MAX_BYTES) throw new Error(`it has more than ${MAX_BYTES} bytes`);
    return parsePlanFile(String(deps.io.fs.readFileSync(path, 'utf8')));
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new KvdeployError('PLAN_INVALID', { message: `${file} cannot be used: ${why}.`, hint, cause });
  }
}

/** Refuses a plan file when anything that it was made from is different now, or when another plan would be made now. */
export function staleness(file: string, made: PlanFile, release: Release, opened: Opened, deps: Deps): Refusal | undefined {
  const moved = whatMoved(made.read, readNow(release, opened, deps));
  const parts = release.plan === null ? [] : planDifference(made.plan, release.plan);
  const why = moved.length > 0 || parts.length === 0 ? moved : [`a new plan would have different ${parts.join(', ')}`];
  if (why.length === 0) return undefined;
  return {
    code: 'STALE_PLAN',
    message: `${file} is stale: ${why.join('; ')}.`,
    hint: `Create and review it again: kvdeploy plan ${opened.flags} --build ${made.plan.candidate.guid} --out ${file}`,
  };
}

function readNow(
  release: Release,
  opened: Opened,
  deps: Deps,
): Omit<PlanRead, 'router'> & { readonly router: PlanRead['router'] | null } {
  const { newest } = readPointers(opened.pointerDirs[0] ?? '', deps.io.fs, opened.scope);
  return {
    files: release.read.map(({ file, sha256 }) => ({ file, sha256 })),
    ledger: { nextSeq: opened.history.nextSeq, head: opened.ledgerHead },
    pointer: { generation: newest?.generation ?? null },
    router: release.reading === null ? null : routerRead(release.reading),
  };
}

/** Each place with its share and the addresses of its members. */
function routerRead(reading: Reading): PlanRead['router'] {
  return reading.places.map(({ place, percent }) => {
    const addresses = membersAt(reading, place).flatMap(({ member }) => member.ask.address ?? []);
    return { place, percent, address: addresses.length === 0 ? null : [...new Set(addresses)].sort().join(' ') };
  });
}
