/** Finds what a command is about: config, scope, state, ledger. Must not guess an environment, and must not change anything. */
import { isDeepStrictEqual } from 'node:util';
import type { Code } from '../base/codes.ts';
import { actorOf, claimsOf } from '../base/owners/actor.ts';
import { pointerDir } from '../base/pointer/pointer.ts';
import type { Scope } from '../base/scope.ts';
import { shellWord } from '../base/text.ts';
import { loadConfig } from '../config/load.ts';
import { machineOf } from '../config/machine.ts';
import type { LoadedConfig, ServiceSettings } from '../config/settings.ts';
import { KvdeployError } from '../core/errors.ts';
import { fold, type History } from '../core/ledger/history.ts';
import type { Entry } from '../core/ledger/ledger.ts';
import { rehomed } from '../core/ledger/rehomed.ts';
import { nearest } from '../core/nearest.ts';
import { nameProblem, sameScope, scopeFlags, scopeText } from '../core/scope.ts';
import { openTarget, type Target } from '../engine/target.ts';
import { homeOf } from '../routers/places.ts';
import { stores } from '../stores/index.ts';
import type { Store, StoredLedger } from '../stores/store.ts';
import type { Deps } from './deps.ts';
import { assertOwnTarget, type Marking, markingOf, NOT_MARKED } from './other-state.ts';
import { groupOf, stateDirOf } from './state-dir.ts';
import { assertConfigOwned } from './trust/config-owner.ts';
import { mayRunBy, refuseStrangePrograms } from './trust/programs.ts';

/** A scope with everything that commands need to work on it. */
export interface Opened {
  readonly scope: Scope;
  /** Null where the config could not be read and the command can do without. */
  readonly config: LoadedConfig | null;
  readonly settings: ServiceSettings | null;
  readonly stateDir: string;
  readonly store: Store;
  readonly entries: readonly Entry[];
  /** SHA-256 of the ledger's last line; 64 zeros when it has none. */
  readonly ledgerHead: string;
  readonly history: History;
  /** What the store proves of whoever leads; null when no one does. */
  readonly claimFile: StoredLedger['claimFile'];
  /** Its own first, then the copies, then that of another copy of the same state: a hold counts in each. */
  readonly pointerDirs: readonly string[];
  /** Whether the target is this state's to drive. */
  readonly marking: Marking;
  /** The account that asks. */
  readonly actor: string;
  /** What the environment claims of who asks; undefined where it claims nothing else. */
  readonly claims: Readonly<Record<string, string>> | undefined;
  /** What a printed command needs to be about the same scope, config and state as this one. */
  readonly flags: string;
}

/**
 * Opens the scope that the flags name. With `config: 'optional'` a missing or broken config is a warning, and the ledger's
 * own plan is used: a rollback must not depend on files that can be broken. Throws OTHER_STATE where another state drives the target;
 * with `anyState` the command itself says so.
 */
export async function openScope(
  deps: Deps,
  options: { readonly config: 'needed' | 'optional'; readonly anyState?: true },
): Promise<Opened> {
  checkMachineFile(deps, options.config === 'optional' && options.anyState === true);
  const { config, why } = await tryConfig(deps);
  if (why !== null && options.config === 'needed') throw why;
  const stateDir = stateDirOf(deps, config);
  const store = stores.local({ stateDir, group: groupOf(config, deps.io) }, deps.io);
  if (why !== null) await goOnWithout(why, store, deps);
  const scope = await scopeOf(deps, config, store);
  deps.situation.scope = scope;
  const opened = await marked(openedScope(scope, { config, stateDir, store }, await store.read(scope), deps), deps);
  if (options.anyState !== true) assertOwnTarget(opened, deps);
  return opened;
}

/** A machine file that does not count refuses: MACHINE_FILE_INVALID. What only looks goes on without it, as break-glass does. */
function checkMachineFile({ io, line }: Deps, looksOnly: boolean): void {
  try {
    machineOf(io);
  } catch (error) {
    if (!looksOnly || !(error instanceof KvdeployError)) throw error;
    line({ type: 'note', level: 'warning', message: `${error.message} Continuing without it. ${error.hint}` });
  }
}

/** With what the markers at the target say. */
export async function marked(opened: Opened, deps: Deps): Promise<Opened> {
  const marking = await markingOf(opened, deps);
  const twin = marking.twin === null ? [] : [marking.twin];
  return { ...opened, marking, pointerDirs: [...opened.pointerDirs, ...twin] };
}

/** What config, state and ledger make of a scope together. */
export function openedScope(
  scope: Scope,
  from: Pick<Opened, 'config' | 'stateDir' | 'store'>,
  { entries, head, claimFile }: Pick<StoredLedger, 'entries' | 'head' | 'claimFile'>,
  deps: Deps,
): Opened {
  const settings = from.config?.services.find((service) => sameScope(service.scope, scope)) ?? null;
  const history = historyOf(entries, settings);
  const copies = settings?.copies ?? history.rollout?.plan.copies ?? [];
  const actor = actorOf(deps.io.fs);
  return {
    ...from,
    scope,
    settings,
    entries,
    ledgerHead: head,
    history,
    marking: NOT_MARKED,
    claimFile,
    pointerDirs: [from.stateDir, ...copies].map((root) => pointerDir(root, scope)),
    actor,
    claims: claimsOf(deps.io.env, actor),
    flags: flagsOf(scope, deps),
  };
}

/** What the ledger means, with each build at the place that its `ref` means in today's config. */
export function historyOf(entries: readonly Entry[], settings: Pick<ServiceSettings, 'router'> | null): History {
  return rehomed(fold(entries), (ref) => homeOf(settings?.router ?? {}, ref));
}

type Tried = { readonly config: LoadedConfig; readonly why: null } | { readonly config: null; readonly why: KvdeployError };

/** The config, or why there is none. */
export async function tryConfig(deps: Deps): Promise<Tried> {
  try {
    const config = await loadConfig({ file: deps.globals.config, cwd: deps.cwd }, deps.io);
    if (deps.globals.config === undefined) assertConfigOwned(config, deps.io);
    return { config, why: null };
  } catch (error) {
    if (!(error instanceof KvdeployError)) throw error;
    return { config: null, why: error };
  }
}

/** Without a config the ledger's own plans are used; where the state is empty too, the config is what is wrong. */
async function goOnWithout(why: KvdeployError, store: Store, deps: Deps): Promise<void> {
  if ((await store.scopes()).length === 0) {
    const { code, message, places, findings } = why;
    const hint = `${why.hint} Without a config, give the state directory: --state-dir DIR.`;
    throw new KvdeployError(code, { message, hint, places, findings, cause: why });
  }
  deps.line({ type: 'note', level: 'warning', message: `${why.message} Continuing with what the ledger contains.` });
}

/** The scope that the flags, the config and the state name together; each missing part must have exactly one answer. */
export async function scopeOf(deps: Deps, config: LoadedConfig | null, store: Store | null): Promise<Scope> {
  const asked = deps.globals.env ?? deps.io.env('KVDEPLOY_ENV');
  if (asked === undefined || asked === '') {
    throw new KvdeployError('USAGE', {
      message: 'No environment was given, and there is no default.',
      hint: 'Name it: --env production',
    });
  }
  const known = config === null ? ((await store?.scopes()) ?? []) : config.services.map((service) => service.scope);
  // A word that cannot be a name is refused as one, before anything is said of tenants.
  if (nameProblem(asked) !== undefined) throw unknownName('environment', asked, known);
  const tenant = pick('tenant', deps.globals.tenant, known);
  const inTenant = known.filter((scope) => scope.tenant === tenant);
  const environment = pick('environment', asked, inTenant);
  const here = inTenant.filter((scope) => scope.environment === environment);
  return { tenant, environment, service: pick('service', deps.globals.service, here) };
}

function pick(part: keyof Scope, asked: string | undefined, known: readonly Scope[]): string {
  const names = [...new Set(known.map((scope) => scope[part]))];
  if (asked !== undefined) {
    if (names.includes(asked)) return asked;
    throw unknownName(part, asked, known);
  }
  const [only] = names;
  if (only !== undefined && names.length === 1) return only;
  throw new KvdeployError(
    'SCOPE_UNCLEAR',
    only === undefined
      ? {
          message: `Neither config nor state knows any ${part}.`,
          hint: `Name it: --${part} NAME, or run this where the config or the state is.`,
        }
      : { message: `There are several ${part}s: ${names.join(', ')}.`, hint: `Choose one: --${part} ${only}` },
  );
}

/** A name that no known scope has, with the near miss or all that there are. */
export function unknownName(part: keyof Scope, asked: string, known: readonly Scope[]): KvdeployError {
  const names = [...new Set(known.map((scope) => scope[part]))];
  const problem = nameProblem(asked);
  const near = nearest(asked, names);
  const flag = part === 'environment' ? '--env' : `--${part}`;
  return new KvdeployError('UNKNOWN_NAME', {
    message: `There is no ${part} ${JSON.stringify(asked)}${problem === undefined ? '' : `: ${problem}`}.`,
    hint: near === undefined ? `Known: ${names.join(', ') || 'none'}` : `Did you mean ${flag} ${near}?`,
  });
}

/** What a printed command needs to be about the same scope, config and state. */
export function flagsOf(scope: Scope, { globals }: Deps): string {
  const said = [
    ['--state-dir', globals.stateDir],
    ['--config', globals.config],
  ] as const;
  return [scopeFlags(scope), ...said.flatMap(([flag, value]) => (value === undefined ? [] : [flag, shellWord(value)]))].join(' ');
}

/** The router and the identity of a scope: from today's config, else from the ledger's last plan. */
export function targetOf(opened: Opened, deps: Deps, from: 'config' | 'ledger' = 'config'): Target {
  const plan = opened.history.rollout?.plan ?? null;
  const { router, identity } = (from === 'config' ? opened.settings : null) ?? plan ?? { router: null, identity: null };
  if (router === null) {
    throw new KvdeployError('NO_ROUTER', {
      message: `${scopeText(opened.scope)} has no router, so nothing can be promoted there.`,
      hint: `Add router: { kind: … } to the service in ${opened.config?.file ?? 'the config'}: kvdeploy schema config`,
    });
  }
  // Which members a place has is the config's word: an older one's are forgotten.
  const layout = isDeepStrictEqual(router, plan?.router) ? plan?.layout : undefined;
  refuseStrangePrograms(router, opened.scope, deps.io);
  return openTarget(router, identity, deps.io, { layout, mayRun: mayRunBy(deps), scope: opened.scope });
}

/** Every environment that the config names; none without a config. */
export function environmentsOf({ config }: Pick<Opened, 'config'>): readonly string[] {
  return [...new Set(config?.services.map(({ scope }) => scope.environment) ?? [])];
}

/** Settings with everything that a promotion needs. */
export type Promotable = ServiceSettings & { readonly router: NonNullable<ServiceSettings['router']> };

/** The settings of the scope. Throws where router, identity, steps or gates are missing: none is assumed. */
export function promotable({ settings, scope, config }: Opened): Promotable {
  const name = scopeText(scope);
  const missing = (code: Code, message: string) =>
    new KvdeployError(code, {
      message,
      hint: `Add it to the service in ${config?.file ?? 'the config'}: kvdeploy schema config`,
    });
  if (settings === null) throw missing('UNKNOWN_NAME', `The config has no service ${name}.`);
  const { router, identity, gates, compared, steps } = settings;
  if (router === null) throw missing('NO_ROUTER', `${name} has no router, so nothing can be promoted there.`);
  if (identity === null) throw missing('NO_IDENTITY', `${name} does not say how a build says which one it is (identity).`);
  if (gates.length + compared.length === 0) throw missing('NO_GATE', `${name} has no gate to judge its health.`);
  if (steps.length === 0) throw missing('CONFIG_INVALID', `${name} has no steps.`);
  return { ...settings, router };
}
