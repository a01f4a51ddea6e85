/** Who takes part in which comparison. Must leave no rival out because it does well. */
import { ECS_PERCENT, ecsCanaries } from './field/alarms.ts';
import { Dwelling, type NewJudge } from './judge.ts';
import { kayenta } from './mann-whitney.ts';
import { oracle, peekedZ, sprt } from './sequential.ts';
import { argoBackground, argoEveryMinute, argoInline, argoOnce, firstBadMinute, flagger, twiceBaseline } from './thresholds.ts';

/** The rivals when the candidate stays at one share. */
export function holders(): readonly NewJudge[] {
  const walk = { firstS: 300, dwellS: 600 };
  return [
    argoBackground('service', walk),
    argoBackground('candidate', walk),
    argoOnce('service'),
    argoOnce('candidate'),
    argoInline('service'),
    argoInline('candidate'),
    flagger(10, 'service', 600),
    flagger(10, 'candidate', 600),
    flagger(5, 'service', 600),
    flagger(5, 'candidate', 600),
    ...ecsCanaries(),
    ...figuresOnly(),
  ];
}

/** Rules that compare or bound rates: what could end a healthy rollout by chance. */
export function figuresOnly(): readonly NewJudge[] {
  return [
    argoEveryMinute(),
    firstBadMinute(0.99),
    firstBadMinute(0.999),
    twiceBaseline(),
    peekedZ(),
    sprt(),
    kayenta(30),
    kayenta(60),
    oracle(),
  ];
}

/** What the documents of Argo Rollouts and Flagger show, each in its own steps. */
export const DOCUMENTED: readonly (readonly [readonly number[], NewJudge])[] = [
  ...(['service', 'candidate'] as const).flatMap((sees) => [
    [[20, 40, 60, 80], argoBackground(sees, { firstS: 600, dwellS: 600 })] as const,
    [[20], argoOnce(sees)] as const,
    [[20], argoInline(sees)] as const,
    [[5, 10, 15, 20, 25, 30, 35, 40, 45, 50], flagger(10, sees, 0)] as const,
    [[10, 20, 30, 40, 50], flagger(5, sees, 0)] as const,
  ]),
  ...ecsCanaries().map((make) => [[ECS_PERCENT], make] as const),
];

/** E2, the rivals: everybody in 1, 5, 25, 50, 100 %, the limits with 10 minutes in each, all of them watched for 10 minutes at 100 %. */
export function walkers(): readonly NewJudge[] {
  const walk = { firstS: 300, dwellS: 600 };
  return [
    argoBackground('service', walk),
    argoBackground('candidate', walk),
    argoEveryMinute(),
    flagger(10, 'service', 600),
    flagger(10, 'candidate', 600),
    flagger(5, 'service', 600),
    flagger(5, 'candidate', 600),
    ...ecsCanaries(),
    firstBadMinute(0.99),
    () => new Dwelling(peekedZ()(), 600),
    () => new Dwelling(sprt()(), 600),
    kayenta(60),
  ];
}

/** E3: rivals that see the whole only. */
export function tenantRivals(): readonly NewJudge[] {
  return [
    flagger(10, 'candidate', 600),
    flagger(5, 'candidate', 600),
    ...ecsCanaries(),
    argoInline('candidate'),
    twiceBaseline(),
    peekedZ(),
    kayenta(60),
  ];
}
