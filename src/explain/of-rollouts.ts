/** Explanations of the codes about a rollout: why it was refused, how it ended, and what stops the next one. Data only. */

export const ROLLOUTS = {
  FOREIGN_BUILD: {
    means: 'The build belongs to another environment: another manifest or another ledger contains it. No flag skips this check.',
    example: 'Build 57a9e000 belongs to staging, so it cannot enter production.',
    causes: [
      "A GUID of another environment was copied into this one's manifest.",
      'The build belongs to another tenant or service.',
    ],
    todo: ['Promote a build made for this environment: kvdeploy builds --env E', 'See both manifests: kvdeploy validate'],
  },
  WRONG_SCOPE: {
    means:
      'A manifest, an exported pointer or the build itself says that it belongs to a different scope than the requested one.',
    example: 'The build at the place of 7c9e6679 reports that it was made for staging, not production.',
    causes: ['A staging binary was started at a production place.', 'A manifest is in the folder of another scope.'],
    todo: [
      'Start the right build at that place, then run: kvdeploy plan --env E --build GUID',
      'See the files: kvdeploy validate',
    ],
  },
  UNLISTED_BUILD: {
    means: "This environment's manifest does not list the GUID, or lists it more than once.",
    example: 'The manifest of acme/production/kv-gateway does not list build 7c9e6679.',
    causes: ['The checkout is older than the build.', 'The build was listed for another service.'],
    todo: ['Update the checkout, then see what is listed: kvdeploy builds --env E'],
  },
  SCOPE_UNSEEN: {
    means:
      'A manifest or ledger of another scope cannot be read, so it could have the build. A protected environment refuses; elsewhere the check is not verified.',
    example: 'acme/staging/kv-gateway has no manifest: it could have the build, so nothing enters acme/production/kv-gateway.',
    causes: [
      'A manifest was deleted, renamed, linked or moved to another folder.',
      'A file below the manifest folder cannot be read.',
      'A ledger that was seen before is damaged, unreadable or gone.',
    ],
    todo: [
      'Put the manifest back: kvdeploy validate names what is missing',
      'A scope without builds gets a manifest with builds: []. One whose manifest is elsewhere says manifest: none in the config.',
      'Restore the ledger from a backup, or remove that scope from the config.',
    ],
  },
  OLD_SEQUENCE: {
    means:
      'The build is not newer than a build that was known-good here. To go to an older build, use rollback, which has its own checks.',
    example:
      'Build 0b9f1c2d has sequence 40, but 41 was known-good here. Use rollback, not promote, to return to an older build.',
    causes: ['An older build was given.', 'The sequence does not increase with every build.'],
    todo: [
      'Roll back: kvdeploy rollback --env E --to GUID',
      'Let a build that was rolled back from be promoted again: kvdeploy builds pardon GUID --env E --reason "…"',
      'See newer builds: kvdeploy builds --env E',
    ],
  },
  BAD_BUILD: {
    means:
      'The build is marked bad: its gate failed, or a person who rolled back from it said so (--bad). It is neither promoted nor rolled back to.',
    example: 'Build 7c9e6679 is marked bad: answers failed: 4 of 40 (10 %).',
    causes: ['The same build was tried again.'],
    todo: [
      'Fix the source and build it again; a new build has a new GUID.',
      'See why: kvdeploy history --env E',
      'Take a mark away that is wrong: kvdeploy builds pardon GUID --env E --reason "…"',
    ],
  },
  SAME_PLACE: {
    means:
      'The new build has the same place as the known-good build. Both must run at once; otherwise there is no rollback path.',
    example: 'Build 5c0a77e4 has the place blue, but the known-good build 0b9f1c2d runs there.',
    causes: ['ref was not switched to the free place.'],
    todo: ['Start it at another place and set its ref, then run: kvdeploy validate'],
  },
  WRONG_TARGET: {
    means: "The router's target does not report this environment, or reports another one.",
    example: "The router's target reports staging, but acme/production/kv-gateway was requested.",
    causes: [
      'The config names the socket or the address of another environment.',
      'The target does not report its environment.',
      'In break-glass: the address in the pointer now leads to the router of another environment. No answer is never a reason there.',
    ],
    todo: [
      'Fix the router settings, or make the target report its environment, then run: kvdeploy doctor --env E',
      'In break-glass: correct where the address leads and run the same command again, or make the printed changes by hand at the right router.',
    ],
  },
  NO_KNOWN_GOOD: {
    means: 'No build was ever known-good here, or the known-good build is marked bad, so there is no rollback path.',
    example: 'No build was ever known-good in acme/production/kv-gateway.',
    causes: ['The first promotion of a service.', 'A person marked the known-good build bad (--bad).'],
    todo: ['Adopt the build currently serving: kvdeploy adopt --env E', 'See earlier ones: kvdeploy pointer show --env E'],
  },
  NO_STATE: {
    means: 'There is no ledger or pointer here, but the target serves traffic. A new state could lose the rollback path.',
    example: 'There is no state for acme/production/kv-gateway here, but the target serves blue 100 %.',
    causes: ['An ephemeral CI runner.', 'A different state directory than last time.', 'A different user or host.'],
    todo: [
      'Run the command on the host with the state, or give --state-dir.',
      'Import the pointer from the other machine: kvdeploy pointer import FILE --env E',
      'Where there never was any state of this target, adopt the build currently serving: kvdeploy adopt --env E',
    ],
  },
  NOT_KNOWN_GOOD: {
    means: 'A rollback is only possible to builds that were known-good here. This build was not.',
    example: 'Build 7c9e6679 was never known-good in acme/production/kv-gateway.',
    causes: ['Its rollout never finished the last bake at 100 %.', 'The GUID belongs to another scope.'],
    todo: ['See which builds were: kvdeploy pointer show --env E'],
  },
  POINTER_DAMAGED: {
    means: 'The known-good pointer is missing or does not verify. Nothing is promoted without a rollback path.',
    example: 'The known-good pointer cannot be read: ptr.000000000007: its checksum does not match.',
    causes: ['A disk fault or a file edited by hand.', 'The pointer was deleted.'],
    todo: ['Rewrite it from the ledger: kvdeploy pointer verify --env E --renew', 'See each copy: kvdeploy pointer show --env E'],
  },
  POINTER_STALE: {
    means: 'The pointer verifies, but on the current target its changes would not restore the known-good build.',
    example: 'The stored changes differ from those rendered now: the target or its settings have changed.',
    causes: ['A server or a place was added or removed.', 'The router settings in the config were changed.'],
    todo: ['Rewrite it: kvdeploy pointer verify --env E --renew'],
  },
  LEDGER_CUT: {
    means:
      'The pointer refers to a ledger entry that is missing: the end of the ledger was cut off, or it is a different ledger.',
    example: 'Pointer generation 7, written 2026-11-21T09:12:00Z, refers to an entry that the ledger does not have.',
    causes: [
      'The state directory was restored from a backup older than the pointer.',
      'Someone removed lines or whole segments of the ledger.',
    ],
    todo: [
      'Restore the newer ledger from a backup.',
      'If it is permanently lost, continue from what is left: kvdeploy pointer verify --env E --renew',
    ],
  },
  LEDGER_NEWER: {
    means: 'A newer kvdeploy wrote the ledger in a format that this version does not know. kvdeploy does not read it.',
    example: '0007.jsonl was written by a newer kvdeploy (ledger format 9), but this version supports formats up to 3.',
    causes: [
      'Another runner that shares the state has a newer version.',
      'An older version of kvdeploy was installed here again.',
    ],
    todo: [
      'Update kvdeploy here, then run the same command again.',
      'If you must restore the known-good build now: kvdeploy rollback --break-glass --env E --reason "…"',
    ],
  },
  STATE_UNSAFE: {
    means: 'The state directory cannot guarantee to keep the rollback path, or others may have written to it.',
    example: 'The state directory cannot guarantee to keep the rollback path: it is on tmpfs.',
    causes: [
      'tmpfs, or a full or read-only disk.',
      'It belongs to another account, which the machine file does not name (stateOwners).',
      'Other users can write to it, or to a folder above it.',
      'A symlink in the state directory.',
    ],
    todo: [
      'Another account owns it: run the line that the error prints (runuser -u OWNER -- …).',
      'Put it on a local disk, with mode 0700 or shared with stateGroup, then run: kvdeploy doctor --env E',
    ],
  },
  TARGET_NOT_ALLOWED: {
    means:
      'A change may only touch what the machine file lists: all of it where others than root and this user can write the state, and in any case the programs of a router. Nothing was run or changed.',
    example: 'The machine file does not allow acme/production/web to touch /run/haproxy/admin.sock.',
    causes: [
      'The state is shared with a group (stateGroup), or belongs to another account.',
      'The router is nginx or a program of yours, and the machine file does not list each argv exactly.',
      'The router, its addresses or a program changed, and the machine file was not changed with it.',
    ],
    todo: [
      'Review the stanza that the error prints, then have root add it to /etc/kvdeploy/machine.json (docs/machine-file.md).',
      'In an emergency: run the printed break-glass command as the owner of the state, or make the printed changes by hand.',
    ],
  },
  SPLIT_IMPOSSIBLE: {
    means: 'The router cannot set the exact percentage of a step.',
    example: "HAProxy's maximum weight is 256, so it cannot set 0.1 %; the nearest possible value is 0.391 %.",
    causes: ['The step is too small.', 'The balance algorithm supports only 0 % and 100 %.'],
    todo: ['Change the steps in the config, then run: kvdeploy plan --env E --build GUID'],
  },
  REQUIREMENT_UNMET: {
    means: 'Another environment must first run this source for the required time, and it has not.',
    example: 'acme/staging/kv-gateway has run this source for 4m; 30m are required.',
    causes: ['The soak time is not over.', 'This source was never promoted in staging.', 'A build does not state its source.'],
    todo: ['Wait, or promote it there first. Check: kvdeploy status --env staging'],
  },
  NO_SUCH_SOURCE: {
    means:
      'This environment lists no build of the source that is known-good in the other environment. A GUID is never used in two environments.',
    example: 'acme/production/kv-gateway lists no build of commit 3f2a91, which is known-good in staging.',
    causes: ['CI has not created the build for this environment yet.', 'The manifests do not state the source.'],
    todo: ['Wait for CI to create it, update the checkout, then run: kvdeploy builds --env E'],
  },
  SOURCE_UNCLEAR: {
    means: 'This environment lists several builds of the source that is known-good in the other environment.',
    example: 'acme/production/kv-gateway lists 2 builds of commit dddddd.',
    causes: ['The same commit was built twice.'],
    todo: ['Choose one: kvdeploy promote --env E --build GUID'],
  },
  UNEXPECTED_SPLIT: {
    means: 'The target does not serve only the known-good build, so a rollout cannot begin.',
    example: 'The target serves blue 75 %, green 25 %, not only the known-good build 0b9f1c2d at blue.',
    causes: ['Someone changed the weights by hand.', 'The router restarted without its saved state.'],
    todo: ['See the current split: kvdeploy status --env E', 'Restore the known-good build: kvdeploy rollback --env E'],
  },
  TARGET_CHANGED: {
    means:
      'The current config names a different target than the open rollout uses, or protects an environment that it began unprotected.',
    example: 'The config names a different target than this rollout uses: routes /var/lib/edge/b.json.',
    causes: ['The router settings, or `protected`, were changed while a rollout was open.'],
    todo: ['Roll back on the old target: kvdeploy abort --env E', 'Revert the config, then run: kvdeploy resume --env E'],
  },
  POINTER_TOO_LARGE: {
    means: 'The router has more servers than the known-good pointer can hold the changes of. Nothing was changed.',
    example:
      'The rollback path could not be written down: the pointer would have more than 1048576 bytes (the target has 9000 members).',
    causes: ['The backend has thousands of servers with an address. Slots without one are left out.'],
    todo: [
      'Move servers that are no places of this service to a backend of their own.',
      'See the places: kvdeploy doctor --env E',
    ],
  },
  PROBES_ONLY: {
    means:
      'Every gate judges by requests of its own, and the environment is protected: a build that answers each probe and refuses every client would pass.',
    example:
      'Every gate of acme/production/kv-gateway judges by probes of its own, so that no one would see a build that answers each probe and refuses every client.',
    causes: ['All gates are http-probe, a command with probes: true, or a query about the blackbox exporter.'],
    todo: [
      'Count the requests of clients, by the router or by Prometheus: gates: [errors]',
      'If probes are enough for this service, say so next to its gates: probesOnly: true',
      'See the gates: kvdeploy plan --env E --build GUID',
    ],
  },
  GATE_NOT_READY: {
    means: 'A gate has no data. Missing data is never treated as healthy, so the rollout does not begin or continue.',
    example: 'Gate errors has no data for 0b9f1c2d, the build currently serving: the query returns no series.',
    causes: ['The metric source is down.', 'The query uses the wrong labels.', 'Too little traffic.'],
    todo: ['Check the gates now: kvdeploy doctor --env E', 'See the query of each gate: kvdeploy plan --env E --build GUID'],
  },
  GATE_FAILED: {
    means: 'A gate failed before anything was changed: the build that `adopt` was to make known-good is not healthy.',
    example: 'answers failed: 5 of 5 requests (100 %), more than 10 %.',
    causes: ['The build currently serving fails its gate.', 'The limit is too strict.'],
    todo: ['Fix the build or the limit, then run: kvdeploy adopt --env E'],
  },
  HAZARD_UNCONTROLLED: {
    means: 'A hazard of this release has no control stronger than a careful person.',
    example: '1 hazard has no control stronger than a careful person: A router reload restores an earlier split.',
    causes: ['HAProxy without serverStateFile.', 'A gate that can never reach its minRequests.', 'State on tmpfs.'],
    todo: ['See every hazard and its controls: kvdeploy plan --env E --build GUID'],
  },
  STALE_PLAN: {
    means: 'An input of the plan file has changed, so no one has reviewed what would actually happen.',
    example: 'plan.json is stale: releases/production/kv-gateway.yaml has changed.',
    causes: ['A manifest or the config was edited.', 'Another rollout ran in the meantime.', 'Someone shifted traffic.'],
    todo: ['Create and review it again: kvdeploy plan --env E --build GUID --out plan.json'],
  },
  REVERTED: {
    means: 'A gate failed or gave up. All traffic is on the stable build again. Only a gate that failed marks the build bad.',
    example: 'answers failed: 12 of 40 (30 %). All traffic is on 0b9f1c2d; the known-good build is unchanged.',
    causes: [
      'The new build is bad, or the router saw it crash repeatedly.',
      'One member of several is bad. The message names it: errors in member green-3.',
      'Too few members were up for longer than `patience` (capacity): that marks nothing bad.',
      'The metric source did not answer for longer than `patience`.',
      'Clients stay with a build (cookies), so the new one got another part of the traffic: compare: { traffic: false }.',
    ],
    todo: [
      'See what was measured: kvdeploy history --env E',
      'If one member is named, look at its host, then ask every member: kvdeploy places --env E',
      'Promote a fixed build: kvdeploy builds --env E',
    ],
  },
  ABORTED: {
    means: 'Someone aborted the rollout, or ran break-glass during it. All traffic is on the stable build.',
    example: 'aborted by tess@edge-1: not tonight. All traffic is on 0b9f1c2d; the known-good build is unchanged.',
    causes: ['kvdeploy abort, from here or elsewhere.', 'A break-glass rollback that has been reconciled.'],
    todo: ['See who and why: kvdeploy history --env E'],
  },
  STUCK: {
    means: 'Traffic or pointer is not where it should be, and kvdeploy could not fix it. Someone must act now.',
    example: 'The rollout stopped (baking, step 1 of 2) and no one is watching the gates: the disk is full.',
    causes: ['The router refuses changes.', 'The state directory cannot be written.', 'The stable build is also gone.'],
    todo: [
      'Run the break-glass command that the error prints, or: kvdeploy rollback --break-glass --env E --reason "…"',
      'When the cause is fixed: kvdeploy resume --env E',
    ],
  },
  DRIFT: {
    means: 'Someone else changed the traffic split during a rollout. kvdeploy stops and does not change it back.',
    example: 'someone else shifted traffic: kvdeploy set blue 75 %, green 25 %, but the router reports blue 100 %',
    causes: ['Someone changed the router by hand.', 'Another tool changed it.', 'The router restarted without its saved state.'],
    todo: ['See the current split: kvdeploy status --env E', 'Restore the known-good build: kvdeploy rollback --env E'],
  },
  STATE_LOST: {
    means: 'The state was lost in mid-rollout. The leader sent all traffic back to the stable build, if it could.',
    example: 'The state in /var/lib/kvdeploy was lost (0007.jsonl is gone). All traffic was sent to 0b9f1c2d.',
    causes: ['Someone removed or moved the folder, or changed its mode.', 'The disk failed, or was unmounted.'],
    todo: [
      'Find out what happened to it; state-lost.jsonl says what the leader did.',
      'If it comes back: kvdeploy abort --env E',
      'If it is gone for good: kvdeploy adopt --env E --to GUID',
    ],
  },
  NOT_VERIFIED: {
    means: 'Break-glass made every change but could not verify them. In a rehearsal: the rollback path cannot be verified.',
    example: 'Changes made but not verified: 127.0.0.1:8080 did not accept a connection within 2000 ms',
    causes: [
      'The router does not answer.',
      'The router is slow to apply the change.',
      'A member that gets traffic does not say which build it is, or says another one.',
      'A member has a name that the pointer does not know: it was renamed, or came later.',
    ],
    todo: [
      'Check the router itself, and take a member that is named out of rotation there. It is safe to run the same command again.',
      'Rehearse break-glass before you need it: kvdeploy doctor --env E --break-glass',
    ],
  },
  LEDGER_DAMAGED: {
    means:
      'A line of the ledger was edited, removed or reordered, so the hash chain does not verify. kvdeploy does not read the ledger.',
    example: 'Line 12 does not follow the one before it.',
    causes: ['A disk fault.', 'The file was edited or only partly restored.'],
    todo: [
      'Restore the whole ledger folder from a backup, then run: kvdeploy history --env E',
      'If you must restore the known-good build now: kvdeploy rollback --break-glass --env E --reason "…"',
    ],
  },
  IN_DOUBT: {
    means: 'The disk did not confirm that a write is durable, so this process writes nothing more.',
    example: 'It is unknown whether that write is durable, so this process writes nothing more there.',
    causes: ['A failing disk.', 'A network file system that disconnected.'],
    todo: ['Fix the disk, then check: kvdeploy status --env E', 'Continue: kvdeploy resume --env E'],
  },
  BUSY: {
    means: 'Another runner leads this scope, or has taken over. Only one runner may shift its traffic.',
    example: 'ci@runner-7 leads acme/production/kv-gateway with promote on runner-7 (pid 4711) since 2026-11-21T14:02:11Z.',
    causes: ['A rollout is running.', 'A second CI run.', 'Someone aborted or resumed it elsewhere.'],
    todo: ['See who: kvdeploy status --env E', 'Stop it: kvdeploy abort --env E', 'Watch it: kvdeploy status --env E --watch'],
  },
  HELD: {
    means: 'After break-glass, kvdeploy shifts no traffic here until someone reviews the incident and runs reconcile.',
    example: 'Traffic in acme/production/kv-gateway must not be shifted: root on edge-1 ran break-glass at 2026-11-21T10:00:00Z.',
    causes: ['A break-glass rollback, finished or interrupted.'],
    todo: ['Review it, record the result and lift the hold: kvdeploy reconcile --env E --reason "…"'],
  },
  OTHER_STATE: {
    means:
      'Another state directory drives this target. Its hold, its leader and its bad marks count here, so a second state must not move the traffic.',
    example: 'The state /var/lib/kvdeploy (acme/production/kv-gateway, account deploy) drives this target.',
    causes: [
      'Two operators whose HOME, account or --state-dir differ.',
      'The state was lost, or its disk is not mounted.',
      'The service has been renamed, or its target was another service’s before.',
    ],
    todo: [
      'Work with the state that is named: --state-dir DIR, or as its account.',
      'Where it is lost for good, name the build that is to serve: kvdeploy adopt --env E --to GUID',
      'Where it no longer drives this target, remove the marker that is named (FILE.kvdeploy-state).',
      'In an emergency, kvdeploy rollback --break-glass never asks for this.',
    ],
  },
  UNFINISHED: {
    means: 'The last rollout is unfinished and no one is watching it. No other rollout can begin until it ends.',
    example: 'Rollout r-7f3k is not finished: baking at step 1 of 2, and no one is watching it.',
    causes: ['Its runner was killed or lost its connection.', '--max-wait or --until ended it.'],
    todo: ['Continue: kvdeploy resume --env E', 'Roll back: kvdeploy abort --env E'],
  },
  UNREACHABLE: {
    means: 'Something required did not answer in time. Nothing was changed.',
    example: 'The local router at 127.0.0.1:8080 does not answer (connect ECONNREFUSED).',
    causes: ['It is not running.', 'This user may not open the socket.', 'The config has a wrong address.'],
    todo: ['See everything that does not answer: kvdeploy doctor --env E'],
  },
  SYSTEM_ERROR: {
    means:
      'The operating system refused something that kvdeploy needs: a file could not be opened, read or written. This is not a bug.',
    example: "The operating system reports: EMFILE: too many open files, open '/etc/kvdeploy/machine.json'.",
    causes: [
      'Too many open files.',
      'A disk or a network file system that fails or is full.',
      'Permissions of a file or folder.',
      'A router that the demo is to start is not installed.',
    ],
    todo: [
      'Fix what the message names: it has the call, the file and the error of the operating system.',
      'Run the same command again.',
    ],
  },
  STATE_UNWRITABLE: {
    means: 'The ledger, the pointer or a routes file could not be written. kvdeploy does nothing that it cannot record.',
    example: 'cannot write the ledger of acme/production/kv-gateway: ENOSPC: no space left on device',
    causes: ['A full or read-only disk.', 'Another user owns the state.'],
    todo: ['Free disk space or fix the permissions, then run: kvdeploy doctor --env E'],
  },
};
