/** Keys and certificates for tests, made by openssl in a folder. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

const NEW_KEY = '-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes';

/** `NAME.key` and `NAME.pem` of the CA `by`, for these names and days; by itself where no CA is named. */
export function certificate(
  folder: string,
  name: string,
  { by, names = 'IP:127.0.0.1', days = 2 }: { by?: string; names?: string; days?: number } = {},
): void {
  const openssl = (line: string) => execFileSync('openssl', line.split(' '), { cwd: folder, stdio: 'pipe' });
  if (by === undefined) {
    openssl(
      `req -x509 ${NEW_KEY} -keyout ${name}.key -out ${name}.pem -days ${days} -subj /CN=${name} -addext subjectAltName=${names}`,
    );
    return;
  }
  openssl(`req ${NEW_KEY} -keyout ${name}.key -out ${name}.csr -subj /CN=${name}`);
  writeFileSync(join(folder, `${name}.ext`), `subjectAltName=${names}\n`);
  openssl(`x509 -req -in ${name}.csr -CA ${by}.pem -CAkey ${by}.key -days ${days} -extfile ${name}.ext -out ${name}.pem`);
}
