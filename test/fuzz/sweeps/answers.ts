/** What metric sources and builds answer: garbage is missing, never a count, and nobody is whom he does not say he is. */
import { check } from '../../../src/base/changes/checks.ts';
import { identify } from '../../../src/base/changes/identity.ts';
import { plainGuid } from '../../../src/base/scope.ts';
import { heard } from '../../../src/core/admission/answers.ts';
import { type Answer, resolved } from '../../../src/core/admission/named.ts';
import { emptyMemory, judgeGate, type Measurement } from '../../../src/core/gates/verdict/gate.ts';
import { type Guid, parseGuid } from '../../../src/core/scope.ts';
import type { Io } from '../../../src/io.ts';
import { prometheus } from '../../../src/metrics/prometheus/prometheus.ts';
import { askBuild } from '../../engine/asking.ts';
import { editedText, hostileText, hostileValue, mutated, respelled } from '../hostile.ts';
import type { Luck } from '../luck.ts';
import { must, type Sweep } from '../sweep.ts';
import { mustBeSafe, mustPrintSafely } from '../terminal.ts';
import { damagedText } from '../text-forms.ts';

const GUID = '7c9e6679-7425-40de-944b-e07fc1f90ae7' as Guid;
const COMMIT = '3f2a9c1d0b7e4f113f2a9c1d0b7e4f113f2a9c1d';
const BUILT = { guid: GUID, source: { repository: 'r', commit: COMMIT } };
const CANONICAL = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const scope = { tenant: 'acme', environment: 'production', service: 'web' };
const QUESTION = { scope, build: GUID, place: 'green' };
const SETTINGS = {
  url: 'http://127.0.0.1:9090',
  requests: 'r{b="${build}"}',
  errors: 'e{b="${build}"}',
  timeout: 1000,
  interval: 15_000,
};

interface Said {
  readonly status: number;
  readonly body: string;
}

/** The answer about one build: a series of its requests and one of its errors, or fewer. */
function answerOf(luck: Luck, counts: Readonly<Record<string, string>>): Said {
  const labels = (counter: string) => ({ kvdeploy_build: 'candidate', kvdeploy_counter: counter, instance: 'a:1' });
  const result = Object.entries(counts).flatMap(([counter, count]) =>
    luck.chance(0.1) ? [] : [{ metric: labels(counter), value: [1_700_000_000.1, count] }],
  );
  const body = JSON.stringify(mutated(luck, { status: 'success', data: { resultType: 'vector', result } }));
  return {
    status: luck.chance(0.95) ? 200 : luck.pick([204, 400, 503]),
    body: luck.chance(0.1) ? damagedText(luck, body) : body,
  };
}

/** The count that a strict reader finds: whole numbers of series that say what they are, nothing else. */
function strictCount({ status, body }: Said, counter: string): number | undefined {
  try {
    const json = JSON.parse(body) as {
      status: unknown;
      warnings?: unknown[];
      data: { resultType: unknown; result: { metric: Record<string, unknown>; value: unknown[] }[] };
    };
    const { result, resultType } = json.data;
    if (status !== 200 || json.status !== 'success' || resultType !== 'vector' || (json.warnings ?? []).length > 0)
      return undefined;
    const own = result.filter(({ metric }) => metric['kvdeploy_build'] === 'candidate' && metric['kvdeploy_counter'] === counter);
    return own.reduce<number | undefined>((sum, { value: [at, text, ...more] }) => {
      const count = Number(text);
      const isCount = typeof text === 'string' && /^[\d.eE+]+$/.test(text) && Number.isSafeInteger(count) && count >= 0;
      return sum === undefined || !isCount || more.length > 0 || typeof at !== 'number' ? undefined : sum + count;
    }, 0);
  } catch {
    return undefined;
  }
}

export const prometheusAnswers: Sweep<Said> = {
  name: 'prometheus-answers',
  what: 'Prometheus answers',
  kind: 'objects',
  share: 0.06,
  make: (luck) => {
    const count = () =>
      luck.chance(0.9)
        ? luck.pick(['0', '7', '1200', '1e3', '1200.0'])
        : luck.pick(['NaN', '+Inf', '-1', '0.5', '', '0x10', ' 7', '9007199254740993', '1_0', hostileText(luck)]);
    return answerOf(luck, { requests: count(), errors: luck.chance(0.5) ? '0' : count() });
  },
  judge: async (said) => {
    const http: Io['http'] = async () => ({ headers: {}, ...said });
    const measured = await prometheus.measure(SETTINGS, QUESTION, {
      http,
      now: Date.now,
      monotonic: () => performance.now(),
    } as unknown as Io);
    if ('missing' in measured) {
      mustPrintSafely([{ type: 'check', name: 'gate', ok: null, message: measured.missing }]);
      return 'missing';
    }
    must(measured.requests === strictCount(said, 'requests'), 'requests that nobody counted');
    must(measured.errors === strictCount(said, 'errors'), 'errors that nobody counted');
    must(measured.errors <= measured.requests, 'more errors than requests');
    return 'counts';
  },
  must: ['missing', 'counts'],
};

/** Whatever a source hands in, twice: only enough requests with few enough errors pass. */
export const measurements: Sweep<{ readonly max: number; readonly minRequests: number; readonly told: readonly unknown[] }> = {
  name: 'measurements',
  what: 'pairs of measurements',
  kind: 'objects',
  share: 0.05,
  make: (luck) => {
    const number = () => luck.pick([0, 1, 5, 100, 250, 0.5, -1, 1e9]);
    const one = () =>
      mutated(
        luck,
        luck.chance(0.1)
          ? { missing: 'x' }
          : { requests: number(), errors: luck.chance(0.4) ? 0 : number(), counting: luck.pick(['total', 'sample']) },
      );
    return { max: luck.pick([0, 0.01, 1]), minRequests: luck.pick([1, 100]), told: [one(), one(), one()] };
  },
  judge: ({ max, minRequests, told }) => {
    let memory = emptyMemory(null);
    let word = 'hold';
    for (const measurement of told.filter(isMeasurement)) {
      const { judged, memory: next } = judgeGate({ max, minRequests }, memory, measurement);
      memory = next;
      word = judged.verdict;
      if (judged.verdict !== 'pass') continue;
      must(!('missing' in measurement), 'missing data passed');
      must(judged.requests >= minRequests && judged.errors >= 0, 'too few requests passed');
      must(judged.errors / judged.requests <= max, 'too many errors passed');
    }
    return word;
  },
  must: ['pass', 'fail', 'hold'],
};

/** Of the right shape, as the type system holds it for every source; the numbers are anybody's. */
function isMeasurement(value: unknown): value is Measurement {
  if (typeof value !== 'object' || value === null) return false;
  if ('missing' in value) return typeof value.missing === 'string';
  const { requests, errors, counting } = value as { requests?: unknown; errors?: unknown; counting?: unknown };
  return typeof requests === 'number' && typeof errors === 'number' && (counting === 'total' || counting === 'sample');
}

interface Identity {
  readonly identity: {
    readonly path: string;
    readonly header?: string;
    readonly json?: string;
    readonly is?: string;
    readonly environmentJson?: string;
  };
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export const identityAnswers: Sweep<Identity> = {
  name: 'identity-answers',
  what: 'answers of builds about themselves',
  kind: 'objects',
  share: 0.03,
  make: (luck) => {
    const is = luck.chance(0.4) ? luck.pick(['commit', 'digest', 'version', 'label.release']) : undefined;
    const word = luck.pick([COMMIT, COMMIT, COMMIT, COMMIT.slice(0, 9), COMMIT.toUpperCase(), '7', 7, 1.5]);
    const said = luck.chance(0.2) ? hostileText(luck) : is === undefined ? respelled(luck, GUID) : word;
    const body = JSON.stringify(mutated(luck, { build: { guid: said, env: luck.pick(['production', 'staging']) } }));
    const json = luck.pick(['build.guid', 'build.guid', '__proto__.guid', 'constructor.name', 'build.length', 'build.guid.0']);
    const where = luck.chance(0.4) ? { path: '/', header: 'x-build' } : { path: '/', json, environmentJson: 'build.env' };
    return {
      identity: { ...where, ...(is === undefined ? {} : { is }) },
      headers: luck.chance(0.9) ? { 'x-build': luck.chance(0.9) ? String(said) : String(hostileValue(luck)) } : {},
      body,
    };
  },
  judge: async ({ identity, headers, body }) => {
    const io = { http: async () => ({ status: 200, headers, body }) } as unknown as Io;
    const answer = await askBuild(identity, 'http://127.0.0.1:9002', io);
    if (!('said' in answer)) return 'nobody';
    mustPrintSafely([{ type: 'check', name: 'identity', ok: true, message: answer.said }]);
    if (answer.named !== undefined) return wordJudged(answer, identity, { headers, body });
    if (answer.guid === null) return 'nobody';
    must(CANONICAL.test(answer.guid), 'a GUID that is not canonical');
    must(`${headers['x-build']} ${body}`.toLowerCase().includes(answer.guid), 'a GUID that the build did not say');
    return 'somebody';
  },
  must: ['nobody', 'somebody', 'this build', 'another build'],
};

/** A word is this build only to the letter, and only where its environment is right; break-glass hears the same. */
async function wordJudged(
  answer: Extract<Answer, { said: string }>,
  { path: _path, is = 'guid', ...where }: Identity['identity'],
  said: Pick<Identity, 'headers' | 'body'>,
): Promise<string> {
  const { word = null } = answer.named ?? {};
  const build = { ...BUILT, labels: { release: COMMIT }, version: COMMIT, digest: COMMIT };
  // Where it is protected, a word without an environment is never right; break-glass does not know which environments are.
  const isProtected = where.environmentJson !== undefined;
  const found = heard([{ at: 'green', answer }], { build, scope, where: 'at green', isProtected });
  must(
    (found.is === 'right') ===
      (word === COMMIT && answer.unsaid === undefined && (answer.environment ?? 'production') === 'production'),
    'a word that is not the build’s',
  );
  const which = resolved(answer, { rows: [{ scope, build }], scope });
  must((which.is === 'one') === (word === COMMIT), 'another word names the build');
  must(is !== 'guid', 'a GUID is a word');
  const outside = { http: async () => ({ status: 200, ...said }) } as unknown as Io;
  const keys = (text: string | undefined) => (text === undefined ? {} : { json: text.split('.') });
  const environment =
    where.environmentJson === undefined ? {} : { environment: { ...keys(where.environmentJson), equals: 'production' } };
  const asked = {
    kind: 'http',
    url: 'http://127.0.0.1:1/',
    timeoutMs: 100,
    equals: COMMIT,
    exact: true,
    ...environment,
  } as const;
  const kept = await identify(
    { ...asked, ...(where.header === undefined ? keys(where.json) : { header: where.header }) },
    outside,
  );
  must((kept.kind === 'right') === (found.is === 'right'), 'break-glass hears something else');
  return word === null ? 'nobody' : found.is === 'right' ? 'this build' : 'another build';
}

/** How break-glass reads back: only the very text, or the same GUID in another spelling, is a yes. */
export const readBacks: Sweep<{ readonly wanted: string; readonly said: string }> = {
  name: 'read-backs',
  what: 'answers to what break-glass reads back',
  kind: 'objects',
  share: 0.01,
  make: (luck) => {
    const wanted = luck.pick([GUID, 'blue=100', 'Blue=50,green=50']);
    const said = luck.chance(0.3) ? wanted : luck.chance(0.5) ? respelled(luck, wanted) : editedText(luck, wanted);
    return { wanted, said };
  },
  judge: async ({ wanted, said }) => {
    const outside = {
      http: async () => ({ status: 200, headers: {}, body: JSON.stringify({ a: { b: said } }) }),
      monotonic: () => 0,
    } as unknown as Io;
    const asked = { kind: 'http', url: 'http://127.0.0.1:1/', json: ['a', 'b'], equals: wanted, timeoutMs: 100 } as const;
    const answer = await check(asked, outside);
    if ('unknown' in answer) return 'unknown';
    if (!answer.ok) {
      mustBeSafe(answer.why, 'what was read back');
      return 'no';
    }
    must(said === wanted || (wanted === GUID && parseGuid(said.trim()) === GUID), 'another answer was taken for a yes');
    return 'yes';
  },
  must: ['no', 'yes'],
};

/** Both readers of GUIDs agree, whatever the spelling. */
export const guids: Sweep<string> = {
  name: 'guids',
  what: 'spellings of GUIDs',
  kind: 'objects',
  share: 0.03,
  make: (luck) => {
    const spelled = respelled(luck, GUID);
    return luck.chance(0.3) ? damagedText(luck, spelled) : spelled;
  },
  judge: (text) => {
    const guid = parseGuid(text);
    if (guid === undefined) {
      must(text !== text.trim() || !CANONICAL.test(plainGuid(text)), 'break-glass reads it, and nobody else does');
      return 'refused';
    }
    must(plainGuid(text) === guid, 'break-glass reads it as another one');
    must(guid === text.toLowerCase().replace(/^urn:uuid:|[{}]/g, ''), 'it was repaired');
    return 'read';
  },
  must: ['refused', 'read'],
};
