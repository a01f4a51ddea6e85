/** `doctor`: checks everything that an emergency needs. Must change nothing, and must report what it cannot reach. */
import type { Scope } from '../../../base/scope.ts';
import type { LoadedConfig } from '../../../config/settings.ts';
import { openRollout } from '../../../core/ledger/history.ts';
import { scopeText } from '../../../core/scope.ts';
import type { Target } from '../../../engine/target.ts';
import { type Deps, done, type Outcome } from '../../../release/deps.ts';
import { marked, type Opened, openedScope, scopeOf, targetOf, tryConfig } from '../../../release/open.ts';
import { groupOf, stateDirOf } from '../../../release/state-dir.ts';
import { localStore } from '../../../stores/local.ts';
import type { StoredLedger } from '../../../stores/store.ts';
import { type DoctorCheck, within } from './check.ts';
import { locationChecks } from './locations.ts';
import { fileChecks, machineChecks } from './machine.ts';
import { rehearsalChecks } from './rehearsal.ts';
import {
  allowanceCheck,
  folderChecks,
  holdCheck,
  leaderCheck,
  ledgerCheck,
  markCheck,
  pointerChecks,
  type Seen,
} from './state.ts';
import { buildChecks, clockCheck, driftCheck, gateChecks, routerChecks, setupChecks, slowestGateMs } from './target.ts';

/** Each group of checks that asks something outside; with those before it, well under 15 s. */
const GROUP_MS = 5000;

const REHEARSAL_MS = 12_000;

/** The checks of one scope, or of the machine where `scope` is null. */
interface Section {
  readonly scope: Scope | null;
  readonly checks: readonly DoctorCheck[];
}

export async function doctor(options: { readonly breakGlass?: boolean }, deps: Deps): Promise<Outcome> {
  const { config, why } = await tryConfig(deps);
  const sections: Section[] = [];
  const tell = (section: Section) => {
    sections.push(section);
    show(section, deps);
  };
  if (options.breakGlass !== true) {
    const files = await within('files', GROUP_MS, deps, () => fileChecks(config, why, deps));
    tell({ scope: null, checks: [...machineChecks(deps.io), ...files] });
  }
  const state = stateOf(config, deps);
  const scopes = await scopesOf(config, state, deps);
  const look = options.breakGlass === true ? rehearsed : examined;
  for (const section of await Promise.all(scopes.map(async (scope) => ({ scope, checks: await look(scope, state, deps) }))))
    tell(section);
  deps.line({ type: 'document', name: 'doctor', data: { sections } });
  return outcomeOf(sections);
}

type State = Pick<Opened, 'config' | 'stateDir' | 'store'>;

function stateOf(config: LoadedConfig | null, deps: Deps): State {
  const stateDir = stateDirOf(deps, config);
  return { config, stateDir, store: localStore(stateDir, deps.io, groupIfAny(config, deps)) };
}

/** A group that this machine does not have is a finding of the state's folder; the other checks still run. */
function groupIfAny(config: LoadedConfig | null, deps: Deps): ReturnType<typeof groupOf> {
  try {
    return groupOf(config, deps.io);
  } catch {
    return undefined;
  }
}

/** The one scope that was named, else every one that the config has, or without a config the state. */
async function scopesOf(config: LoadedConfig | null, { store }: State, deps: Deps): Promise<readonly Scope[]> {
  const { env, tenant, service } = deps.globals;
  if (env !== undefined || (deps.io.env('KVDEPLOY_ENV') ?? '') !== '') return [await scopeOf(deps, config, store)];
  const known = config === null ? await store.scopes().catch(() => []) : config.services.map((each) => each.scope);
  return known.filter((scope) => (tenant ?? scope.tenant) === scope.tenant && (service ?? scope.service) === scope.service);
}

const NO_LEDGER: Pick<StoredLedger, 'entries' | 'head' | 'claimFile'> = { entries: [], head: '0'.repeat(64), claimFile: null };

/** A ledger that cannot be read is a finding; everything else is still checked. */
async function readLedger(scope: Scope, state: State, deps: Deps) {
  let opened = openedScope(scope, state, NO_LEDGER, deps);
  const checks = await within('ledger', GROUP_MS, deps, async () => {
    const startedMs = deps.io.monotonic();
    const ledger = await state.store.read(scope);
    opened = await marked(openedScope(scope, state, ledger, deps), deps);
    return [ledgerCheck(opened, { ms: deps.io.monotonic() - startedMs, tornBytes: ledger.tornBytes }), leaderCheck(opened, deps)];
  });
  return { opened, checks };
}

async function examined(scope: Scope, state: State, deps: Deps): Promise<readonly DoctorCheck[]> {
  const { opened, checks } = await readLedger(scope, state, deps);
  const group = (name: string, work: Parameters<typeof within>[3]) => within(name, GROUP_MS, deps, work);
  const local = [
    ...(await group('state folder', () => folderChecks(opened, deps))),
    ...checks,
    ...(await group('hold', () => [holdCheck(opened, deps), markCheck(opened, deps)])),
  ];
  let target: Target | null = null;
  let seen: Seen | null = null;
  const router = await group('router', async () => {
    target = targetNow(opened, deps);
    const reading = await target.read();
    seen = { target, reading };
    return routerChecks({ target, reading }, opened);
  });
  // Also where the router cannot be read: then this may say why.
  const hosts = await group('hosts', () => locationChecks(target, seen));
  const pointer = await group('pointer', () => [...pointerChecks(opened, seen, deps), ...allowanceCheck(opened, seen, deps)]);
  return [...local, ...pointer, ...router, ...hosts, ...(await asked(seen, opened, deps))];
}

/** Everything behind the router; nothing if the router did not answer, which is a FAIL of its own. */
async function asked(seen: Seen | null, opened: Opened, deps: Deps): Promise<readonly DoctorCheck[]> {
  if (seen === null) return [];
  const groups = await Promise.all([
    within('drift', GROUP_MS, deps, async () => [await driftCheck(seen, opened, deps)]),
    within('builds', GROUP_MS, deps, () => buildChecks(seen, opened, deps)),
    within('gates', GROUP_MS + slowestGateMs(opened), deps, () => gateChecks(seen, opened, deps)),
    within('clock', GROUP_MS, deps, () => clockCheck(seen, deps)),
  ]);
  return groups.flat();
}

/** An open rollout runs on its own plan's router, whatever the config says today. */
function targetNow(opened: Opened, deps: Deps): Target {
  return targetOf(opened, deps, openRollout(opened.history) === null ? 'config' : 'ledger');
}

async function rehearsed(scope: Scope, state: State, deps: Deps): Promise<readonly DoctorCheck[]> {
  const { opened } = await readLedger(scope, state, deps);
  const listen = opened.settings?.router?.['listen'];
  const addresses: string[] = typeof listen === 'string' ? [listen] : [];
  // Only the router knows the addresses of the builds, and how it is set up; the rehearsal does not depend on its answer.
  const router = await within('router', GROUP_MS, deps, async () => {
    const target = targetNow(opened, deps);
    const reading = await target.read();
    addresses.push(...reading.locations.flatMap(({ members }) => members.flatMap(({ ask }) => ask.address ?? [])));
    return setupChecks({ target, reading }, opened);
  });
  const dirs = await Promise.all(
    opened.pointerDirs.map((dir) => within('rescue', REHEARSAL_MS, deps, () => rehearsalChecks(opened, dir, addresses, deps))),
  );
  return [...dirs.flat(), ...router];
}

function show({ scope, checks }: Section, deps: Deps): void {
  const where = scope === null ? 'this machine' : scopeText(scope);
  const shown = checks.filter(({ level }) => level !== 'ok' || deps.globals.quiet !== true);
  const lines = shown.flatMap(({ level, name, found, fix }) => [
    `  ${level.padEnd(4)}  ${name.padEnd(12)}  ${found}`,
    ...(fix === null ? [] : [`${' '.repeat(22)}try: ${fix}`]),
  ]);
  if (lines.length > 0) deps.print([where, ...lines].join('\n'));
  if (deps.globals.json !== true) return;
  for (const { level, name, found, fix } of checks) {
    const message = fix === null ? found : `${found}; ${fix}`;
    deps.line({ type: 'check', name: `${where}: ${name}`, ok: level === 'ok' ? true : level === 'FAIL' ? false : null, message });
  }
}

function outcomeOf(sections: readonly Section[]): Outcome {
  const checks = sections.flatMap((section) => section.checks);
  const failed = checks.filter(({ level }) => level === 'FAIL').length;
  const warned = checks.filter(({ level }) => level === 'warn').length;
  const warnings = `${warned} ${warned === 1 ? 'warning' : 'warnings'}`;
  if (checks.length === 0)
    return { code: 'DOCTOR_FAILED', message: 'There is no service to check.', hint: 'Name one: --env production' };
  if (failed === 0) return done(`${checks.length} checks, ${warnings}, no failures; nothing was changed.`);
  const urgent = checks.find(({ attention }) => attention === true);
  const failures = `${failed} of ${checks.length} checks failed, ${warnings}.`;
  if (urgent !== undefined) {
    const message = `${urgent.name}: ${urgent.found.replace(/\.$/, '')}. ${failures} Nothing was changed.`;
    return {
      code: 'NEEDS_ATTENTION',
      message,
      hint: urgent.fix ?? '',
      next: urgent.fix?.startsWith('kvdeploy ') ? [urgent.fix] : [],
    };
  }
  const message = `${failures} Each FAIL matters in an emergency or stops the next promotion. Nothing was changed.`;
  return { code: 'DOCTOR_FAILED', message, hint: 'Do what is written under each FAIL.' };
}
