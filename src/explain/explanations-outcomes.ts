/** Explanations of the codes with which something ends that had begun, and of everything in the way of beginning. Data only. */
import type { Code } from '../base/codes.ts';
import type { FindingCode } from '../core/errors.ts';
import type { Explanation, FindingExplanation } from './explanation.ts';

export const OUTCOMES = {
  REVERTED: {
    means: 'A gate failed, or health stayed unknown for too long. All traffic is back on the stable build.',
    example: 'answers failed: 12 of 40 (30 %). Traffic is back on 0b9f1c2d; the known-good build is unchanged.',
    causes: [
      'The new build is bad.',
      'The metric source stopped answering for longer than patience.',
      'The router saw the new build go down again and again.',
    ],
    todo: ['See what was measured: kvdeploy history --env E', 'Promote a mended build: kvdeploy builds --env E'],
  },
  ABORTED: {
    means: 'Somebody aborted the rollout, or broke the glass meanwhile. All traffic is back on the stable build.',
    example: 'abort asked by tess@edge-1: not tonight. Traffic is back on 0b9f1c2d.',
    causes: ['kvdeploy abort, from here or elsewhere.', 'A rescue that was reviewed.'],
    todo: ['See who and why: kvdeploy history --env E'],
  },
  STUCK: {
    means: 'Traffic or pointer is not where it should be and kvdeploy could not put it there. Somebody must look now.',
    example: 'The rollout stops where it is (baking, step 1 of 2), and nobody watches the gates: the disk is full.',
    causes: ['The router refuses changes.', 'The state directory cannot be written.', 'The stable build is gone, too.'],
    todo: [
      'Run the break-glass command that the error prints: kvdeploy rollback --break-glass --env E --reason "…"',
      'Once the cause is mended: kvdeploy resume --env E',
    ],
  },
  DRIFT: {
    means: 'Somebody else changed the split during a rollout. kvdeploy does not fight for it, and stops.',
    example: 'the router reports blue 100 %, not blue 75 %, green 25 %',
    causes: ['A person at the router.', 'Another tool.', 'A restart of the router without its saved state.'],
    todo: ['See what is served: kvdeploy status --env E', 'Put the known-good build back: kvdeploy rollback --env E'],
  },
  NOT_VERIFIED: {
    means:
      'Break-glass made every change, but could not read back that they hold. In a rehearsal: the way back cannot be verified.',
    example: 'Made, but not verified: not verified: 127.0.0.1:8080 did not accept a connection within 2000 ms',
    causes: ['The router does not answer.', 'The router is slow to take the change over.'],
    todo: [
      'Look at the router itself; running the same command again does nothing twice.',
      'Rehearse it while nothing is wrong: kvdeploy doctor --env E --break-glass',
    ],
  },
  LEDGER_DAMAGED: {
    means: 'A line of the ledger was edited, removed or reordered: the chain does not verify. Nothing is read from it.',
    example: 'Line 12 does not follow the one before it.',
    causes: ['A disk fault.', 'The file was edited or restored in part.'],
    todo: [
      'Restore the whole ledger folder from a backup, then: kvdeploy history --env E',
      'If the good build must come back now: kvdeploy rollback --break-glass --env E --reason "…"',
    ],
  },
  IN_DOUBT: {
    means: 'The disk did not say whether a write will last, so this process writes nothing more.',
    example: 'Whether that write lasts is unknown, so nothing more is written there by this process.',
    causes: ['A disk that is failing.', 'A network file system that went away.'],
    todo: ['Mend the disk, then look: kvdeploy status --env E', 'Go on from there: kvdeploy resume --env E'],
  },
  BUSY: {
    means: 'Another runner leads this scope, or took over. At most one moves its traffic.',
    example: 'ci@runner-7 (pid 4711) leads acme/production/kv-gateway since 14:02:11: promote.',
    causes: ['A rollout is under way.', 'A second CI run.', 'Somebody aborted or resumed it elsewhere.'],
    todo: ['See who: kvdeploy status --env E', 'Stop it: kvdeploy abort --env E', 'Watch it: kvdeploy status --env E --watch'],
  },
  HELD: {
    means: 'After a use of break-glass nothing moves traffic here until somebody has looked and said so.',
    example: 'Nothing moves traffic in acme/production/kv-gateway: root on edge-1 broke the glass at 2026-11-21T10:00:00Z.',
    causes: ['A rescue, finished or cut short.'],
    todo: ['Review it, write that down and lift the hold: kvdeploy reconcile --env E --reason "…"'],
  },
  UNFINISHED: {
    means: 'The last rollout was left half way and nobody watches it. Nothing new begins beside it.',
    example: 'Rollout r-7f3k is not finished: baking at step 1 of 2, and nobody watches it.',
    causes: ['Its runner was killed or lost its connection.', '--max-wait or --until ended it.'],
    todo: ['Carry on: kvdeploy resume --env E', 'Go back: kvdeploy abort --env E'],
  },
  UNREACHABLE: {
    means: 'Something that is needed did not answer in time, before anything was changed.',
    example: 'The local router at 127.0.0.1:8080 does not answer (connect ECONNREFUSED).',
    causes: ['It is not running.', 'A socket that this user may not open.', 'A wrong address in the config.'],
    todo: ['See everything that does not answer: kvdeploy doctor --env E'],
  },
  STATE_UNWRITABLE: {
    means: 'The ledger, the pointer or a routes file could not be written. What cannot be written down is not done.',
    example: 'cannot write the ledger of acme/production/kv-gateway: ENOSPC: no space left on device',
    causes: ['A full or read-only disk.', 'Another user owns the state.'],
    todo: ['Make room or mend the permissions, then: kvdeploy doctor --env E'],
  },
  STILL_BAKING: {
    means: '--max-wait ran out while the rollout was healthy and not finished. Nobody watches it now.',
    example: 'Still baking at 25 %: --max-wait ran out.',
    causes: ['Steps that bake longer than the CI step may run.'],
    todo: ['Carry on: kvdeploy resume --env E --max-wait 50m', 'Go back: kvdeploy abort --env E'],
  },
  INTERRUPTED: {
    means: 'A signal ended the command. Where the rollout stands is written down, and nobody watches it now.',
    example: 'Interrupted while baking at 25 %.',
    causes: ['Ctrl-C, a closed terminal, or CI that cancelled the run.'],
    todo: ['Carry on: kvdeploy resume --env E', 'Go back: kvdeploy abort --env E'],
  },
} as const satisfies Partial<Record<Code, Explanation>>;

// Explanations of the codes about files: the config, the manifests, and every finding of `validate`. Data only.

export const FILES = {
  CONFIG_MISSING: {
    means: 'No config was found from here up to the root of the repository, or the named one does not exist.',
    example: "There is no kvdeploy.config.yaml in /srv/gateway or above it, up to the repository's root.",
    causes: ['The command was run in another folder.', '--config names a file that is not there.'],
    todo: ['Run it where the config lies, or name it with --config.', 'The form of a config: kvdeploy schema config'],
  },
  CONFIG_INVALID: {
    means: 'The config cannot be used: it cannot be read, breaks its schema, or asks for what this machine does not have.',
    example: 'kvdeploy.config.yaml has 2 faults.',
    causes: ['A misspelt key.', 'Two config files in one folder.', 'A stateGroup that this machine does not have.'],
    todo: ['See every fault with its line and fix: kvdeploy validate'],
  },
  CONFIG_RUNS_CODE: {
    means: 'The config is a program (JavaScript or TypeScript). It is refused by its name and not read: reading it would run it.',
    example: 'A config file must not run code, so this one is not read.',
    causes: ['A kvdeploy.config.js or .ts lies beside the sources.'],
    todo: ['Write it as kvdeploy.config.yaml and remove the program; its form: kvdeploy schema config'],
  },
  MANIFEST_MISSING: {
    means: 'A manifest that was named does not exist, or no file fits the pattern.',
    example: 'There is no such file.',
    causes: ['A slip in the path.', 'The manifests lie in another folder than the config says (manifests:).'],
    todo: ['Check the path; without one every manifest is checked: kvdeploy validate'],
  },
  MANIFEST_INVALID: {
    means: 'A manifest cannot be read. It could list any build, so nothing is promotable until it can.',
    example: '1 finding in the manifests; a file that cannot be read could list any build, so nothing is promotable.',
    causes: ['A syntax error or an unknown key.', 'A file in the manifest folder that is no manifest.'],
    todo: ['See every finding with its line and fix: kvdeploy validate'],
  },
  MANIFESTS_DISAGREE: {
    means: 'Every manifest can be read, but together they break a rule, so the listing is refused whole.',
    example: 'The builds listed for acme/production/kv-gateway are refused whole: Sequence 41 is used twice.',
    causes: ['Two files say different things about one build or one scope.'],
    todo: ['See both places: kvdeploy validate'],
  },
  PLAN_INVALID: {
    means: 'The file is no plan that `plan --out` wrote, or it was changed since. A plan is made, not written.',
    example: 'plan.json cannot be used: it was changed after plan --out wrote it.',
    causes: ['Somebody edited it, or a tool changed its line ends.', 'Another version of kvdeploy wrote it.'],
    todo: ['Make it again: kvdeploy plan --env E --build GUID --out plan.json'],
  },
  TRACE_INVALID: {
    means: 'A recorded trace for `backtest` cannot be read: every finding names line, column, reason and fix.',
    example: 'trace.csv:7:18 12 errors of only 10 requests.',
    causes: [
      'Totals were written where counts per interval belong.',
      'The builds are not called candidate and stable, or only one of them was recorded.',
      'The slices of an interval hold more than the whole service, or buckets are not cumulative.',
    ],
    todo: [
      'Write CSV with the header t_s,slice,build,requests,errors; status and le may follow.',
      'Correct what is named, then: kvdeploy backtest --trace FILE',
    ],
  },
} as const satisfies Partial<Record<Code, Explanation>>;

export const FINDINGS = {
  SYNTAX: {
    means: 'The file is not YAML or JSON, or it is empty.',
    example: 'Not YAML: Nested mappings are not allowed in compact mappings.',
    causes: ['A missing quote or bracket.', 'Wrong indentation.', 'A template that was never filled in.'],
    todo: ['Correct that line and the one before it, then: kvdeploy validate'],
    exit: 2,
  },
  SCHEMA: {
    means: 'A value has another form than its key wants, or a key is missing.',
    example: 'Expected text, but this is a number.',
    causes: ['A version such as 1.10 that YAML reads as a number.', 'A key was left out.'],
    todo: ['Do what the finding says; the whole form: kvdeploy schema release-manifest'],
    exit: 2,
  },
  UNKNOWN_KEY: {
    means: 'A key is not known at this place. Unknown keys are refused, since a misspelt limit would be no limit.',
    example: 'Unknown key "wieght". Did you mean "weight"?',
    causes: ['A slip of the keyboard.', 'A key of a newer kvdeploy.', 'A key that belongs one level up or down.'],
    todo: ['Rename or remove it; what is known: kvdeploy schema config'],
    exit: 2,
  },
  DUPLICATE_KEY: {
    means: 'One key stands twice in one map. Readers differ in which one they take, so two people could see two files.',
    example: 'The key "guid" stands here twice; readers differ in which one they take.',
    causes: ['A merge that kept both sides.', 'A copied block.'],
    todo: ['Keep one of them, then: kvdeploy validate'],
    exit: 2,
  },
  FORBIDDEN_KEY: {
    means: 'A key that programs can mistake for a part of themselves, such as __proto__, is never allowed.',
    example: 'The key "__proto__" is not allowed anywhere.',
    causes: ['An attack, or a test of one.'],
    todo: ['Remove it, and find out who wrote it.'],
    exit: 2,
  },
  NOT_TEXT: {
    means: 'The file is not plain UTF-8, or holds characters that hide or reorder what people see.',
    example: 'The character U+202E cannot stand in this file: it is invisible, or hides or reorders text.',
    causes: ['Another encoding.', 'Text that was copied from a web page.', 'An attempt to show reviewers something else.'],
    todo: ['Save it as UTF-8 without such characters, then: kvdeploy validate'],
    exit: 2,
  },
  NOT_A_FILE: {
    means: 'Where a file was expected lies a link, a folder or a device, or the file may not be read.',
    example: 'This is a symlink; they are not followed.',
    causes: ['A link into another folder.', 'Missing permissions.'],
    todo: ['Put the file itself there, or let this user read it.'],
    exit: 2,
  },
  TOO_LARGE: {
    means: 'The file is larger than any manifest or config may be, and is not read.',
    example: 'The file has 3,145,728 bytes; at most 262,144 are read.',
    causes: ['Builds that nobody can promote any more were never removed.', 'Another file was named.'],
    todo: ['Remove old builds from the manifest, then: kvdeploy validate'],
    exit: 2,
  },
  TOO_DEEP: {
    means: 'Values are nested deeper than any manifest or config needs.',
    example: 'Values are nested deeper than 16 levels.',
    causes: ['A bracket or an indentation too many.', 'A file that was made to exhaust a reader.'],
    todo: ['Look for the bracket too many, then: kvdeploy validate'],
    exit: 2,
  },
  FORBIDDEN_YAML: {
    means: 'Anchors, aliases, tags, merges and second documents are refused: two readers could see two different files.',
    example: 'An alias is not allowed here: it can make two readers see two different files.',
    causes: ['A file written for a tool that expands them.'],
    todo: ['Write the values out, one document a file, then: kvdeploy validate'],
    exit: 2,
  },
  SHARED_TARGET: {
    means: "Two scopes name one router target, so a rollout of one would move the other's traffic. The config does not load.",
    example: 'acme/staging/kv-gateway and acme/production/kv-gateway name one target: routes file /var/lib/edge/routes.json.',
    causes: ['A copied service whose socket, backend or routes file was not changed.'],
    todo: ['Give each scope its own target, then: kvdeploy validate'],
    exit: 2,
  },
  REPEATED_GUID: {
    means: 'One scope lists one build more than once. Capitals, braces and urn:uuid: do not make it another one.',
    example: 'Build 7c9e6679 is listed more than once for acme/production/kv-gateway.',
    causes: ['A merge that kept both entries.'],
    todo: ['Keep one entry, then: kvdeploy validate'],
    exit: 3,
  },
  REPEATED_SCOPE: {
    means: 'Two manifests declare one scope, and nothing says which one counts.',
    example: 'acme/production/kv-gateway has 2 manifests; it must be clear which one counts.',
    causes: ['A renamed file whose old version stayed.', 'A copied manifest whose environment was not changed.'],
    todo: ['Merge them into one file, then: kvdeploy validate'],
    exit: 3,
  },
  TWO_DIGESTS: {
    means: 'One GUID is listed with two digests. A GUID names the same bytes for ever.',
    example: 'Build 7c9e6679 is listed with two digests: a GUID names the same bytes for ever.',
    causes: ['A build was made again under its old GUID.', 'A digest was edited by hand.'],
    todo: ['Publish the new bytes under a new GUID, then: kvdeploy validate'],
    exit: 3,
  },
  REPEATED_SEQUENCE: {
    means: 'Two builds of one scope have one sequence, so it cannot tell which of them is newer.',
    example: 'Sequence 41 is used twice for acme/production/kv-gateway, so it cannot tell which build is newer.',
    causes: ['A sequence that starts again with every branch.', 'A copied entry.'],
    todo: ['Give every build a sequence of its own, higher than all before it, then: kvdeploy validate'],
    exit: 3,
  },
  WRONG_PLACE: {
    means: 'The manifest declares another scope than the folder that it lies in. Reviewers and owners go by folders.',
    example: 'This manifest is for acme/staging/kv-gateway, but it lies at production/kv-gateway below the manifest root.',
    causes: ['A manifest copied to another environment and not changed, or moved.'],
    todo: ['Move it, or correct its tenant, environment or service, then: kvdeploy validate'],
    exit: 3,
  },
} as const satisfies Record<FindingCode, FindingExplanation>;
