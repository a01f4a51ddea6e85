/** What this test file needs of `wanted`: names of programs, and `root`. */
export function neededBy(repository: string, file: string, wanted: readonly string[]): readonly string[];
