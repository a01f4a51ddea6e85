/** `kvdeploy replay`: plays an incident against a local world. Must not touch the user's config, state or builds. */
import { KvdeployError } from '../../core/errors.ts';
import { nearest } from '../../core/nearest.ts';
import { type Deps, done, type Outcome } from '../../release/deps.ts';
import { INCIDENT_NAMES, type IncidentName, replay } from '../../scenarios/replay.ts';

const PIPE_COLUMNS = 130;

/** `program` is bin/kvdeploy.js as it was started. Rejects with UNKNOWN_NAME for an unknown incident. */
export async function replayCommand(
  incident: string,
  options: { readonly keep?: boolean | undefined; readonly program: string },
  deps: Pick<Deps, 'print' | 'line' | 'onSignal'>,
): Promise<Outcome> {
  const name = incidentNamed(incident);
  const interrupt = new AbortController();
  const endListening = deps.onSignal(() => interrupt.abort());
  try {
    const width = process.stdout.columns ?? PIPE_COLUMNS;
    const settings = { keep: options.keep === true, program: options.program, width, signal: interrupt.signal };
    const replayed = await replay(name, settings, deps.print);
    if ('unfinished' in replayed) {
      if (replayed.unfinished === 'interrupted')
        return {
          code: 'INTERRUPTED',
          message: `The replay of ${name} ended early: ${replayed.why}. None of its processes are still running.`,
        };
      return { code: 'BUG', message: `The replay of ${name} failed: ${replayed.why}.`, hint: again(name) };
    }
    deps.line({ type: 'document', name: 'replay', data: replayed });
    const { differ, letThrough } = replayed.summary;
    if (differ + letThrough === 0) return done(`Every row of ${name} that can be replayed ended as expected.`);
    const what = [...(differ === 0 ? [] : [`${differ} rows`]), ...(letThrough === 0 ? [] : [`${letThrough} controls`])];
    return { code: 'BUG', message: `${what.join(' and ')} of ${name} did not end as expected.`, hint: again(name) };
  } finally {
    endListening();
  }
}

function again(name: IncidentName): string {
  return `Run it again and keep its folder: kvdeploy replay ${name} --keep`;
}

function incidentNamed(incident: string): IncidentName {
  const known = INCIDENT_NAMES.find((name) => name === incident);
  if (known !== undefined) return known;
  const near = nearest(incident, INCIDENT_NAMES);
  const message = `There is no incident ${JSON.stringify(incident)}. Known: ${INCIDENT_NAMES.join(', ')}.`;
  throw new KvdeployError('UNKNOWN_NAME', { message, hint: `kvdeploy replay ${near ?? INCIDENT_NAMES[0]}` });
}
