/** What `doctor` says about the router, the builds behind it, the gates and the clock. Asks only; must not send a change. */
import type { Asked } from '../../../base/changes/change.ts';
import { hearHttp } from '../../../base/changes/hear.ts';
import { answersText, type MemberAnswer, whichBuild } from '../../../core/admission/answers.ts';
import { forgetfulRefusal } from '../../../core/admission/hazard-list.ts';
import type { Known } from '../../../core/admission/named.ts';
import { probesOnly } from '../../../core/admission/plan-checks.ts';
import { isUnsettled } from '../../../core/ledger/expected.ts';
import { currentKnownGood, openRollout } from '../../../core/ledger/history.ts';
import { splitText } from '../../../core/rollout/split.ts';
import { shortGuid } from '../../../core/scope.ts';
import { fractionText, listText } from '../../../core/text.ts';
import { claimedOf } from '../../../engine/claim.ts';
import { measureGate } from '../../../engine/measure.ts';
import { lookAround, unattended } from '../../../lead/drift.ts';
import { stuckTarget } from '../../../lead/outcome.ts';
import { openSource } from '../../../metrics/index.ts';
import type { Deps } from '../../../release/deps.ts';
import { knownBuilds, offersIfReadable, withListedLabels } from '../../../release/offers.ts';
import type { Opened } from '../../../release/open.ts';
import { clientsSeen } from '../../../release/plan-parts.ts';
import { buildsAtPlaces, leftOutText, lostIn, placesToAsk } from '../../../release/traffic.ts';
import { RUN_PROGRAMS, withheldBy } from '../../../release/trust/programs.ts';
import type { PlaceReading } from '../../../routers/router.ts';
import { attend, type DoctorCheck, fail, ok, warn } from './check.ts';
import type { Seen } from './state.ts';

const SKEW_MS = 5000;

const CONFIGURE = 'Correct the router settings in the config. Schema: kvdeploy schema config';

/** What the router says of itself. */
export async function routerChecks(seen: Seen, opened: Opened): Promise<readonly DoctorCheck[]> {
  const { target, reading } = seen;
  const { places } = reading;
  return [
    ...setupChecks(seen, opened),
    targetCheck(await target.identify(), opened),
    places.length >= 2
      ? ok('places', `candidate and stable build can run at once: ${listText(places.map(({ place }) => place))}`)
      : fail('places', `there are only ${places.length} places, so candidate and stable build cannot run at once`, CONFIGURE),
  ];
}

/** Everything of the router and its settings that an adoption or a promotion would be refused for. */
export function setupChecks(seen: Seen, opened: Opened): readonly DoctorCheck[] {
  const { unusable, forgetful, sticky, doubts = [] } = seen.reading;
  const reload = forgetfulRefusal(forgetful);
  return [
    unusable === undefined ? answerCheck(seen) : fail('router', unusable.why, unusable.cure),
    ...(reload === undefined ? [] : [fail('reload', reload.message, reload.hint)]),
    ...lostIn(seen.reading).map((lost) => warn('members', lost, 'Start them, or put them into rotation again.')),
    ...doubts.map((doubt) =>
      warn('set-up', `not verified: ${doubt}`, `Look at its configuration: see docs/${seen.target.kind}.md.`),
    ),
    ...(sticky === undefined
      ? []
      : [ok('clients', `they are bound to a server (${sticky}): gates do not judge the traffic share`)]),
    ...(unusable === undefined ? [stepCheck(seen, opened)] : []),
  ];
}

function answerCheck({ target, reading }: Seen): DoctorCheck {
  const { places, trouble, unseen = [] } = reading;
  const asked = `the ${target.kind} router answers: ${splitText(places)} over ${places.length} places`;
  const down = places.filter(({ up, percent }) => !up && percent > 0).map(({ place }) => place);
  const wrong = [...trouble, ...(down.length > 0 ? [`${down.join(', ')} should serve but is down`] : [])];
  if (wrong.length === 0) return ok('router', asked);
  const [silent] = unseen;
  if (silent !== undefined) return fail('router', `${wrong.join('; ')}; the others serve ${splitText(places)}`, silent.cure);
  const found = `${asked}; ${wrong.join('; ')}`;
  return warn('router', found, 'Fix what it names: traffic may not be where it seems.');
}

/** Whether places and builds are what the ledger says. */
export async function driftCheck({ target, reading }: Seen, opened: Opened, deps: Deps): Promise<DoctorCheck> {
  const { history, flags } = opened;
  const leader = history.leader?.claim;
  const isLed = leader !== undefined && deps.io.lookFor(claimedOf(leader, opened)).is !== 'gone';
  const found = await lookAround(opened, target, reading);
  const wrong = unattended(history, found, isLed);
  if (wrong.length === 0) return ok('drift', 'nothing differs from what the ledger says');
  const said = found.places.map(({ place, percent, answers }) => `${place} ${percent} %: ${answersText(answers)}`);
  const isOpen = openRollout(history) !== null;
  const now = `${wrong.join('; ')}. Now: ${said.join(', ')}`;
  if (!isOpen && !isUnsettled(history) && found.split === null)
    return attend('drift', now, `${START_RIGHT} kvdeploy rollback ${flags}`);
  const next = isOpen ? 'resume' : isUnsettled(history) ? 'rollback' : found.placeGone ? 'adopt' : 'converge';
  const to = next === 'rollback' ? stuckTarget(history) : '';
  return attend('drift', now, `kvdeploy ${next} ${flags}${to}`);
}

const START_RIGHT = 'Start the build that the ledger says at the members that it names, or roll back:';

function targetCheck(said: readonly string[], { scope, config }: Opened): DoctorCheck {
  const others = (config?.environments(scope.tenant) ?? []).filter((name) => name !== scope.environment && said.includes(name));
  if (others.length > 0) return fail('target', `it reports ${others.join(' and ')}, not ${scope.environment}`, CONFIGURE);
  if (said.includes(scope.environment)) return ok('target', `it reports ${scope.environment}`);
  return fail('target', 'it does not report its environment', `Make the target report ${scope.environment}: see docs/haproxy.md`);
}

function stepCheck({ target, reading }: Seen, { settings, history }: Opened): DoctorCheck {
  const steps = settings?.steps ?? history.rollout?.plan.steps ?? [];
  const why = steps.map(({ percent }) => target.impossible(reading, percent)).find((one) => one !== undefined);
  if (why !== undefined) return fail('steps', why, 'Change the steps in the config.');
  return ok('steps', `the router can set each of ${steps.map(({ percent }) => `${percent} %`).join(', ')}`);
}

/** What each build reports. One that serves must be the one that the ledger names there. */
export async function buildChecks(seen: Seen, opened: Opened, deps: Deps): Promise<readonly DoctorCheck[]> {
  const offers = await offersIfReadable(opened, deps);
  const known = knownBuilds(opened, offers);
  const { asked, leftOut } = placesToAsk(seen.reading.places, opened, offers);
  const checks = await Promise.all(asked.map((place) => buildCheck(place, seen, opened, known)));
  return leftOut === 0 ? checks : [...checks, ok('builds', `not asked: ${leftOutText(leftOut)}`)];
}

async function buildCheck(
  { place, percent }: PlaceReading,
  { target, reading }: Seen,
  opened: Opened,
  known: Known,
): Promise<DoctorCheck> {
  const expected = buildsAtPlaces(opened).get(place);
  const name = `build ${place}`;
  const answers = await target.ask(place, reading);
  const gets = `; the place gets ${percent > 0 ? `${percent} %` : 'no traffic'}`;
  const full = (found: string) => `${found}${gets}${waysText(answers, found)}`;
  const problem = (level: typeof fail, found: string, fix: string) => level(name, full(found), fix);
  const sick = percent > 0 ? fail : warn;
  if (target.identityOf(place) === 'none') return problem(warn, `not verified: ${answersText(answers)}`, SAY_IT);
  const { environment: wanted } = opened.scope;
  const together = answers.length > 1 ? answersText(answers) : undefined;
  const wrong = answers.map((each) => answerProblem(each, together, wanted)).find((one) => one !== undefined);
  if (wrong !== undefined) return problem(wrong.foreign ? fail : sick, wrong.found, wrong.fix);
  const which = whichBuild(answers, known);
  if (which.is === 'none') return problem(sick, which.why, 'Run one build of this scope at every member, and list it.');
  const { guid } = which;
  const other = expected !== undefined && expected !== guid;
  if (other && percent > 0)
    return problem(fail, `${guid} answers there, but the ledger names ${shortGuid(expected)}`, 'Start the right build there.');
  const down = answers.filter(({ answer }) => 'down' in answer).map(({ at }) => at);
  const found = `${shortGuid(guid)} answers${other ? ' and is new there' : ''}`;
  if (down.length === 0) return ok(name, full(found));
  return problem(warn, `${found}; not asked, since the router reports it down: ${listText(down)}`, 'Start what is down.');
}

const SAY_IT = 'Let builds say which one they are: see docs/identity.md.';

/** What the members said, unless it is told already or the GUID of the only one, and as what they were asked. */
function waysText(answers: readonly MemberAnswer[], told: string): string {
  const said = answersText(answers);
  const named = answers.flatMap(({ answer }) => ('said' in answer && answer.named !== undefined ? [answer] : []));
  const [environment, ...others] = [...new Set(named.map((answer) => answer.environment))];
  const of = environment == null || others.length > 0 ? '' : ` of ${environment}`;
  const ways = [...new Set(answers.flatMap(({ way }) => way ?? []))];
  const isTold = told.includes(said) || (answers.length === 1 && named.length === 0);
  const parts = [...(isTold ? [] : [`${said}${of}`]), ...(ways.length === 0 ? [] : [`asked as ${listText(ways)}`])];
  return parts.length === 0 ? '' : ` (${parts.join('; ')})`;
}

/** What is wrong with the answer of one member, whichever build it is. `together`: what all said, where there are several. */
function answerProblem({ at, answer }: MemberAnswer, together: string | undefined, wanted: string) {
  const where = together === undefined ? '' : ` (${at})`;
  if ('unreachable' in answer) {
    const fix = `Start the build there, or remove the ${together === undefined ? 'place' : 'member'}.`;
    return { found: together ?? answer.unreachable, fix, foreign: false };
  }
  if (!('said' in answer)) return undefined;
  const { environment, guid, named, said, unsaid } = answer;
  if (environment !== null && environment !== wanted)
    return {
      found: `it reports that it was made for ${environment}${where}`,
      fix: `Start a build made for ${wanted} there.`,
      foreign: true,
    };
  const isSilent = named === undefined ? guid === null : named.word === null;
  if (!isSilent && unsaid === undefined) return undefined;
  const what = isSilent ? (named === undefined ? 'a GUID' : `its ${named.is}`) : 'its environment';
  return {
    found: `it does not report ${what} (${said})${where}`,
    fix: 'Make the build answer as identity: in the config describes.',
    foreign: false,
  };
}

/** How long the slowest gate may take, milliseconds. */
export function slowestGateMs({ settings }: Pick<Opened, 'settings'>): number {
  const gates = [...(settings?.gates ?? []), ...(settings?.compared ?? [])].map(openSource);
  return Math.max(0, ...gates.map(({ source, config }) => source.answerMs?.(config) ?? 0));
}

/** Whether each gate has data for the build that is known-good. */
export async function gateChecks({ reading }: Seen, opened: Opened, deps: Deps): Promise<readonly DoctorCheck[]> {
  const { settings, history, scope } = opened;
  const planned = history.rollout?.plan;
  const compared = settings?.compared ?? planned?.comparison?.gates ?? [];
  // A gate that compares has no limit here: only whether it has data counts.
  const gates = [...(settings?.gates ?? planned?.gates ?? []), ...compared.map((gate) => ({ ...gate, max: 1 }))];
  if (gates.length === 0)
    return [fail('gates', 'there is no gate, so no build can be judged', 'Add one: kvdeploy schema config')];
  const refusal = settings === null ? undefined : probesOnly(scope, clientsSeen(settings));
  const clients = refusal === undefined ? [] : [fail('gates', refusal.message, refusal.hint)];
  const known = currentKnownGood(history)?.build;
  if (known === undefined)
    return [...clients, warn('gates', 'not polled: the ledger names no known-good build', `kvdeploy adopt ${opened.flags}`)];
  const offers = await offersIfReadable(opened, deps);
  const build = offers === null ? known : withListedLabels(known, offers);
  const withheld = withheldBy(deps);
  const asked = await Promise.all(
    gates.map(async (gate) => {
      const name = `gate ${gate.name}`;
      const why = withheld(gate);
      if (why !== undefined) return warn(name, `not verified: ${why}`, RUN_PROGRAMS);
      const now = await measureGate(gate, { scope }, build, reading, deps.io);
      const asked = `${gate.source} polled for ${shortGuid(build.guid)}`;
      const repair = 'Fix the source or the query: missing data is never treated as healthy.';
      if ('missing' in now) return fail(name, `${asked}: no data: ${now.missing}`, repair);
      const counts = `${asked}: ${now.errors} of ${now.requests} requests failed`;
      if (now.requests === 0) return fail(name, counts, repair);
      if (now.errors / now.requests <= gate.max) return ok(name, counts);
      return warn(name, `${counts}, more than ${fractionText(gate.max)}`, 'Check the build currently serving.');
    }),
  );
  return [...clients, ...asked];
}

/** This clock against the `Date` of a build (RFC 9110, 6.6.1), which has whole seconds. */
export async function clockCheck({ target, reading }: Seen, deps: Deps): Promise<readonly DoctorCheck[]> {
  const asked = reading.places.flatMap(({ place }) => target.identityQuestions(place, reading)).map((one) => one.asked);
  for (const question of asked) {
    if ('why' in question || question.kind === 'run') continue;
    const { url } = question;
    const date = await dateOf(question, deps);
    if (Number.isNaN(date)) continue;
    const offMs = deps.io.now() - date;
    const found = `${Math.abs(Math.round(offMs / 1000))} s ${offMs >= 0 ? 'ahead of' : 'behind'} the Date of ${url}`;
    return [
      Math.abs(offMs) <= SKEW_MS ? ok('clock', found) : warn('clock', found, 'Synchronize both machines with one clock (NTP).'),
    ];
  }
  return [warn('clock', 'no answer has a Date to compare with', 'Make a build send the Date header.')];
}

async function dateOf(question: Asked, deps: Deps): Promise<number> {
  try {
    const heard = await hearHttp(question, deps.io);
    return Date.parse(heard.said({ header: 'date' }) ?? '');
  } catch {
    return Number.NaN;
  }
}
