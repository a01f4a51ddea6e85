/** Faults of gates, of the way back and of the door. */
import { type Mutant, mutant } from './mutant.ts';

const SHIFT = 'engine/shift.ts';
const ROLLOUT = 'core/rollout/rollout.ts';
const ANSWERS = 'core/admission/answers.ts';
const BAKE = 'engine/bake.ts';

export const OF_THE_GATES: readonly Mutant[] = [
  mutant(
    'a gate passes on no data',
    'simulator',
    'core/gates/verdict/gate.ts',
    "if ('missing' in measurement) return { judged: holds(`no data: ${measurement.missing}`, 0, 0), memory };",
    "if ('missing' in measurement) return { judged: { verdict: 'pass', why: '', requests: limits.minRequests, errors: 0 }, memory };",
  ),
  mutant(
    'a gate passes on too few requests',
    'simulator',
    'core/gates/verdict/gate.ts',
    'if (least <= limits.max && requests >= limits.minRequests) return',
    'if (least <= limits.max) return',
  ),
  mutant(
    'a gate that fails passes',
    'simulator',
    'core/gates/verdict/gate.ts',
    "if (least > limits.max) return { verdict: 'fail',",
    "if (least > limits.max) return { verdict: 'pass',",
  ),
  mutant(
    'the percentage rises when patience is at its end',
    'simulator',
    ROLLOUT,
    "case 'hold':\n      return { ...state, watchedMs, missingMs };",
    "case 'hold':\n      return missingMs > state.plan.patienceMs / 2 ? advance(state) : { ...state, watchedMs, missingMs };",
  ),
  mutant(
    'a build is known-good before its last bake',
    'simulator',
    ROLLOUT,
    "if (kind === 'rollback') return enter(state, 'pointing', 'the router reports the requested build');",
    "if (state.step + 1 === state.plan.steps.length) return enter(state, 'pointing', 'early');",
  ),
  mutant(
    'a bake is over at its first poll',
    'simulator',
    ROLLOUT,
    'const baked = step !== undefined && watchedMs >= step.bakeMs;',
    'const baked = step !== undefined;',
  ),
  mutant(
    'a build that crashes over and over holds for ever',
    'crash loop',
    BAKE,
    'memory.crashed = isCompared ? null : crashesTooOften(memory.crashes);',
    'memory.crashed = isCompared && memory.crashes.downs > 0 ? crashesTooOften(memory.crashes) : null;',
  ),
  mutant(
    'a crash that is over before the next look is forgotten',
    'crash loop',
    'core/gates/counting/counters.ts',
    'const failures = Math.max(0, mostSeen(now) - mostSeen(before));',
    'const failures = 0 * mostSeen(now) * mostSeen(before);',
  ),
];

export const OF_THE_CONDITION: readonly Mutant[] = [
  mutant(
    'what was admitted is not looked at again before a shift',
    'simulator',
    SHIFT,
    'const standing = await condition.whole(state, ledger.history, found.reading);',
    "const standing = { is: 'right' } as { is: 'right' } | Awaited<ReturnType<typeof condition.whole>>;",
  ),
  mutant(
    'what was admitted is not looked at again before it becomes known-good',
    'simulator',
    'engine/perform.ts',
    'const standing = await stillAdmitted(state, found.reading, runner);',
    "const standing = { is: 'right' } as Awaited<ReturnType<typeof stillAdmitted>>;",
  ),
  mutant(
    'a revert leaves the pointer with the build that it left',
    'condition',
    SHIFT,
    'if (newest?.knownGood.build.guid !== plan.candidate.guid) return undefined;',
    'if (newest?.knownGood.build.guid !== plan.id) return undefined;',
  ),
  mutant(
    'only the first location is asked which build runs there',
    'simulator',
    ANSWERS,
    'const said = answers.map(({ at, answer }) => {',
    'const said = answers.slice(0, 1).map(({ at, answer }) => {',
  ),
  mutant(
    'silence is taken for a yes',
    'condition',
    ANSWERS,
    "const silent = (why: string): Heard => ({ is: 'silent', why: `the build ${where} does not ${why}` });",
    "const silent = (why: string): Heard => (why === '' ? { is: 'silent', why } : { is: 'right' });",
  ),
  mutant(
    'a build that is exchanged while it bakes is not noticed',
    'condition',
    BAKE,
    'const unfit = unfitOf(seen, io.now());',
    "const unfit = seen.is === 'silent' ? unfitOf(seen, io.now()) : undefined;",
  ),
  mutant(
    'a manifest that cannot be read does not stop a raise',
    'condition',
    'engine/condition.ts',
    "return seen.find(({ is }) => is === 'wrong') ?? seen.find(({ is }) => is === 'silent') ?? RIGHT;",
    "return seen.find(({ is }) => is === 'wrong') ?? RIGHT;",
  ),
];

export const OF_THE_WAY_BACK: readonly Mutant[] = [
  mutant(
    'a shift is not read back',
    'simulator',
    SHIFT,
    'if (!splitsAgree(after.reading.members, effect.split)) {',
    'if (Number.isNaN(after.reading.members.length)) {',
  ),
  mutant(
    'what a failed attempt has in flight is forgotten',
    'simulator',
    SHIFT,
    'inFlightUntilMs = io.monotonic() + target.idleTimeoutMs;',
    '',
  ),
  mutant(
    'no one asks which build runs at its place',
    'simulator',
    ANSWERS,
    'if (answer.guid !== null && answer.guid !== guid)',
    'if (answer.guid === guid && scope.tenant === guid)',
  ),
  mutant(
    'no one asks again after a long sleep',
    'simulator',
    SHIFT,
    '!back && io.monotonic() - askedMs > ASKED_WITHIN_MS',
    'back && io.monotonic() - askedMs > ASKED_WITHIN_MS',
  ),
  mutant(
    'the environment that a build says is not looked at',
    'simulator',
    ANSWERS,
    'if (answer.environment !== null && answer.environment !== scope.environment) {',
    'if (answer.environment === guid) {',
  ),
  {
    name: 'a pointer is acknowledged that was never written',
    noticedBy: 'simulator',
    mutations: [
      {
        file: 'src/base/pointer/pointer.ts',
        from: "if (publish(dir, { ...pointer, generation }, fs, modes, 'only-as-newest')) return generation;",
        to: 'return generation;',
      },
      {
        file: 'src/engine/pointer-writer.ts',
        from: 'if (readPointers(dir, io.fs, scope).newest?.generation !== generation)',
        to: 'if (Number.isNaN(generation))',
      },
    ],
  },
  mutant(
    'break-glass sets no hold',
    'simulator',
    'break-glass/rescue.ts',
    'const held = setHold(rescuing, tools);',
    'const held = true;',
  ),
  mutant(
    'break-glass forgets what a runner has in flight',
    'in flight',
    'break-glass/rescue.ts',
    '  if (!left) return failures;',
    '  if (!left || failures.length >= 0) return failures;',
  ),
  mutant(
    'break-glass goes to a bad build',
    'choices',
    'break-glass/choose.ts',
    'if (pointers[0].bad.includes(guid)) return',
    "if (pointers[0].bad.includes('')) return",
  ),
  mutant(
    'break-glass goes to a place that is taken',
    'choices',
    'break-glass/choose.ts',
    '  if (heir === undefined) return undefined;',
    '  if (heir !== one) return undefined;',
  ),
];

export const OF_THE_MARKS: readonly Mutant[] = [
  mutant(
    'a rollback marks what it leaves without a word',
    'marks',
    'core/ledger/history.ts',
    "if (kind === 'rollback' && stable !== null && marksNothing !== true)",
    "if (kind === 'rollback' && stable !== null)",
  ),
  mutant(
    'a build is blamed for its share of the traffic alone',
    'marks',
    'core/ledger/history.ts',
    "rollout?.plan.kind === 'promote' && !SETTLED.includes(rollout.phase)",
    "rollout?.plan.kind === 'promote'",
  ),
  mutant(
    'converge returns to the build that a stuck rollback was leaving',
    'marks',
    'core/ledger/expected.ts',
    "return rollout.phase === 'stuck' || rollout.phase === 'rescued';",
    "return rollout.phase === 'rescued';",
  ),
  mutant(
    'a pardoned build passes a newer one that was known-good',
    'marks',
    'core/admission/build-checks.ts',
    'facts.history.cleared.has(facts.guid) ? highestOther(facts)',
    'facts.history.cleared.has(facts.guid) ? null',
  ),
];

export const OF_THE_DOOR: readonly Mutant[] = [
  mutant(
    'a build of another scope is let in',
    'admission',
    'core/admission/build-checks.ts',
    'const owner = foreign[0]?.scope ?? facts.otherLedgers.find((other) => other.guids.has(facts.guid))?.scope;',
    'const owner = foreign[0]?.scope;',
  ),
  mutant(
    'a build that is stamped for another environment is let in',
    'admission',
    'core/admission/build-checks.ts',
    'build.environment !== undefined && build.environment !== environment);',
    "build.environment === '');",
  ),
  mutant(
    'a rollback goes to a build that is stamped for another environment',
    'admission',
    'core/admission/admission.ts',
    '[notForeign, ownStamp, onceKnownGood,',
    '[notForeign, onceKnownGood,',
  ),
  mutant(
    'a scope that was not seen is taken for one without the build',
    'admission',
    'core/admission/build-checks.ts',
    'const missing = facts.protected ? facts.unseen.filter(({ expected }) => expected) : [];',
    'const missing = facts.unseen.slice(0, 0);',
  ),
  mutant(
    'what was not verified is called a pass',
    'admission',
    'core/admission/build-checks.ts',
    "return unseen.length === 0 ? undefined : { notVerified: unseen.map(({ why }) => why).join('; ') };",
    'return unseen.length < 0 ? { notVerified: String(unseen) } : undefined;',
  ),
  mutant(
    'an older build is let in',
    'admission',
    'core/admission/build-checks.ts',
    'if (highest === null || build === undefined || build.sequence > highest) return undefined;',
    'if (highest !== build?.sequence) return undefined;',
  ),
  mutant(
    'a bad build is let in',
    'admission',
    'core/admission/build-checks.ts',
    'const why = facts.history.bad.get(facts.guid);',
    "const why = facts.history.bad.get('');",
  ),
  mutant(
    'probes alone judge a protected environment',
    'admission',
    'core/admission/plan-checks.ts',
    'if (clients.gates.length > 0 || clients.probesOnly || !clients.isProtected) return undefined;',
    'if (clients.gates.length >= 0) return undefined;',
  ),
  mutant(
    'a fixed limit does not see clients that are refused',
    'counters',
    'metrics/router-counters.ts',
    'if (metricOfStatus(status) === undefined || expected.includes(status)) continue;',
    "if (metricOfStatus(status) !== 'errors' || expected.includes(status)) continue;",
  ),
  mutant(
    'a location that is not seen is taken for fine',
    'admission',
    'core/admission/target-checks.ts',
    'if (first === undefined) return undefined;',
    'if (more.length === 0) return undefined;',
  ),
  mutant(
    'a router that cannot be used is taken',
    'admission',
    'core/admission/target-checks.ts',
    'unusable === undefined\n      ? undefined',
    'unusable?.why !== undefined || unusable === undefined\n      ? undefined',
  ),
  mutant(
    'a pointer that does not fit is found out at the end',
    'admission',
    'core/admission/plan-checks.ts',
    'unfit === undefined\n      ? undefined',
    'unfit?.length !== 0\n      ? undefined',
  ),
  mutant(
    'one dead socket hides what the others show',
    'sockets',
    'routers/haproxy/haproxy.ts',
    'if (first !== undefined && answered.length === 0) throw first.error;',
    'if (first !== undefined) throw first.error;',
  ),
  mutant(
    'a dead socket is no trouble',
    'sockets',
    'routers/haproxy/haproxy-reading.ts',
    'const trouble = [...unseen.map(({ why }) => why), ',
    'const trouble = [',
  ),
  mutant(
    'a spare slot is taken for a place',
    'sockets',
    'routers/haproxy/haproxy-answer.ts',
    "state.get('be_name') === backend && !isSpare(state)",
    "state.get('be_name') === backend",
  ),
  mutant(
    'a bit of HAProxy that says nothing is taken for something',
    'sockets',
    'routers/haproxy/haproxy-answer.ts',
    'ready: { none: MAINT_BITS | DRAIN_BITS },',
    'ready: { none: 127 },',
  ),
  mutant(
    'a location that is back counts what it counted before',
    'counters',
    'core/gates/verdict/gate.ts',
    'if (was === undefined) return [location, { from: last, last }] as const;',
    'if (was === undefined) return [location, { from: NOTHING, last }] as const;',
  ),
  mutant(
    'a target of another environment is taken',
    'admission',
    'core/admission/target-checks.ts',
    "if (others.length > 0) return { is: 'wrong', code: 'WRONG_TARGET'",
    "if (others.length > 0) return { is: 'right' }; if (others.length > 9) return { is: 'wrong', code: 'WRONG_TARGET'",
  ),
  mutant(
    'a key that stands twice is accepted',
    'manifests',
    'config/parse/nodes.ts',
    'else findings.push(duplicateKey(source, key, keySpan, earlier));',
    'else duplicateKey(source, key, keySpan, earlier);',
  ),
  mutant('a build may stand in two manifests', 'manifests', 'core/manifest/manifest-rules.ts', '...foreign(group), ', ''),
];
