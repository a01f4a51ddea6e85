/** Which gates a backtest runs: those of the service that config and flags name, or the default one. Must not guess a service. */
import { DEFAULT_GATE, type TraceGates } from '../../../backtest/backtest.ts';
import type { Scope } from '../../../base/scope.ts';
import { DEFAULT_STEPS, type LoadedConfig, type ServiceSettings } from '../../../config/settings.ts';
import { KvdeployError } from '../../../core/errors.ts';
import type { ComparedGate, EvidenceLimits } from '../../../core/gates/comparison.ts';
import { pollEveryMs } from '../../../core/gates/counting/blocks.ts';
import type { PlannedGate } from '../../../core/rollout/plan.ts';
import { scopeFlags, scopeText } from '../../../core/scope.ts';
import { openSource } from '../../../metrics/index.ts';
import type { Deps } from '../../../release/deps.ts';
import { tryConfig, unknownName } from '../../../release/open.ts';

/** What is asked for, before a trace says what it counts. */
export interface AskedGates {
  readonly compared: readonly ComparedGate[];
  readonly fixed: readonly PlannedGate[];
  readonly evidence: EvidenceLimits;
  readonly steps: TraceGates['steps'];
  /** How long the live gates wait between two polls: their own interval, and what their sources lag. */
  readonly pollMs: number;
  readonly lagMs: number;
}

/** The gates of the one service that is meant; the default gate if there is no config, or one that was not requested and is unclear. */
export async function gatesToTest(deps: Deps): Promise<AskedGates> {
  const { config, why } = await tryConfig(deps);
  if (config === null) {
    if (why.code === 'CONFIG_MISSING' && deps.globals.config === undefined && asked(deps).every((flag) => flag === undefined))
      return defaults();
    throw why;
  }
  const service = chosenService(config, deps);
  if (service === undefined) {
    deps.line({
      type: 'note',
      level: 'warning',
      message: 'No --env was given, so the default gate is used, not the gates of the config.',
    });
    return defaults();
  }
  deps.situation.scope = service.scope;
  const { compared, gates: fixed, evidence, steps } = service;
  const lagMs = Math.max(0, ...[...compared, ...fixed].map(lagOf));
  const pollMs = pollEveryMs(Math.max(service.pollMs, lagMs));
  if (compared.length + fixed.length > 0) return { compared, fixed, evidence, steps, pollMs, lagMs };
  throw new KvdeployError('NO_GATE', {
    message: `${scopeText(service.scope)} has no gate, so there is nothing to test.`,
    hint: `Add gates: [errors] to the service in ${config.file}, or run without a config to use the default gate.`,
  });
}

function lagOf(gate: Pick<PlannedGate, 'source' | 'settings'>): number {
  const { source, config } = openSource(gate);
  return source.lagMs(config);
}

/** What a service without gates, steps and evidence of its own gets, counted by its router. */
function defaults(): AskedGates {
  return { compared: [DEFAULT_GATE], fixed: [], evidence: {}, steps: DEFAULT_STEPS, pollMs: pollEveryMs(0), lagMs: 0 };
}

const PARTS = ['tenant', 'environment', 'service'] as const;

function asked({ globals, io }: Deps): readonly (string | undefined)[] {
  return [globals.tenant, globals.env ?? io.env('KVDEPLOY_ENV'), globals.service];
}

function chosenService({ services }: LoadedConfig, deps: Deps): ServiceSettings | undefined {
  const [tenant, environment, service] = asked(deps);
  const wanted = { tenant, environment, service };
  const fits = ({ scope }: ServiceSettings) => PARTS.every((part) => wanted[part] === undefined || wanted[part] === scope[part]);
  const found = services.filter(fits);
  const [first, second] = found;
  if (first !== undefined && second === undefined) return first;
  if (first === undefined) throw unknownService(wanted, services);
  if (deps.globals.config === undefined && environment === undefined) return undefined;
  throw new KvdeployError('SCOPE_UNCLEAR', {
    message: `There are several services: ${found.map(({ scope }) => scopeText(scope)).join(', ')}.`,
    hint: `Choose one: ${scopeFlags(first.scope)}`,
  });
}

function unknownService(
  wanted: Readonly<Record<keyof Scope, string | undefined>>,
  services: readonly ServiceSettings[],
): KvdeployError {
  const known = services.map(({ scope }) => scope);
  const part = PARTS.find((each) => wanted[each] !== undefined && !known.some((scope) => scope[each] === wanted[each]));
  if (part !== undefined) return unknownName(part, wanted[part] ?? '', known);
  const hint = `Known: ${known.map(scopeText).join(', ') || 'none'}`;
  return new KvdeployError('UNKNOWN_NAME', { message: 'There is no such service.', hint });
}
