/** Faults of what an emergency asks first, and of where it leads. */
import { type Mutant, mutant } from './mutant.ts';

export const OF_THE_RESCUE: readonly Mutant[] = [
  mutant(
    'break-glass does not ask which environment the target is',
    'rescues',
    'break-glass/ask.ts',
    "if (answer.kind === 'other') throw wrongTarget(answer.why);",
    "if (answer.kind === 'other') continue;",
  ),
  mutant(
    'a revert writes to the router of another environment',
    'rescues',
    'base/changes/own-changes.ts',
    'changes: changes.filter((change) => !isOthers(change)),',
    'changes: changes.filter((change) => isOthers(change)),',
  ),
  mutant(
    'a redirect is taken for an identity',
    'rescues',
    'base/changes/identity.ts',
    'if (heard.redirect)',
    'if (heard.redirect && from === answered)',
  ),
  mutant(
    'a commit is compared as loosely as a GUID',
    'rescues',
    'base/changes/identity.ts',
    'exact === true ? said === equals',
    'exact === true ? saysTheSame(said, equals)',
  ),
  mutant(
    'a secret goes to a server that TLS does not verify',
    'rescues',
    'base/changes/prepare.ts',
    "if ('insecure' in one && one.insecure === true)",
    "if ('insecure' in one && one.insecure !== true)",
  ),
  mutant(
    'a settled check counts its first answer',
    'rescues',
    'base/changes/checks.ts',
    '!answer.ok || count === answers)',
    '!answer.ok || count >= 1)',
  ),
  mutant(
    'a program that looks needs no machine file',
    'rescues',
    'base/owners/targets.ts',
    'return ofProgram(check);',
    'return NOTHING;',
  ),
  mutant(
    'break-glass goes to a place that answers without a GUID',
    'rescues',
    'base/changes/identity.ts',
    "kind: well && wanted.kind === 'http' ? 'gone' : 'silent'",
    "kind: well && wanted.kind === 'run' ? 'gone' : 'silent'",
  ),
  mutant(
    'the emergency command is printed without --to',
    'rescues',
    'lead/outcome.ts',
    "=== goal ? '' : ` --to ${goal}`;",
    "=== goal ? '' : '';",
  ),
  mutant(
    'a rollback does not write its target before its first shift',
    'rescues',
    'engine/perform.ts',
    '  if (isBack) return prepareRollback(state, before, runner);',
    "  if (isBack) return { type: 'prepared', atMs: io.now(), generation: null };",
  ),
  mutant(
    'a silent member that gets traffic is called out of service',
    'rescues',
    'break-glass/read-back.ts',
    'return known.length > 0 && known.every((out) => out);',
    'return known.length >= 0;',
  ),
  mutant(
    'a rescue to a place where no member serves is verified',
    'rescues',
    'base/changes/checks.ts',
    'if (serve.length >= least) continue;',
    'if (serve.length >= 0) continue;',
  ),
];
