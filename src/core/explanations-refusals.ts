/** Explanations of the codes with which a build, a target or a way back is refused before anything was changed. Data only. */
import type { Code } from './errors.ts';
import type { Explanation } from './explanation.ts';

export const REFUSALS = {
  FOREIGN_BUILD: {
    means: 'The build belongs to another environment: another manifest lists it, or another ledger knows it. No flag skips this.',
    example: 'Build 57a9e000 belongs to staging, so it cannot enter production.',
    causes: ["A GUID of another environment was copied into this one's manifest.", 'A build of another tenant or service.'],
    todo: ['Promote a build made for this environment: kvdeploy builds --env E', 'See both places: kvdeploy validate'],
  },
  WRONG_SCOPE: {
    means: 'A manifest, an exported pointer or the build itself says that it belongs to another scope than the one asked for.',
    example: 'The build at the place of 7c9e6679 says that it was made for staging, not production.',
    causes: ['A staging binary was started at a place of production.', 'A manifest lies in the folder of another scope.'],
    todo: ['Start the right build at that place, then: kvdeploy plan --env E --build GUID', 'See the files: kvdeploy validate'],
  },
  UNLISTED_BUILD: {
    means: "The GUID stands not at all, or more than once, in this environment's manifest.",
    example: 'Build 7c9e6679 does not stand in the manifest of acme/production/kv-gateway.',
    causes: ['The checkout is older than the build.', 'The build was listed for another service.'],
    todo: ['Update the checkout, then see what is listed: kvdeploy builds --env E'],
  },
  OLD_SEQUENCE: {
    means: 'The build is not newer than one that was known-good here. Going back is what rollback is for, with its own checks.',
    example: 'Build 0b9f1c2d has sequence 40, but 41 was known-good here: promoting an older build is not going back.',
    causes: ['An older build was named.', 'A sequence that does not rise with every build.'],
    todo: ['Go back: kvdeploy rollback --env E --to GUID', 'See what is newer: kvdeploy builds --env E'],
  },
  BAD_BUILD: {
    means: 'The build is marked bad: its gate failed, or a person rolled back from it. It never comes back under this GUID.',
    example: 'Build 7c9e6679 is marked bad: answers failed: 4 of 40 (10 %).',
    causes: ['The same build was tried again.'],
    todo: ['Build the mended source again; a new build has a new GUID.', 'See why: kvdeploy history --env E'],
  },
  BUILD_GONE: {
    means: 'The build does not answer at its place, or another build answers there.',
    example: 'Another build answers at the place of 7c9e6679: 0b9f1c2d-1111-4aaa-8bbb-000000000040.',
    causes: ['It was never started there, or has crashed.', 'Its place was given to another build.', 'ref names another place.'],
    todo: [
      'Start it at its place, then: kvdeploy plan --env E --build GUID',
      'Ask every place: kvdeploy doctor --env E',
      'In a rescue, go to an earlier build: kvdeploy rollback --break-glass --env E --reason "…" --to GUID',
    ],
  },
  SAME_PLACE: {
    means: 'The new build has the place where the known-good build runs. Both must run at once, or there is no way back.',
    example: 'Build 5c0a77e4 has the place blue, where the known-good build 0b9f1c2d runs.',
    causes: ['ref was not switched to the free place.'],
    todo: ['Start it at another place and say so in its ref, then: kvdeploy validate'],
  },
  WRONG_TARGET: {
    means: "The router's target does not say that it is this environment, or names another one.",
    example: "The router's target says that it is staging; acme/production/kv-gateway was asked for.",
    causes: ['The config names the socket or the address of another environment.', 'The target says nothing about itself.'],
    todo: ['Correct the router settings, or let the target name its environment; then: kvdeploy doctor --env E'],
  },
  NO_KNOWN_GOOD: {
    means: 'No build was ever known-good here, or the one that was is marked bad: there would be no way back.',
    example: 'No build was ever known-good in acme/production/kv-gateway.',
    causes: ['The first promotion of a service.', 'The known-good build was marked bad after a rollback or a rescue.'],
    todo: ['Take over what serves now: kvdeploy adopt --env E', 'See earlier ones: kvdeploy pointer show --env E'],
  },
  NO_STATE: {
    means: 'There is no ledger or pointer here, yet the target serves something. A history begun here could lose the way back.',
    example: 'There is no state for acme/production/kv-gateway here, yet the target serves blue 100 %.',
    causes: ['An ephemeral CI runner.', 'Another state directory than last time.', 'Another user or host.'],
    todo: [
      'Run kvdeploy where the state lies, or name it with --state-dir.',
      'Bring it from the other machine: kvdeploy pointer import FILE --env E',
      'Take over what serves now: kvdeploy adopt --env E',
    ],
  },
  NOT_KNOWN_GOOD: {
    means: 'Going back goes only to builds that were known-good here, and this one was not.',
    example: 'Build 7c9e6679 was never known-good in acme/production/kv-gateway.',
    causes: ['Its rollout never came to 100 % and its last bake.', 'The GUID of another scope.'],
    todo: ['See which builds were: kvdeploy pointer show --env E'],
  },
  POINTER_DAMAGED: {
    means: 'The known-good pointer is not there or does not verify. Nothing is promoted without a way back.',
    example: 'The known-good pointer cannot be read: ptr.000000000007: its checksum does not match.',
    causes: ['A disk fault or a file edited by hand.', 'The pointer was deleted.'],
    todo: [
      'Write it again from the ledger: kvdeploy pointer verify --env E --renew',
      'See each copy: kvdeploy pointer show --env E',
    ],
  },
  POINTER_STALE: {
    means: 'The pointer verifies, but its changes would not lead to the known-good build over the target of now.',
    example: 'The changes that restore it differ from those rendered now: the target or its settings have changed since.',
    causes: ['A server or a place was added or removed.', 'The router settings in the config were changed.'],
    todo: ['Write it again: kvdeploy pointer verify --env E --renew'],
  },
  LEDGER_CUT: {
    means:
      'The pointer knows an entry of the ledger that the ledger does not have: its end was cut off, or it is another ledger.',
    example: 'Pointer generation 7, written 2026-11-21T09:12:00Z, knows an entry that the ledger does not have.',
    causes: [
      'The state directory was restored from a backup older than the pointer.',
      'Somebody removed lines or whole segments of the ledger.',
    ],
    todo: [
      'Restore the newer ledger from a backup.',
      'If it is gone for good, go on from what is left: kvdeploy pointer verify --env E --renew',
    ],
  },
  LEDGER_NEWER: {
    means: 'A newer kvdeploy wrote into the ledger what this one does not know. Nothing is read from it.',
    example: '0007.jsonl was written by a newer kvdeploy (ledger format 2); this one knows formats up to 1.',
    causes: ['Another runner that shares the state has a newer version.', 'An older version was installed here again.'],
    todo: [
      'Update kvdeploy here, then run the same command again.',
      'If the good build must come back now: kvdeploy rollback --break-glass --env E --reason "…"',
    ],
  },
  STATE_UNSAFE: {
    means: 'The state directory cannot promise to keep the way back, or somebody else could have written there.',
    example: 'The state directory cannot promise to keep the way back: it lies on tmpfs.',
    causes: ['tmpfs, or a full or read-only disk.', 'A folder that others may write.', 'A symlink in the state.'],
    todo: ['Put it on a local disk of its own, 0700 or shared by stateGroup; then: kvdeploy doctor --env E'],
  },
  SPLIT_IMPOSSIBLE: {
    means: 'The router cannot give the candidate exactly the percentage of a step.',
    example: "HAProxy's weights end at 256, so it cannot give 0.1 %; the nearest is 0.391 %.",
    causes: ['A step that is too small.', 'A balance algorithm that takes only all or nothing.'],
    todo: ['Change the steps in the config, then: kvdeploy plan --env E --build GUID'],
  },
  REQUIREMENT_UNMET: {
    means: 'Another environment must have run this source for a time first, and it has not.',
    example: 'acme/staging/kv-gateway has run this source for 4m, and 30m are required.',
    causes: ['The soak is not over.', 'Staging never took this source.', 'A build does not say its source.'],
    todo: ['Wait, or promote it there first; see: kvdeploy status --env staging'],
  },
  NO_SUCH_SOURCE: {
    means: 'This environment lists no build of the source that is known-good in the other one. A GUID never crosses over.',
    example: 'acme/production/kv-gateway lists no build of commit 3f2a91, which is known-good in staging.',
    causes: ['CI has not made the build for this environment yet.', 'The manifests do not say source.'],
    todo: ['Let CI make it, update the checkout, then: kvdeploy builds --env E'],
  },
  SOURCE_UNCLEAR: {
    means: 'This environment lists several builds of the source that is known-good in the other one.',
    example: 'acme/production/kv-gateway lists 2 builds of commit dddddd.',
    causes: ['The same commit was built twice.'],
    todo: ['Say which: kvdeploy promote --env E --build GUID'],
  },
  UNEXPECTED_SPLIT: {
    means: 'The target does not serve the known-good build alone, so a rollout cannot begin from there.',
    example: 'The target serves blue 75 %, green 25 %, not the known-good build 0b9f1c2d at blue alone.',
    causes: ['Somebody changed the weights by hand.', 'The router restarted without its saved state.'],
    todo: ['See what is served: kvdeploy status --env E', 'Put the known-good build back: kvdeploy rollback --env E'],
  },
  TARGET_CHANGED: {
    means: "Today's config names another target than the one that the open rollout runs on.",
    example: 'The config names another target than this rollout runs on: routes /var/lib/edge/b.json.',
    causes: ['The router settings were changed while a rollout was open.'],
    todo: ['Go back on the old target: kvdeploy abort --env E', 'Undo the change of the config, then: kvdeploy resume --env E'],
  },
  GATE_NOT_READY: {
    means: 'A gate has no data. Missing data is not health, so nothing begins, or nothing goes on.',
    example: 'Gate errors has no data for 0b9f1c2d, which serves now: the query answers with no series.',
    causes: ['The metric source is down.', 'A query that names other labels.', 'Too little traffic.'],
    todo: [
      'Ask the gates now: kvdeploy doctor --env E',
      'See the question that each gate asks: kvdeploy plan --env E --build GUID',
    ],
  },
  GATE_FAILED: {
    means: 'A gate failed while nothing had been changed: what `adopt` was to take over is not healthy.',
    example: 'answers failed: 5 of 5 requests (100 %), more than 10 %.',
    causes: ['The build that serves fails its own gate.', 'A limit that is too strict.'],
    todo: ['Mend the build or the limit, then: kvdeploy adopt --env E'],
  },
  HAZARD_UNCONTROLLED: {
    means: 'Something that could go wrong with this release has nothing in its way but a person who is careful.',
    example: '1 hazard has no control stronger than a person being careful: A reload of the router brings an earlier split back.',
    causes: ['haproxy without serverStateFile.', 'A gate that can never see its minRequests.', 'State on tmpfs.'],
    todo: ['See every hazard and what stands in its way: kvdeploy plan --env E --build GUID'],
  },
  STALE_PLAN: {
    means: 'Something that the plan file was made from is different now, so nobody has looked at what would really happen.',
    example: 'plan.json is stale: releases/production/kv-gateway.yaml has changed.',
    causes: ['A manifest or the config was edited.', 'Another rollout ran meanwhile.', 'Somebody moved traffic.'],
    todo: ['Make it again, and look at it again: kvdeploy plan --env E --build GUID --out plan.json'],
  },
} as const satisfies Partial<Record<Code, Explanation>>;
