/** The incidents that can be replayed, bundled from fixtures/incidents. Must hold no wording of its own. */
import july2023 from '../../../fixtures/incidents/2023-07/scenario.json' with { type: 'json' };
import october2023 from '../../../fixtures/incidents/2023-10-30/scenario.json' with { type: 'json' };
import { type Scenario, scenarioSchema } from './scenario.ts';

const SCENARIOS = { '2023-10-30': october2023, '2023-07': july2023 } as const;

export type IncidentName = keyof typeof SCENARIOS;

export const INCIDENT_NAMES = Object.keys(SCENARIOS) as readonly IncidentName[];

export function scenarioOf(name: IncidentName): Scenario {
  return scenarioSchema.parse(SCENARIOS[name]);
}
