/** Faults of what says whose a target is, and which build runs there. */
import { type Mutant, mutant } from './mutant.ts';

const MARKER = 'base/durable/marker.ts';
const OTHER = 'release/other-state.ts';

export const OF_THE_TARGET: readonly Mutant[] = [
  mutant(
    'the marker of another state is ignored',
    'second state',
    OTHER,
    'seen.mark.stateId === ownId) return undefined;',
    "seen.mark.stateId === ownId || ownId !== '') return undefined;",
  ),
  mutant('a marker is written over the one that is there', 'second state', MARKER, 'isOurs(seen, mark) || gives(seen)', 'true'),
  mutant(
    'a marker of a stranger is believed',
    'second state',
    MARKER,
    '  return sticky && ![0,',
    '  return false && sticky && ![0,',
  ),
  mutant(
    'a state that lost one marker keeps the others',
    'second state',
    MARKER,
    '        for (const own of made) quietly(() => fs.unlinkSync(own));\n',
    '',
  ),
  mutant('a state that is there can be replaced', 'second state', OTHER, "? 'there' : 'gone';", "? 'gone' : 'there';"),
  mutant(
    'the marker is not looked at before a change',
    'simulator',
    'engine/runner.ts',
    "    if (others !== undefined) return { kind: 'other-state', why: others };\n",
    '',
  ),
  mutant(
    'a record in a shared folder holds every state',
    'second state',
    'base/pointer/records.ts',
    '!shared.states.includes(entry.state)) continue;',
    'shared.states.length === 0) continue;',
  ),
  mutant(
    'a member in maintenance moves the split of its place',
    'sockets',
    'routers/places.ts',
    'inRotation === 0 ? inRotation',
    'inRotation >= 0 ? inRotation',
  ),
  mutant(
    'traffic of a server that belongs to no place is split around',
    'sockets',
    'routers/haproxy/haproxy-reading.ts',
    'strangers(placed, settings.backend);',
    'undefined;',
  ),
  mutant(
    'an agent that HAProxy does not tell of is taken for none',
    'sockets',
    'routers/haproxy/haproxy-answer.ts',
    '  if (agent === undefined) return undefined;',
    '',
  ),
  mutant(
    'an agent of a server may set the weights of a split',
    'sockets',
    'routers/haproxy/haproxy-setup.ts',
    'agent !== undefined && agentCheck === undefined',
    'agent !== undefined && agentCheck !== undefined',
  ),
  mutant(
    'a program that says its target is unusable is not heard',
    'sockets',
    'routers/command/command.ts',
    'answer.unusable).find((one) => one !== undefined);',
    'answer.unusable).find((one) => one === undefined);',
  ),
];

export const OF_THE_WORDS: readonly Mutant[] = [
  mutant(
    'a word of two builds names one of them',
    'words',
    'core/admission/named.ts',
    'if (only !== undefined && more.length === 0)',
    'if (only !== undefined && more.length >= 0)',
  ),
  mutant(
    'a silent member is left out in a protected environment',
    'words',
    'core/admission/answers.ts',
    'if (first !== undefined && (isProtected || !isProven)) return first;',
    'if (first !== undefined && !isProven) return first;',
  ),
  mutant(
    'a commit proves an environment',
    'words',
    'core/admission/identity-checks.ts',
    'if (saysEnvironment(identity) && first === undefined) return undefined;',
    'if (scope !== null) return undefined;',
  ),
  mutant(
    'a commit of the known-good build proves an environment',
    'words',
    'core/admission/answers.ts',
    "return isProtected ? { is: 'silent', why, ...unproven } : { is: 'right', notVerified: why };",
    "return { is: 'right', notVerified: why };",
  ),
  mutant(
    'one answer stands for all members that are asked at one address',
    'words',
    'engine/asking/questions.ts',
    'if (processes.size === 1) return undefined;',
    'if (processes.size >= 1) return undefined;',
  ),
  mutant(
    'answers that take long are never heard',
    'condition',
    'engine/condition.ts',
    'if (this.restMs > 0 || this.#looking !== undefined) return;',
    'if (this.restMs > 0) return;',
  ),
  mutant(
    'a member of kvdeploy serve that is down gets a share',
    'sockets',
    'routers/local/local-reading.ts',
    'own.some((other) => other.up) ? own.filter((other) => other.up) : own',
    'own',
  ),
  mutant(
    'a member that kvdeploy serve does not know is not read',
    'sockets',
    'routers/local/local-reading.ts',
    'return [...serving, ...silentMembers(settings, told, shares)];',
    'return shares.size > 0 ? serving : [...serving, ...silentMembers(settings, told, shares)];',
  ),
  mutant(
    'members are left out of a probe where there are fewer probes',
    'sockets',
    'metrics/http-probe.ts',
    'Math.max(settings.probes, members.length)',
    'settings.probes',
  ),
];
