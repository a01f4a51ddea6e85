/** The embedded local router: a routes file that `kvdeploy serve` applies. Must not trust the file: it queries `kvdeploy serve`. */
import { normalize } from 'node:path';
import * as z from 'zod';
import type { Change, Check } from '../../base/changes/change.ts';
import { KvdeployError } from '../../core/errors.ts';
import { splitText } from '../../core/rollout/split.ts';
import { scopeSchema, scopeText } from '../../core/scope.ts';
import type { Io } from '../../io.ts';
import { MAIN, placesOf, seen } from '../places.ts';
import { placeSettingsOf } from '../places-config.ts';
import { type LocationSplit, markFile, type Reading, type Router } from '../router.ts';
import { type LocalConfig, localConfig } from './local-config.ts';
import { membersOf, problemsOf } from './local-reading.ts';
import { appliedText, parseRoutes, routesText, type ServeStatus, STATUS_PATH, statusSchema, tooFine } from './local-routes.ts';

const TIMEOUT_MS = 2000;

/** Implements the Router port; see there for what each function must do. */
export const local: Router<LocalConfig> = {
  kind: 'local',
  summary: 'the embedded router: a routes file applied by `kvdeploy serve`, for trials, tests and small services',
  promises: {
    granularity: '0.01 %',
    readBack: '*configured* by what `kvdeploy serve` reports, *served* by its counters',
    identity: 'every member in the config',
    fencing: 'not needed: the routes file is renamed into place whole',
    sticky: 'none',
    breakGlass: 'write access to the routes file',
    hosts: 'this one',
  },
  config: localConfig,
  targets: ({ listen, routes }) => [`routes file ${normalize(routes)}`, `listen ${listen}`],
  impossible: (_config, _reading, percent) =>
    tooFine(percent) ? `the local router splits in steps of 0.01 %, so it cannot set exactly ${percent} %` : undefined,
  locations: () => [MAIN],
  placeSettings: ({ places }) => placeSettingsOf(places),
  changes: ({ routes }, wanted): readonly Change[] =>
    wanted.map(({ split }) => ({ kind: 'write-file', path: routes, content: routesText(split) })),
  checks,
  read,
  identify: async (settings, io) => {
    const { scope } = await askServe(settings, io);
    return [scope.environment, scopeText(scope)];
  },
  questions: (settings) => [{ kind: 'http', url: statusUrl(settings), json: ['scope', 'environment'], timeoutMs: TIMEOUT_MS }],
  marks: ({ routes }) => [markFile(normalize(routes))],
  // `kvdeploy serve` reads a complete file that was renamed into place: there is never a request in progress.
  idleTimeoutMs: 0,
};

function checks(settings: LocalConfig, wanted: readonly LocationSplit[]): readonly Check[] {
  return wanted.flatMap(({ split }): Check[] => [
    { kind: 'file', path: settings.routes, content: routesText(split) },
    { kind: 'http', url: statusUrl(settings), json: ['applied'], equals: appliedText(split), timeoutMs: TIMEOUT_MS },
  ]);
}

async function read(settings: LocalConfig, io: Io, since?: Reading): Promise<Reading> {
  const status = await askServe(settings, io);
  const locations = [{ name: MAIN, members: membersOf(settings, status) }];
  const places = placesOf(locations);
  const trouble = [...problemsOf(settings, status), ...fileProblems(settings, status, io)];
  return { locations, places, certainty: trouble.length === 0 && seen(places, since) ? 'served' : 'configured', trouble };
}

function fileProblems(settings: LocalConfig, status: ServeStatus, io: Io): string[] {
  let text: string;
  try {
    text = io.fs.readFileSync(settings.routes, 'utf8');
  } catch (error) {
    return [`the routes file ${settings.routes} cannot be read: ${error instanceof Error ? error.message : String(error)}`];
  }
  const parsed = parseRoutes(text);
  if ('problem' in parsed) return [`the routes file ${settings.routes} is damaged: ${parsed.problem}`];
  if (appliedText(parsed.split) === status.applied) return [];
  return [`the routes file says ${splitText(parsed.split)}, but kvdeploy serve uses ${splitText(status.split)}`];
}

async function askServe(settings: LocalConfig, io: Io): Promise<ServeStatus> {
  const url = statusUrl(settings);
  const unreachable = (what: string, cause?: unknown) =>
    new KvdeployError('UNREACHABLE', {
      message: `The local router at ${settings.listen} ${what}.`,
      hint: 'Start it in another terminal: kvdeploy serve --env ENVIRONMENT (with --initially PLACE the first time).',
      cause,
    });
  let body: string;
  try {
    const answer = await io.http({ method: 'GET', url, timeoutMs: TIMEOUT_MS }, () => undefined);
    if (answer.status !== 200) throw new Error(`it answered ${answer.status}`);
    body = answer.body;
  } catch (error) {
    throw unreachable(`does not answer (${error instanceof Error ? error.message : String(error)})`, error);
  }
  const json = parseJson(body);
  const format = z.looseObject({ formatVersion: z.int().min(2), scope: scopeSchema }).safeParse(json);
  if (format.success)
    throw unreachable(
      `answers in the format ${format.data.formatVersion} of a later kvdeploy serve: use the same version of kvdeploy here`,
    );
  const status = statusSchema.safeParse(json);
  if (!status.success) throw unreachable('answers, but is not kvdeploy serve: another program is listening there', status.error);
  return status.data;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function statusUrl({ listen }: LocalConfig): string {
  const local = listen.replace(/^0\.0\.0\.0:/, '127.0.0.1:').replace(/^\[::\]:/, '[::1]:');
  return `http://${local}${STATUS_PATH}`;
}
