/** Explanations of the codes about what running builds say of themselves. Data only. */

export const IDENTITIES = {
  BUILD_GONE: {
    means:
      'The build is not proven to run at its place: another build answers at one of its members, or one that is up does not say what it is asked.',
    example: 'Another build answers at the place of 7c9e6679: 0b9f1c2d-1111-4aaa-8bbb-000000000040.',
    causes: [
      'It was never started there, or has crashed.',
      'All members say a commit, digest or version that no row of the manifest has.',
      'Another build was started at its place, perhaps at one location only.',
      'identity names environmentHeader or environmentJson, and the build does not send it.',
      'identity.path answers with a redirect, which is never an identity.',
      'ref names the wrong place.',
      'identity has several members asked at one port or UNIX socket, where only one of them would answer.',
      'In break-glass: its place answers 2xx without the GUID, with another GUID, or for another environment. Silence, a redirect and a 503 go on.',
    ],
    todo: [
      'Start it at its place, then run: kvdeploy plan --env E --build GUID',
      'Ask every place: kvdeploy doctor --env E',
      'List what serves, if it belongs here: kvdeploy builds add --live --env E --version V',
      'With break-glass, roll back to an earlier build: kvdeploy rollback --break-glass --env E --reason "…" --to GUID',
    ],
  },
  IDENTITY_UNCLEAR: {
    means:
      'Builds say their commit, digest, version or a label (identity: is), and that does not name exactly one build here: several rows have it, or the row of this build has none.',
    example:
      '7c9e6679 and 0b9f1c2d have the same commit 3f2a9c1d, so what runs could be either: builds say their commit (identity: is).',
    causes: [
      'One commit was built twice, and both builds are listed.',
      'The row has no source, or no such label.',
      'A version was used twice.',
      'One row has an abbreviated commit, and another row the whole one.',
    ],
    todo: [
      'Let builds say their GUID or digest: identity: { header: x-build-guid }',
      'Remove the row of the build that is not meant, or add the source to its row: kvdeploy validate',
    ],
  },
  ENVIRONMENT_UNPROVEN: {
    means:
      'Builds say their commit, digest, version or a label, which a build of another environment may share. A protected environment therefore needs every member to say which environment it was made for.',
    example:
      'It is not proven that what runs there was made for production: builds say their commit, which other environments may share, and no member is asked for it.',
    causes: [
      'identity has is: commit, but neither environmentHeader nor environmentJson.',
      'A member does not send its environment, at the place of the candidate or of the known-good build.',
    ],
    todo: [
      'Let every build say its environment: identity: { header: x-git-sha, is: commit, environmentHeader: x-environment }',
      'Or let builds say their GUID, which belongs to one environment.',
      'Ask every member: kvdeploy doctor --env E',
    ],
  },
};
