/** A router bound to one scope's settings, and the builds behind it asked for their identity. Must not decide anything. */
import type { Change, Check } from '../break-glass/changes.ts';
import type { Answer } from '../core/admission.ts';
import { KvdeployError } from '../core/errors.ts';
import type { IdentityConfig } from '../core/identity.ts';
import type { Split } from '../core/split.ts';
import type { Io } from '../io.ts';
import { openRouter } from '../routers/index.ts';
import type { Leaving, Reading } from '../routers/router.ts';
import { askBuild } from './ask-build.ts';

/** Everything that the engine needs of one router and the builds behind it. */
export interface Target {
  readonly kind: string;
  readonly idleTimeoutMs: number;
  changes(split: Split, leaving: Leaving['leaving']): readonly Change[];
  checks(split: Split): readonly Check[];
  impossible(reading: Reading, percent: number): string | undefined;
  read(since?: Reading): Promise<Reading>;
  identify(): Promise<readonly string[]>;
  /** Asks what runs at a place, at the address that the reading gives; null when the target has no such place. */
  ask(place: string, reading: Reading): Promise<Answer | null>;
  /** Where a build at this place is asked, or null. */
  identityUrl(place: string, reading: Reading): string | null;
}

/** Binds the router of a plan or of the config. Throws CONFIG_INVALID when the settings do not fit the router any more. */
export function openTarget(settings: { readonly kind: string }, identity: IdentityConfig | null, io: Io): Target {
  const { router, config } = bind(settings);
  const addressOf = (place: string, reading: Reading) =>
    reading.members.find((member) => member.place === place)?.address ?? null;
  return {
    kind: settings.kind,
    idleTimeoutMs: router.idleTimeoutMs,
    changes: (split, leaving) => router.changes(config, split, { leaving }),
    checks: (split) => router.checks(config, split),
    impossible: (reading, percent) => router.impossible(config, reading, percent),
    read: (since) => router.read(config, io, since),
    identify: () => router.identify(config, io),
    ask: async (place, reading) => {
      if (!reading.members.some((member) => member.place === place)) return null;
      const address = addressOf(place, reading);
      if (address === null) return { unreachable: `the router reports no address for ${place}` };
      if (identity === null) return { unreachable: 'the config does not say where a build tells its GUID (identity)' };
      return askBuild(identity, address, io);
    },
    identityUrl: (place, reading) => {
      const address = addressOf(place, reading);
      return address === null || identity === null ? null : `${address.replace(/\/+$/, '')}${identity.path}`;
    },
  };
}

function bind(settings: { readonly kind: string }): ReturnType<typeof openRouter> {
  try {
    return openRouter({ ...settings });
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new KvdeployError('CONFIG_INVALID', {
      message: `The router settings do not fit this kvdeploy: ${why}.`,
      hint: 'kvdeploy validate',
      cause,
    });
  }
}
