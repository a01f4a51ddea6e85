/** Explanations of the codes with which something ends that had begun, and of everything in the way of beginning. Data only. */
import type { Code } from './errors.ts';
import type { Explanation } from './explanation.ts';

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
