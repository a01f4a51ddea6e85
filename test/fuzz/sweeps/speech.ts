/** Everything that is said: output lines full of hostile texts, and the command line of break-glass. */
import { asCommand, describe } from '../../../src/base/changes/wording.ts';
import { safeLine, safeText } from '../../../src/base/text.ts';
import { checkedReason, parseOptions } from '../../../src/break-glass/options.ts';
import { Refused } from '../../../src/break-glass/refusal.ts';
import { type OutputLine, outputLineSchema } from '../../../src/core/output.ts';
import { phase, poll, result, started, traffic } from '../../terminal/rollout-lines.ts';
import { hostileText } from '../hostile.ts';
import type { Luck } from '../luck.ts';
import { must, type Sweep } from '../sweep.ts';
import { mustBeSafe, mustPrintSafely, mustSpeakSafely } from '../terminal.ts';

const LINES: readonly OutputLine[] = [
  started,
  phase('baking', 1),
  phase('stuck', 2, 0, 'why'),
  traffic(25),
  poll({ seconds: 5 }),
  { type: 'note', level: 'warning', message: 'm' },
  { type: 'check', name: 'n', ok: null, message: 'm' },
  { type: 'document', name: 'plan', data: { text: 't', list: ['a'] } },
  result({ ok: false, code: 'STUCK', exitCode: 5, places: [{ file: 'f', line: 1, note: 'n' }], next: ['kvdeploy status'] }),
];

/** Times, types and other words of our own stay as they are. */
const OURS = new Set(['type', 'at', 'phase', 'kind', 'level', 'certainty', 'verdict', 'code']);

function withHostileTexts(luck: Luck, value: unknown, key = ''): unknown {
  if (Array.isArray(value)) return value.map((one) => withHostileTexts(luck, one));
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, withHostileTexts(luck, one, name)]));
  }
  return typeof value === 'string' && !OURS.has(key) && luck.chance(0.5) ? `x${hostileText(luck)}y` : value;
}

export const outputLines: Sweep<readonly unknown[]> = {
  name: 'output-lines',
  what: 'runs of output lines',
  kind: 'objects',
  share: 0.02,
  make: (luck) => [started, ...luck.some(3, () => luck.pick(LINES))].map((line) => withHostileTexts(luck, line)),
  judge: (lines) => {
    mustPrintSafely(lines.flatMap((line) => outputLineSchema.safeParse(line).data ?? []));
    return 'printed';
  },
  must: ['printed'],
};

/** The sanitisers alone: nothing unsafe is left, nothing safe is changed, and doing it again changes nothing. */
export const sanitised: Sweep<string> = {
  name: 'sanitised',
  what: 'texts through the sanitisers',
  kind: 'objects',
  share: 0.02,
  make: (luck) => luck.some(4, () => (luck.chance(0.7) ? hostileText(luck) : 'plain')).join(luck.pick(['', 'é', '日本', '✖'])),
  judge: (text) => {
    for (const clean of [safeText, safeLine]) {
      mustBeSafe(clean(text), clean.name);
      must(clean(clean(text)) === clean(text), 'cleaning twice is not cleaning once');
    }
    must(!/[\t\n\r]/.test(safeLine(text)), 'one line became several');
    const change = { kind: 'run', argv: ['x', text.replaceAll('\0', '')], timeoutMs: 1 } as const;
    mustBeSafe(asCommand(change), 'a shell command');
    mustBeSafe(describe(change), 'a change in words');
    return 'clean';
  },
  must: ['clean'],
};

const PAIRS: readonly (readonly string[])[] = [
  ['rollback'],
  ['--break-glass'],
  ['--env', 'production'],
  ['-t', 'acme'],
  ['-sweb'],
  ['--reason', 'login is down since 9'],
  ['--reason=gateway answers 401'],
  ['--to={7C9E6679-7425-40DE-944B-E07FC1F90AE7}'],
  ['--confirm', 'production'],
  ['--state-dir', '/s'],
  ['--json'],
  ['-q'],
];
const ODD = [
  '--force',
  '--en',
  '--env=',
  '-',
  '--',
  '--__proto__',
  '--constructor=x',
  '-x',
  '--rehearse',
  '--json=1',
  '-e',
  'promote',
];

export const commandLines: Sweep<readonly string[]> = {
  name: 'command-lines',
  what: 'command lines of break-glass',
  kind: 'objects',
  share: 0.03,
  make: (luck) => {
    const pairs = PAIRS.filter(() => luck.chance(0.5));
    const odd = luck.chance(0.5) ? [] : luck.some(2, () => (luck.chance(0.8) ? luck.pick(ODD) : hostileText(luck)));
    return [...pairs.flat(), ...odd].map((word) => (luck.chance(0.02) ? hostileText(luck) : word));
  },
  judge: (argv) => {
    try {
      const options = parseOptions(argv, { KVDEPLOY_ENV: 'staging' });
      const { environment, tenant, service, to, reason, confirm, stateDir } = options;
      const all = argv.join('\u0000');
      for (const value of [tenant, service, to, reason, confirm, stateDir])
        must(value === undefined || (value !== '' && all.includes(value)), 'a value from nowhere');
      must(environment === 'staging' || all.includes(environment ?? '\u0000\u0000'), 'an environment from nowhere');
      must(!argv.some((word) => /^--(?:force|en$|__proto__|constructor)/.test(word)), 'an unknown option was passed over');
      must(!(options.rehearse && confirm !== undefined), 'a rehearsal that was confirmed');
      const kept = checkedReason(reason);
      must(kept.length >= 10 && kept.length <= 500, 'a reason of no size');
      mustBeSafe(kept, 'the reason');
      return 'understood';
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      const { code, message, hint, next } = error;
      mustSpeakSafely((voice) => voice.end({ code, message, hint, scope: null, serving: null, traffic: 'unchanged', next }));
      return 'refused';
    }
  },
  must: ['understood', 'refused'],
};
