/** The one verdict of a poll: fixed limits and the comparison are two judges behind it, and only here is given up. No I/O, no clock. */
import { countText } from '../../text.ts';
import type { Evidence } from '../evidence/evidence.ts';
import { type HarmBound, harmBounds } from '../evidence/non-inferiority.ts';
import type { GateSettings } from '../gate-settings.ts';
import { heaviestOf, type Standing, standings } from './blamed.ts';
import { type EvidenceVerdict, inShort, judgeEvidence, type Moment, progress } from './evidence-verdict.ts';
import { type GateMemory, judgeWarming, type Limits, type Measurement } from './gate.ts';
import type { Reason } from './reasons-to-wait.ts';
import { type GateResult, judgeAll, type Verdict } from './verdict.ts';

/** A gate with a fixed limit: what its source says now, and what was remembered of it. */
export interface LimitedGate {
  readonly gate: Limits & { readonly name: string };
  readonly memory: GateMemory;
  readonly measurement: Measurement;
  /** Of its warm-up. */
  readonly warmUpLeftMs?: number;
}

/** Evidence and what follows from it alone: with many slices that is worked out once a poll, not at every look. */
export interface Weighed {
  readonly evidence: Evidence;
  readonly bounds: readonly HarmBound[];
  readonly standings: readonly Standing[];
}

export function weigh(settings: GateSettings, evidence: Evidence): Weighed {
  return { evidence, bounds: harmBounds(settings, evidence), standings: standings(settings, evidence) };
}

/** The gates that compare, with the one evidence that they have together. `names`: of those a result of their own is wanted. */
export interface ComparedGates {
  readonly names: readonly string[];
  readonly settings: GateSettings;
  readonly weighed: Weighed;
  readonly moment: Moment;
}

/** How long health had been missing at this step, what this poll adds to that, and how long it may be missing. */
export interface Patience {
  readonly missingMs: number;
  /** The part of it that nothing makes good: restarts of the bake, with what had been watched until then. */
  readonly lostMs?: number;
  readonly spentMs: number;
  readonly patienceMs: number;
}

/** What one poll brought. `router`: what the router says of itself, each as the result of a gate. */
export interface Brought {
  readonly router: readonly GateResult[];
  readonly limited: readonly LimitedGate[];
  readonly compared: ComparedGates | null;
  /** Null where it has no end. */
  readonly patience: Patience | null;
}

export interface Judgement {
  readonly verdict: Verdict;
  readonly why: string;
  readonly gates: readonly GateResult[];
  /** What to remember of each gate with a fixed limit. */
  readonly memories: ReadonlyMap<string, GateMemory>;
  /** What the evidence says; null without gates that compare. */
  readonly evidence: EvidenceVerdict | null;
  /** Something was not counted. */
  readonly blind: boolean;
  readonly missingMs: number;
}

/** Judges everything that a poll brought. Whatever is not known to be fine holds, for as long as patience lasts. */
export function judge({ router, limited, compared, patience }: Brought): Judgement {
  const limits = limited.map(({ gate, memory, measurement, warmUpLeftMs = 0 }) => {
    const isWarming = warmUpLeftMs > 0 && !('missing' in measurement);
    return { gate: gate.name, isWarming, ...judgeWarming(gate, memory, measurement, warmUpLeftMs) };
  });
  const others = [...router, ...limits.map(({ gate, judged }): GateResult => ({ gate, ...judged }))];
  const evidence = compared === null ? null : evidenceOf(compared);
  const said = judgeAll(evidence === null ? others : [...others, evidence]);
  const reasons = evidence?.verdict === 'hold' ? evidence.reasons.map(({ what }) => what) : [];
  const silent = reasons.includes('data');
  // What a bound needs depends on the traffic, not on patience. Whatever else holds has no end of its own: it lasts as long as patience does.
  const warming = limits.filter(({ isWarming, judged }) => isWarming && judged.verdict === 'hold').map(({ gate }) => gate);
  const waits = [...router, ...others.filter(({ gate }) => !warming.includes(gate))].some(({ verdict }) => verdict !== 'pass');
  const spends = compared !== null && reasons.some((what) => usesUpPatience(what, compared));
  const gathers = reasons.length + warming.length > 0 && !waits && !spends;
  const missingMs = patience === null ? 0 : missingWith(patience, gathers, said);
  const isOver = said === 'hold' && patience !== null && !(missingMs <= patience.patienceMs);
  return {
    verdict: isOver ? 'give-up' : said,
    why: whyOf(said, others, evidence),
    gates: compared === null || evidence === null ? others : [...others, ...resultsOf(compared, evidence)],
    memories: new Map(limits.map(({ gate, memory }) => [gate, memory])),
    evidence,
    blind: router.length > 0 || silent || limited.some(({ measurement }) => 'missing' in measurement),
    missingMs,
  };
}

function evidenceOf({ settings, weighed: { evidence, bounds }, moment }: ComparedGates): EvidenceVerdict {
  return judgeEvidence(settings, evidence, moment, bounds);
}

/** Reasons that end by themselves with time and traffic, and those that mostly do: they may last as long as a step should at most. */
const GATHERING: readonly Reason['what'][] = ['dwell', 'bound', 'slices', 'average'];

const MOSTLY: readonly Reason['what'][] = [...GATHERING, 'evidence', 'split'];

function usesUpPatience(what: Reason['what'], { settings, weighed: { evidence } }: ComparedGates): boolean {
  const isLong = evidence.atMs - evidence.stepSinceMs > settings.maxDwellMs;
  return !(isLong ? GATHERING : MOSTLY).includes(what);
}

/** Trouble that comes and goes adds up: what was missing is made good by as much time in which evidence was gathered. */
function missingWith({ missingMs, spentMs, lostMs = 0 }: Patience, gathers: boolean, said: Verdict): number {
  if (gathers) return Math.max(lostMs, missingMs - spentMs);
  return said === 'hold' ? missingMs + spentMs : lostMs;
}

function whyOf(verdict: Verdict, others: readonly GateResult[], evidence: EvidenceVerdict | null): string {
  const texts = others.map((one) => ({ verdict: one.verdict, why: `gate ${one.gate}: ${one.why}` }));
  const said = [...(evidence === null ? [] : [evidence]), ...texts].filter((one) => one.verdict === verdict);
  const [first] = said;
  if (first === undefined) return 'there is no gate';
  return verdict === 'pass' ? said.map(({ why }) => why).join('; ') : first.why;
}

/** One result for each gate that compares, in the words of the one verdict that they have together. */
function resultsOf({ names, settings, weighed, moment }: ComparedGates, said: EvidenceVerdict): GateResult[] {
  if (names.length === 0) return [];
  const ways = progress(settings, weighed.evidence, moment.nowMs, weighed.bounds);
  return names.map((name) => {
    const own = weighed.standings.filter(({ gate }) => gate === name);
    const whole = own.find(({ slice }) => slice === null);
    const { requests, failures } = whole?.step.candidate ?? { requests: 0, failures: 0 };
    const { logE, neededLogE } = said;
    const evidence = { ...ways, logE, neededLogE, slice: heaviestOf(own)?.slice ?? null };
    return { gate: name, ...ofGate(name, said, countText(failures, requests)), requests, errors: failures, evidence };
  });
}

function ofGate(name: string, said: EvidenceVerdict, counts: string): Pick<GateResult, 'verdict' | 'why'> {
  switch (said.verdict) {
    case 'pass':
      return { verdict: 'pass', why: said.why };
    case 'give-up':
      return said.gate === name ? { verdict: 'give-up', why: said.why } : { verdict: 'hold', why: `${counts} failed` };
    case 'fail': {
      const blamed = said.confirmed[0] ?? said.heaviest;
      return blamed.gate === name ? { verdict: 'fail', why: said.why } : { verdict: 'hold', why: `${counts} failed` };
    }
    case 'hold': {
      const reasons = inShort(said.reasons.filter(({ gate }) => gate === null || gate === name));
      if (reasons.length === 0) return { verdict: 'pass', why: `${counts} failed` };
      const texts = reasons.map(({ why }) => why);
      // What says how many requests a bound needs has the counts in it.
      return {
        verdict: 'hold',
        why: [...texts, ...(reasons.some(({ what }) => what === 'bound') ? [] : [`${counts} failed`])].join('; '),
      };
    }
  }
}
