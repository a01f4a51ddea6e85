/** Explanations of the codes with which a build, a target or a way back is refused before anything was changed. Data only. */
import type { Code } from '../base/codes.ts';
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

// Explanations of the codes about what was asked: command line, names, confirmation, settings that are missing. Data only.

export const ASKING = {
  BUG: {
    means: 'Something happened that kvdeploy was not written for. Where traffic is, the last line says; nothing was guessed.',
    example: 'This is a bug in kvdeploy: Cannot read properties of undefined',
    causes: ['A fault in kvdeploy itself.', 'Two different versions of kvdeploy that share one state.'],
    todo: [
      'Look where traffic is: kvdeploy status --env E',
      'Run the same command with KVDEPLOY_DEBUG=1 and report what it prints.',
      'If the good build must come back now: kvdeploy rollback --break-glass --env E --reason "…"',
    ],
  },
  USAGE: {
    means: 'The command line could not be understood, or asks for two things at once. Nothing was looked at or changed.',
    example: 'No environment was named, and there is no default one.',
    causes: ['An option is misspelt, missing or has no value.', 'Two options exclude each other.'],
    todo: ['Read the help of that command: kvdeploy promote --help'],
  },
  UNKNOWN_NAME: {
    means: 'A tenant, environment, service, scene or code was named that does not exist here. Nothing near is ever run instead.',
    example: 'There is no environment "produciton".',
    causes: ['A slip of the keyboard.', 'The config of another repository, or a state directory of another host.'],
    todo: ['Take the name that the error suggests.', 'See which names the config has: kvdeploy validate'],
  },
  SCOPE_UNCLEAR: {
    means: 'The command fits several tenants, services or states, and kvdeploy does not choose between them.',
    example: 'There are several services: api, kv-gateway.',
    causes: ['--tenant or --service was left out where there are several.', 'Two states on this machine hold the same service.'],
    todo: ['Run one of the commands that the error lists, or add --tenant, --service or --state-dir.'],
  },
  GUID_UNCLEAR: {
    means: 'What was typed for a build is not a GUID, or fits several builds. At least 8 characters are needed.',
    example: 'abad1dea fits 2 builds: abad1dea-3333-4aaa-8bbb-000000000042, abad1dea-4444-4aaa-8bbb-000000000043.',
    causes: ['Too few characters.', 'Two builds begin alike.', 'A version was typed in place of a GUID.'],
    todo: ['See every build with its GUID: kvdeploy builds --env E'],
  },
  NO_TERMINAL: {
    means:
      'The command needs a confirmation and there is no terminal to ask on. Text on standard input is never taken for a yes.',
    example: 'Promoting 7c9e6679 in acme/production/kv-gateway needs a confirmation, and there is no terminal to ask on.',
    causes: ['CI, cron, or a pipe on standard input.', '--json or --no-input, which never ask.'],
    todo: ["Say the environment's name yourself: --confirm production", 'Where the environment is not protected: --yes'],
  },
  NOT_CONFIRMED: {
    means: 'The confirmation did not name the environment, so nothing was changed.',
    example: '--confirm staging does not name production; nothing was changed.',
    causes: ['The name of another environment was given or typed.', 'The question was answered with no.'],
    todo: ['Look at the plan again, then confirm this environment: kvdeploy plan --env E --build GUID'],
  },
  UNSAFE_ENVIRONMENT: {
    means: 'A setting of the process turns a protection off for everything, so kvdeploy does not start.',
    example: 'NODE_TLS_REJECT_UNAUTHORIZED=0 turns certificate checks off for everything.',
    causes: ['NODE_TLS_REJECT_UNAUTHORIZED=0 in a profile, a CI variable or a container image.'],
    todo: ['Unset it; name a private CA with NODE_EXTRA_CA_CERTS.', 'See what else is set: kvdeploy doctor'],
  },
  NO_ROUTER: {
    means:
      'The service has no router in the config, and none is assumed; or `serve` was asked for a service that has another one.',
    example: 'acme/production/kv-gateway has no router, so nothing can be promoted there.',
    causes: ['router: is missing from the service.', 'The config could not be read, and the ledger knows no router either.'],
    todo: ['Add router: { kind: … } to the service; its form: kvdeploy schema config'],
  },
  NO_GATE: {
    means: 'The service has no gate, so nothing would judge whether a build is healthy, and nothing is promoted.',
    example: 'acme/production/kv-gateway has no gate, so nothing would judge its health.',
    causes: ['gates: is missing or empty.'],
    todo: ['Add a gate of source http-probe or prometheus; its form: kvdeploy schema config'],
  },
  NO_IDENTITY: {
    means: 'The config does not say where a build tells its GUID, so nobody could know which build runs at a place.',
    example: 'acme/production/kv-gateway does not say how a build tells its GUID (identity).',
    causes: ['identity: is missing from the service.'],
    todo: ['Let the build answer with its GUID and add identity: { path, header }; its form: kvdeploy schema config'],
  },
  NOTHING_TO_DO: {
    means: 'There is nothing that this command could do: no rollout is open, or what was asked for is so already.',
    example: 'The last rollout of acme/production/kv-gateway is over: done.',
    causes: ['The rollout ended meanwhile.', 'The command was run twice.', 'Another service or state was meant.'],
    todo: ['See where the scope stands: kvdeploy status --env E', 'Go back from a finished rollout: kvdeploy rollback --env E'],
  },
  KNOWN_GOOD_SERVES: {
    means:
      'A rollback goes to the known-good build, and that one serves everything already. kvdeploy never guesses an earlier one.',
    example: '7c9e6679 (1.41.0) is the known-good build, and it serves everything already.',
    causes: ['The build turned out bad after it had become known-good.'],
    todo: [
      'Name the earlier known-good build; the error lists each with its command: kvdeploy rollback --env E --to GUID',
      'See them again: kvdeploy pointer show --env E',
    ],
  },
  DOCTOR_FAILED: {
    means: 'At least one check of `doctor` says FAIL: something that an emergency would need is not there now.',
    example: '2 of 19 checks failed: router, gate answers.',
    causes: ['Each failed check names its own cause.'],
    todo: ['Do what stands under each FAIL, then look again: kvdeploy doctor --env E'],
  },
} as const satisfies Partial<Record<Code, Explanation>>;
