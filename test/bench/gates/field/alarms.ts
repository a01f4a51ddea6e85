/**
 * An Amazon ECS canary deployment that a CloudWatch alarm rolls back, re-implemented from AWS's documentation, read in November 2026. Must be
 * no slower than that says: no delay of metrics, of the alarm or of the rollback is added.
 *
 * - docs.aws.amazon.com/AmazonECS/latest/developerguide/canary-deployment.html: traffic moves in two steps, to the canary's part and then all.
 * - .../AmazonECS/latest/APIReference/API_CanaryConfiguration.html: canaryPercent 5.0 and canaryBakeTimeInMinutes 10 by default.
 * - .../AmazonECS/latest/developerguide/deployment-alarm-failure.html: an alarm that goes into ALARM fails the deployment and rolls it back.
 * - .../AmazonCloudWatch/latest/monitoring/alarm-evaluation.html: period, evaluation periods (N), datapoints to alarm (M): ALARM once M of the last
 *   N datapoints breach.
 * - .../AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html: `notBreaching` for metrics that exist only where errors do.
 * - .../elasticloadbalancing/latest/application/load-balancer-cloudwatch-metrics.html: sums of 60 seconds for each target group, none without requests.
 */
import { type Arm, type Judge, type NewJudge, Past, type Setting, type Verdict } from '../judge.ts';

/** The canary's part of the traffic, in percent, and how long it keeps it. */
export const ECS_PERCENT = 5;
export const ECS_BAKE_S = 600;

const PERIOD_S = 60;

/** AWS names no threshold: 1 % of the requests to the candidate's target group, as Flagger's documents have it. */
const BREACHES_ABOVE = 0.01;

class Alarm implements Judge {
  readonly name: string;
  readonly #datapoints: number;
  readonly #periods: number;
  #past = new Past(1);
  #breaching: boolean[] = [];
  #sinceS = 0;

  constructor(datapoints: number, periods: number) {
    this.name = `ECS canary, CloudWatch alarm on ${datapoints} of ${periods} datapoints: 1 % of 5xx in 60 s (candidate only)`;
    [this.#datapoints, this.#periods] = [datapoints, periods];
  }

  start({ pollS }: Setting): void {
    this.#past = new Past(pollS);
    this.#breaching = [];
    this.#sinceS = 0;
  }

  poll(tS: number, candidate: Arm, stable: Arm): Verdict {
    this.#past.add(candidate, stable);
    if (tS % PERIOD_S !== 0) return 'hold';
    const { requests, failures } = this.#past.candidate(PERIOD_S);
    // Without requests there is no datapoint, which does not breach.
    this.#breaching = [...this.#breaching, requests > 0 && failures / requests > BREACHES_ABOVE].slice(-this.#periods);
    if (this.#breaching.filter(Boolean).length >= this.#datapoints) return 'rollback';
    if (tS - this.#sinceS < ECS_BAKE_S) return 'hold';
    this.#sinceS = tS;
    return 'advance';
  }
}

/** `datapoints` of the last `periods` must breach. */
export function ecsCanary(datapoints: 1 | 3, periods: 1 | 5): NewJudge {
  return () => new Alarm(datapoints, periods);
}

export function ecsCanaries(): readonly NewJudge[] {
  return [ecsCanary(1, 1), ecsCanary(3, 5)];
}
